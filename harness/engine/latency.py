"""Latency of a candidate against its baseline.

Both run interleaved in one process, so that whatever else the machine does hits both alike; what is believed is the
interval of their ratio, not a time. See `docs/design/latency.md`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["faster", "same", "slower", "not measurable"]
Samples = NDArray[np.float64]

_SAME_WITHIN = 0.05
_STABLE_WITHIN = 0.05
_STABLE_WINDOW = 5


@dataclass(frozen=True)
class RatioInterval:
    """Median of candidate / baseline with its 95 % bootstrap interval."""

    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What the interval allows to say: it must lie on one side of 1, or close around it."""
        if self.high < 1:
            return "faster"
        if self.low > 1:
            return "slower"
        if self.low >= 1 - _SAME_WITHIN and self.high <= 1 + _SAME_WITHIN:
            return "same"
        return "not measurable"


@dataclass(frozen=True)
class Interleaved:
    """Times in seconds, one pair a round; [rounds] each."""

    baseline: Samples
    candidate: Samples


def interleave(
    baseline: Callable[[], object],
    candidate: Callable[[], object],
    *,
    rounds: int,
    warmup_seconds: float,
    synchronize: Callable[[], None],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Interleaved:
    """Times two callables in alternation; which of them goes first alternates too.

    Args:
        baseline: Runs the baseline once.
        candidate: Runs the candidate once.
        rounds: Pairs to time.
        warmup_seconds: Upper bound on the warm-up, which ends earlier once both are stable.
        synchronize: Waits for the device.
        progress: Called with (done, total) rounds.
    """
    _warm_up(baseline, candidate, warmup_seconds, synchronize)
    times: tuple[list[float], list[float]] = ([], [])
    runs = (baseline, candidate)
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            times[which].append(_timed(runs[which], synchronize))
        progress(number + 1, rounds)
    return Interleaved(np.asarray(times[0]), np.asarray(times[1]))


def ratio_interval(samples: Interleaved, *, seed: int = 0, resamples: int = 2000) -> RatioInterval:
    """Returns the median of the rounds' ratios and its percentile-bootstrap interval (Efron 1979).

    A round's two times are neighbours, so their ratio is nearly free of the machine's drift.

    Example:
        >>> times = np.array([2.0, 2.0, 2.0])
        >>> ratio_interval(Interleaved(times, times / 2))
        RatioInterval(ratio=0.5, low=0.5, high=0.5)
    """
    ratios = samples.candidate / samples.baseline
    chosen = np.random.default_rng(seed).integers(0, len(ratios), size=(resamples, len(ratios)))
    medians = np.median(ratios[chosen], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return RatioInterval(float(np.median(ratios)), float(low), float(high))


def quantiles_ms(times: Samples) -> dict[str, float]:
    """Returns the 10 %, 50 % and 90 % quantiles of times in seconds, as milliseconds."""
    p10, p50, p90 = (float(value) * 1000 for value in np.quantile(times, [0.1, 0.5, 0.9]))
    return {"p10": p10, "p50": p50, "p90": p90}


def _timed(run: Callable[[], object], synchronize: Callable[[], None]) -> float:
    synchronize()
    start = time.perf_counter()
    run()
    synchronize()
    return time.perf_counter() - start


def _warm_up(
    baseline: Callable[[], object],
    candidate: Callable[[], object],
    seconds: float,
    synchronize: Callable[[], None],
) -> None:
    end = time.perf_counter() + seconds
    histories: tuple[list[float], list[float]] = ([], [])
    while time.perf_counter() < end and not all(_is_stable(history) for history in histories):
        for run, history in zip((baseline, candidate), histories, strict=True):
            history.append(_timed(run, synchronize))


def _is_stable(history: Sequence[float]) -> bool:
    if len(history) < 2 * _STABLE_WINDOW:
        return False
    earlier = float(np.median(history[-2 * _STABLE_WINDOW : -_STABLE_WINDOW]))
    recent = float(np.median(history[-_STABLE_WINDOW:]))
    return abs(recent - earlier) <= _STABLE_WITHIN * earlier
