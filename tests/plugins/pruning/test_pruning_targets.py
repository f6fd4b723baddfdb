import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench_pruning.allocation import allocate
from bench_pruning.channels.costs import CostModel, CostTerm, Width
from bench_pruning.descriptors import PruningOptions
from bench_pruning.ordering import removal_order
from bench_pruning.targets import curve, is_missed, nearest_prefix, wanted
from harness.errors import UserError

NAMES = ("a", "b", "c")
ratios = st.one_of(st.integers(0, 99).map(lambda percent: percent / 100), st.floats(0, 0.999))
options = st.builds(
    PruningOptions,
    allocation=st.sampled_from(["uniform", "global"]),
    normalizer=st.sampled_from(["none", "mean", "max"]),
    round_to=st.sampled_from([1, 1, 2, 4, 8]),
    min_channels=st.sampled_from([1, 1, 2, 5]),
    max_ratio=st.sampled_from([1.0, 1.0, 0.7, 0.25]),
)
# Few different values, so that ties are common.
scores = st.fixed_dictionaries(
    {name: st.lists(st.integers(-3, 9), min_size=1, max_size=20).map(torch.DoubleTensor) for name in NAMES}
)
protections = st.sets(st.sampled_from(NAMES), max_size=2)
widths = st.builds(
    Width, st.integers(0, 5), st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 4)), max_size=3).map(tuple)
)
coefficients = st.one_of(st.integers(0, 9), st.just(2**62), st.just(10**30))
terms = st.builds(CostTerm, coefficients, st.lists(widths, max_size=3).map(tuple))
costs = st.lists(terms, max_size=5).map(lambda found: CostModel((CostTerm(1), *found)))


def counted(kept):
    return {name: len(channels) for name, channels in kept.items()}


@given(scores, options, costs, protections)
def test_the_curve_is_the_cost_of_every_prefix(values, chosen, model, protected):
    order = removal_order(values, chosen, protected)
    found = curve(order, model)
    assert found.tolist() == [model.count(counted(order.kept(prefix))) for prefix in range(len(order) + 1)]
    assert (np.diff(found) <= 0).all()


@given(scores, options, costs, protections, ratios)
def test_no_prefix_is_nearer_to_the_target(values, chosen, model, protected, ratio):
    order = removal_order(values, chosen, protected)
    found = allocate(values, ratio, chosen, of="macs", costs={"macs": model}, protected=protected)
    dense = model.count(order.sizes)
    distances = [
        abs(model.count(counted(order.kept(prefix))) - wanted(dense, ratio)) for prefix in range(len(order) + 1)
    ]
    assert abs(found.target.predicted - wanted(dense, ratio)) == min(distances)
    assert found.target.predicted == model.count(counted(found.kept))
    assert found.target.dense == dense
    assert found.target.reached == (dense - found.target.predicted) / dense
    assert found.target.missed == (min(distances) * 100 > wanted(dense, ratio)) == (found.target.reason is not None)


@given(
    scores, options, costs, protections, st.lists(ratios, min_size=2, max_size=8), st.sampled_from(["channels", "macs"])
)
def test_larger_ratios_keep_subsets_within_the_limits(values, chosen, model, protected, asked, of):
    sizes = {name: len(score) for name, score in values.items()}
    previous = {name: set(range(size)) for name, size in sizes.items()}
    for ratio in sorted(asked):
        kept = allocate(values, ratio, chosen, of=of, costs={"macs": model}, protected=protected).kept
        for name, size in sizes.items():
            assert kept[name] == sorted(set(kept[name]) & previous[name])
            assert len(kept[name]) >= min(size, chosen.min_channels)
            assert (size - len(kept[name])) / size <= chosen.max_ratio
            assert len(kept[name]) == size or (len(kept[name]) % chosen.round_to == 0 and name not in protected)
            gone = previous[name] - set(kept[name])
            assert not gone or not kept[name] or values[name][list(gone)].max() <= values[name][kept[name]].min()
        previous = {name: set(channels) for name, channels in kept.items()}


@given(scores, options, costs, st.sampled_from(["channels", "macs"]))
def test_ratio_zero_changes_nothing(values, chosen, model, of):
    found = allocate(values, 0.0, chosen, of=of, costs={"macs": model})
    assert counted(found.kept) == {name: len(score) for name, score in values.items()}
    assert (found.target.reached, found.target.missed, found.target.reason) == (0.0, False, None)


def convolution(inputs, outputs):
    return CostTerm(9, (Width(0, ((inputs, 1),)), Width(0, ((outputs, 1),))))


