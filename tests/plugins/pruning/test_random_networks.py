import copy
import random
from collections import Counter

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_op_case import images
from op_suite import TOLERANCE, difference, pruned_copy, random_choice, run
from pruning_fakes import FakeTask
from random_networks import RandomNetwork, kept_filters, programs

from bench_pruning.channels import surgery
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.trial import tried_trace
from bench_pruning.channels.verification import verify

IMAGES = images(1, 8)
EXAMPLES = 200
FEW = 40
SEEDS = st.integers(0, 1000)

many = settings(
    max_examples=EXAMPLES, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
few = settings(many, max_examples=FEW)


def traced(model):
    return tried_trace(model, FakeTask(), IMAGES)


@many
@given(programs(), SEEDS)
def test_any_choice_of_channels_is_cut_out_exactly(program, seed):
    model = RandomNetwork(program, seed)
    groups = traced(model).prunable
    for three in (True, False):
        kept = random_choice(groups, random.Random(seed), three=three)
        cut = recipe(model, groups, kept)["kept"]
        smaller = pruned_copy(model, groups, kept)
        with torch.no_grad():
            by_hand = copy.deepcopy(model).double().cut(IMAGES.double(), kept_filters(model, cut))
        assert difference(by_hand, run(smaller, IMAGES)) <= TOLERANCE
        assert verify(model, smaller, FakeTask(), IMAGES, groups, kept).verdict != "fail"


@few
@given(programs(), SEEDS)
def test_a_recipe_that_keeps_everything_changes_nothing(program, seed):
    model = RandomNetwork(program, seed)
    groups = traced(model).prunable
    everything = recipe(model, groups, {group.name: list(range(group.size)) for group in groups})
    same = copy.deepcopy(model)
    surgery.apply(same, everything)
    assert everything["kept"] == {}
    with torch.no_grad():
        assert all(map(torch.equal, model(IMAGES), same(IMAGES)))


@few
@given(programs())
def test_every_index_belongs_to_one_channel_and_every_layer_is_accounted_for(program):
    model = RandomNetwork(program)
    found = traced(model)
    claims = Counter()
    for group in found.prunable:
        assert group.size > 1
        for slot in group.slots:
            value = getattr(model.get_submodule(slot.module), slot.parameter)
            width = value.shape[slot.dim] if isinstance(value, torch.Tensor) else value
            assert set(slot.channels) <= set(range(group.size))
            assert set(slot.indices) <= set(range(width))
            assert len(set(Counter(slot.channels).values())) == 1
            claims.update((slot.tensor, slot.dim, index) for index in slot.indices)
    assert set(claims.values()) <= {1}
    names = [group.name for group in found.groups]
    assert len(set(names)) == len(names)
    assert {f"heads.{number}" for number in range(len(program.heads))} <= set(dict(found.pinned))


@few
@given(programs())
def test_a_trace_repeats_and_leaves_the_model_as_it_was(program):
    model = RandomNetwork(program)
    model.train()
    model.stem.eval()
    model.heads[0].weight.requires_grad_(False)
    flags = [module.training for module in model.modules()]
    trainable = [parameter.requires_grad for parameter in model.parameters()]
    tensors = {name: (value, value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    generator = torch.random.get_rng_state()
    assert traced(model) == traced(model)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert [module.training for module in model.modules()] == flags
    assert [parameter.requires_grad for parameter in model.parameters()] == trainable
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for name, value in model.state_dict(keep_vars=True).items():
        assert value is tensors[name][0]
        assert torch.equal(value, tensors[name][1])
