import numpy as np
import pytest

from harness.engine.latency import Interleaved, RatioInterval, interleave, quantiles_ms, ratio_interval


def test_drift_of_the_machine_cancels_in_the_ratio():
    drift = np.linspace(1.0, 10.0, 60)
    interval = ratio_interval(Interleaved(baseline=drift, candidate=0.8 * drift))
    assert (interval.ratio, interval.low, interval.high) == pytest.approx((0.8, 0.8, 0.8))


def test_interval_covers_the_true_ratio_at_about_its_rate():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        baseline = generator.lognormal(0.0, 0.1, 40)
        candidate = 0.9 * generator.lognormal(0.0, 0.1, 40)
        interval = ratio_interval(Interleaved(baseline, candidate), seed=seed, resamples=400)
        covered += interval.low <= 0.9 <= interval.high
    assert 0.88 <= covered / 200 <= 1.0


def test_interval_is_the_same_under_one_seed():
    generator = np.random.default_rng(1)
    samples = Interleaved(generator.random(30) + 1, generator.random(30) + 1)
    assert ratio_interval(samples, seed=3) == ratio_interval(samples, seed=3)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.5, 0.99, "faster"),
        (1.01, 1.5, "slower"),
        (0.97, 1.03, "same"),
        (0.8, 1.01, "not measurable"),
        (0.99, 1.3, "not measurable"),
    ],
)
def test_verdict(low, high, verdict):
    assert RatioInterval((low + high) / 2, low, high).verdict == verdict


def test_rounds_alternate_which_goes_first_and_are_all_timed():
    order = []
    samples = interleave(
        lambda: order.append("b"),
        lambda: order.append("c"),
        rounds=4,
        warmup_seconds=0,
        synchronize=lambda: None,
    )
    assert "".join(order) == "bccbbccb"
    assert len(samples.baseline) == len(samples.candidate) == 4


def test_a_candidate_that_does_half_the_work_is_faster():
    work = np.random.default_rng(0).random((160, 160))
    samples = interleave(
        lambda: [work @ work for _ in range(8)],
        lambda: [work @ work for _ in range(4)],
        rounds=40,
        warmup_seconds=0.5,
        synchronize=lambda: None,
    )
    interval = ratio_interval(samples)
    assert interval.verdict == "faster"
    assert 0.3 < interval.ratio < 0.75


def test_device_is_waited_for_before_and_behind_every_run():
    waits = []
    interleave(lambda: None, lambda: None, rounds=3, warmup_seconds=0, synchronize=lambda: waits.append(1))
    assert len(waits) == 2 * 2 * 3


def test_quantiles_are_milliseconds():
    assert quantiles_ms(np.array([0.001] * 9)) == {"p10": 1.0, "p50": 1.0, "p90": 1.0}