def network(layers, size):
    names = [f"layer{i}" for i in range(layers)]
    generator = torch.Generator().manual_seed(0)
    model = CostModel(tuple(convolution(one, two) for one, two in zip(names, names[1:], strict=False)))
    return {name: torch.rand(size, generator=generator) for name in names}, model


@pytest.mark.parametrize("allocation", ["uniform", "global"])
@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.7])
def test_a_target_of_macs_is_met_far_within_one_percent(allocation, ratio):
    values, model = network(6, 64)
    chosen = PruningOptions(allocation=allocation)
    target = allocate(values, ratio, chosen, of="macs", costs={"macs": model}).target
    assert target.dense == 5 * 9 * 64 * 64
    assert target.reached == pytest.approx(ratio, abs=0.003)
    assert (target.of, target.asked, target.missed, target.reason) == ("macs", ratio, False, None)


def test_a_uniform_target_scales_the_uniform_rate():
    values, model = network(6, 64)
    kept = allocate(values, 0.75, PruningOptions(), of="macs", costs={"macs": model}).kept
    assert set(counted(kept).values()) == {32}


def test_the_fraction_of_channels_is_one_of_those_that_are_not_protected():
    values = {"a": torch.rand(10), "b": torch.rand(30)}
    target = allocate(values, 0.5, PruningOptions(allocation="global"), protected={"b"}).target
    assert (target.dense, target.predicted, target.reached, target.missed) == (10, 5, 0.5, False)


@pytest.mark.parametrize(
    ("size", "ratio", "chosen", "reason"),
    [
        (64, 0.5, {"round_to": 24}, "round_to=24 leaves no nearer choice"),
        (64, 0.5, {"max_ratio": 0.25}, "layers are at their floor (round_to=1, min_channels=1, max_ratio=0.25)"),
        (16, 0.999, {}, "layers are at their floor (round_to=1, min_channels=1, max_ratio=1.0)"),
        (20, 0.999, {"round_to": 8}, "layers are at their floor (round_to=8, min_channels=1, max_ratio=1.0)"),
        (5, 0.5, {}, "the layers have too few channels"),
    ],
)
@pytest.mark.parametrize("of", ["channels", "macs"])
def test_a_missed_target_says_why(size, ratio, chosen, reason, of):
    values, model = network(3, size)
    target = allocate(values, ratio, PruningOptions(**chosen), of=of, costs={"macs": model}).target
    assert target.missed
    assert target.reason.startswith(reason)


def test_a_floor_of_one_layer_is_a_reason_though_others_could_lose_more():
    values = {"a": torch.rand(40), "b": torch.rand(200)}
    target = allocate(values, 0.5, PruningOptions(min_channels=40)).target
    assert (target.predicted, target.missed) == (140, True)
    assert target.reason.startswith("layers are at their floor (round_to=1, min_channels=40")


def test_a_target_within_one_percent_of_what_is_kept_is_met():
    assert not is_missed(1000, 495, 0.5)
    assert not is_missed(1000, 505, 0.5)
    assert is_missed(1000, 506, 0.5)
    assert is_missed(1000, 12, 0.99)


@pytest.mark.parametrize("exact", [np.int64, object])
@pytest.mark.parametrize(
    ("ratio", "prefix"),
    [(0.0, 0), (0.05, 0), (0.06, 1), (0.1, 1), (0.2, 1), (0.21, 2), (0.65, 2), (0.66, 4), (0.99, 4)],
)
def test_the_nearest_cost_wins_and_of_two_equally_near_the_larger(ratio, prefix, exact):
    costs = np.array([100, 90, 70, 70, 0], exact)
    assert nearest_prefix(costs, ratio) == prefix
    assert nearest_prefix(costs[:1], ratio) == 0


@pytest.mark.parametrize("of", ["channels", "macs"])
def test_a_fraction_of_nothing_is_the_users_mistake(of):
    with pytest.raises(UserError, match=f"a ratio of {of} has no meaning"):
        allocate({"a": torch.rand(4)}, 0.5, PruningOptions(), of=of, costs={"macs": CostModel(())}, protected={"a"})


def test_the_target_goes_to_json():
    values, model = network(2, 8)
    target = allocate(values, 0.5, PruningOptions(), of="macs", costs={"macs": model}).target
    assert target.to_json() == {
        "of": "macs",
        "asked": 0.5,
        "dense": 576,
        "predicted": 270,
        "reached": 1 - 270 / 576,
        "missed": True,
        "reason": "the layers have too few channels for a nearer choice",
    }


def test_a_large_network_takes_well_under_a_second():
    values, model = network(300, 47)
    order = removal_order(values, PruningOptions(allocation="global", round_to=2))
    assert len(order) == 300 * 46
    start = time.process_time()
    curve(order, model)
    assert time.process_time() - start < 1
