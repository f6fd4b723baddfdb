import copy
import json
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pruning_fakes import Chain, Concatenation, FakeTask, Residual, Separable, Swapped, conv
from torch import nn

from bench_pruning.channels import surgery
from bench_pruning.channels.costs import CostModel, CostTerm, Width, parameter_costs
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from harness.engine.costs import count_params
from harness.errors import PluginError

NAMES = ("a", "b", "c.d")
widths = st.builds(
    Width,
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 4)), max_size=3).map(tuple),
)
terms = st.builds(CostTerm, st.integers(0, 9), st.lists(widths, max_size=3).map(tuple))
models = st.lists(terms, max_size=6).map(lambda found: CostModel(tuple(found)))
counts = st.fixed_dictionaries({name: st.integers(0, 9) for name in NAMES})


class Called(nn.Module):
    """One layer that runs twice on the same channels."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 6)
        self.twice = conv(6, 6)
        self.head = conv(6, 2, 1)

    def forward(self, x):
        return self.head(self.twice(torch.relu(self.twice(torch.relu(self.stem(x))))))


def slot(module, parameter, dim, indices, channels, role="producer"):
    return ParameterSlot(
        module=module, parameter=parameter, dim=dim, role=role, indices=tuple(indices), channels=tuple(channels)
    )


def group(name, size, *slots):
    return ChannelGroup(name=name, size=size, slots=slots)


def grouped_network():
    """A convolution in two groups, whose channels go in pairs, read by a linear layer behind a 2 x 2 map."""
    model = nn.Sequential(conv(3, 8), conv(8, 12, groups=2), nn.Flatten(), nn.Linear(12 * 4, 5))
    pairs = [*range(4), *range(4)]
    triples = [*range(6), *range(6)]
    flat = [channel for channel in triples for _ in range(4)]
    inner = group("0", 4, *(slot("0", name, 0, range(8), pairs) for name in ("weight", "bias")))
    # Every group of the convolution sees the first 4 indices of its weight's dimension 1.
    inner = group("0", 4, *inner.slots, slot("1", "weight", 1, range(4), range(4), "consumer"))
    outer = group(
        "1",
        6,
        *(slot("1", name, 0, range(12), triples) for name in ("weight", "bias")),
        slot("3", "weight", 1, range(48), flat, "consumer"),
    )
    return model, [inner, outer]


def random_kept(groups, generator):
    return {one.name: sorted(generator.sample(range(one.size), generator.randint(1, one.size))) for one in groups}


def counted(kept):
    return {name: len(channels) for name, channels in kept.items()}


def check_prediction(model, groups, trials=5):
    costs = parameter_costs(model, groups)
    assert costs.count({one.name: one.size for one in groups}) == count_params(model)
    generator = random.Random(0)
    for _ in range(trials):
        kept, pruned = random_kept(groups, generator), copy.deepcopy(model)
        surgery.apply(pruned, recipe(model, groups, kept))
        assert costs.count(counted(kept)) == count_params(pruned)
    return costs


@pytest.mark.parametrize("factory", [Chain, Residual, Concatenation, Separable, Swapped, Called])
def test_parameters_are_predicted_to_the_integer(factory):
    model = factory()
    found = trace(model, FakeTask(), torch.zeros(1, 3, 16, 16)).prunable
    check_prediction(model, found)


def test_parameters_of_grouped_and_flattened_channels_are_predicted_to_the_integer():
    model, groups = grouped_network()
    costs = check_prediction(model, groups)
    # 8 * 3 * 9 + 8, 12 * 4 * 9 + 12, 48 * 5 + 5 before; 2, 3 of the channels are 4, 6 outputs.
    assert costs.count({"0": 2, "1": 3}) == (4 * 27 + 4) + (6 * 2 * 9 + 6) + (6 * 4 * 5 + 5)


def test_a_shared_parameter_counts_once_under_whichever_name_it_is_claimed():
    model = nn.ModuleDict({"one": nn.Linear(3, 4, bias=False), "other": nn.Linear(3, 4, bias=False)})
    model["other"].weight = model["one"].weight
    claim = {name: slot(name, "weight", 0, range(4), range(4)) for name in ("one", "other")}
    for slots in ([claim["one"]], [claim["other"]], list(claim.values())):
        costs = parameter_costs(model, [group("one", 4, *slots)])
        assert (costs.count({"one": 4}), costs.count({"one": 1})) == (12, 3)


def test_buffers_and_width_attributes_cost_nothing():
    model = nn.Sequential(nn.BatchNorm2d(4), nn.InstanceNorm2d(4))
    slots = [slot("0", name, 0, range(4), range(4)) for name in ("weight", "bias", "running_mean", "running_var")]
    costs = parameter_costs(model, [group("0", 4, *slots, slot("1", "num_features", 0, range(4), range(4)))])
    assert costs == CostModel((CostTerm(2, (Width(0, (("0", 1),)),)),))


def test_several_groups_may_share_a_dimension():
    model = nn.Linear(10, 2, bias=False)
    first = group("a", 3, slot("", "weight", 1, range(3), range(3), "consumer"))
    second = group("b", 2, slot("", "weight", 1, range(4, 8), [0, 0, 1, 1], "consumer"))
    costs = parameter_costs(model, [first, second])
    assert costs == CostModel((CostTerm(2, (Width(3, (("a", 1), ("b", 2))),)),))


def test_channels_of_unequal_weight_are_refused():
    model = nn.Linear(5, 2)
    uneven = group("a", 3, slot("", "weight", 1, range(4), [0, 1, 2, 2], "consumer"))
    with pytest.raises(PluginError, match="group `a` have between 1 and 2 indices each in `weight`"):
        parameter_costs(model, [uneven])
    absent = group("a", 3, slot("", "weight", 1, range(2), [0, 1], "consumer"))
    with pytest.raises(PluginError, match="between 0 and 1"):
        parameter_costs(model, [absent])


def test_products_beyond_64_bits_stay_exact():
    term = CostTerm(3**30, (Width(1, (("a", 7),)), Width(0, (("a", 1), ("b", 2)))))
    assert term.count({"a": 10**9, "b": 1}) == 3**30 * (7 * 10**9 + 1) * (10**9 + 2)


def test_equal_products_are_one_term():
    a, b = Width(0, (("a", 1),)), Width(2, (("b", 1),))
    merged = CostModel((CostTerm(3, (a, b)), CostTerm(4, (b, Width(2), a)), CostTerm(5), CostTerm(0, (a,)))).merged()
    assert set(merged.terms) == {CostTerm(11, (a, b)), CostTerm(5)}


@given(models, counts)
def test_merging_and_json_change_no_cost(model, kept):
    assert model.merged().count(kept) == model.count(kept)
    assert CostModel.from_json(json.loads(json.dumps(model.to_json()))) == model


@given(models, counts)
def test_fixing_groups_changes_no_cost(model, kept):
    settled = {name: kept[name] for name in ("a", "b")}
    rest = model.fixing(settled)
    assert rest.count({"c.d": kept["c.d"]}) == model.count(kept)


def test_json_is_compact():
    model = CostModel((CostTerm(9, (Width(0, (("backbone.stem", 1),)), Width(3))),))
    assert model.to_json() == {"groups": ["backbone.stem"], "terms": [[9, [0, 0, 1], [3]]]}
