import copy
import json

import pytest
import torch
from pruning_fakes import (
    Chain,
    Concatenation,
    FakeContext,
    FakeTask,
    Residual,
    Separable,
    conv,
    randomize,
    train_a_little,
)
from torch import nn

from bench_pruning.channels import surgery
from bench_pruning.channels.recipe import recipe, structure
from bench_pruning.channels.tracing import trace
from bench_pruning.transform import PruneTransform
from harness.errors import ShapeMismatchError

NETWORKS = [Chain, Residual, Concatenation, Separable]


def every_other(model):
    found = trace(model, FakeTask(), torch.zeros(1, 3, 16, 16)).prunable
    return found, {group.name: list(range(0, group.size, 2)) for group in found}


def pruned(model):
    found, kept = every_other(model)
    steps = json.loads(json.dumps(recipe(model, found, kept)))
    surgery.apply(model, steps)
    return steps


def outputs(model):
    with torch.no_grad():
        return FakeTask().forward(model.eval(), FakeContext().example_images(2))


def test_parameters_and_attributes_shrink_together():
    model = Separable()
    pruned(model)
    assert (model.point.out_channels, tuple(model.point.weight.shape)) == (4, (4, 3, 1, 1))
    depth = model.depth
    assert (depth.groups, depth.in_channels, depth.out_channels) == (4, 4, 4)
    assert (model.squeeze.in_features, model.squeeze.out_features) == (4, 3)
    assert (model.up.in_channels, model.up.out_channels, tuple(model.up.weight.shape)) == (4, 3, (4, 3, 2, 2))
    assert (model.activation.num_parameters, model.up_norm.num_features) == (4, 3)
    assert (model.head.in_channels, model.head.out_channels) == (3, 2)


def test_the_kept_weights_are_the_old_ones():
    model = randomize(Concatenation())
    before = copy.deepcopy(model)
    pruned(model)
    assert torch.equal(model.left.weight, before.left.weight[::2][:, ::2])
    columns = [0, 2, 4, 6, 8, 10, 11, 13]
    assert torch.equal(model.reduce.weight, before.reduce.weight[::2][:, columns])
    assert torch.equal(model.norm.running_var, before.norm.running_var[columns])
    assert model.norm.num_features == 8


@pytest.mark.parametrize("network", NETWORKS)
def test_a_pruned_copy_is_what_surgery_makes_and_shares_nothing(network):
    model = randomize(network())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found, kept = every_other(model)
    copied = surgery.pruned(model, recipe(model, found, kept))
    with torch.no_grad():
        for tensor in (*copied.parameters(), *copied.buffers()):
            tensor.zero_()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    again = surgery.pruned(model, recipe(model, found, kept))
    pruned(model)
    state = again.state_dict()
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in model.parameters()]


def test_normalisation_and_width_attributes_follow():
    model = nn.Sequential(conv(3, 6), nn.LayerNorm(16), nn.Conv2d(6, 2, 1))
    model[1] = nn.LayerNorm(6)

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = model

        def forward(self, x):
            x = self.layers[1](self.layers[0](x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            return self.layers[2](x)

    network = Last()
    pruned(network)
    assert network.layers[1].normalized_shape == (3,)
    assert outputs(network)[0].shape == (2, 2, 32, 32)


def test_dtype_gradient_flags_and_parameter_kind_are_kept():
    model = Chain().double()
    model.first.weight.requires_grad_(False)
    steps = recipe(model, *_traced_in_double(model))
    surgery.apply(model, steps)
    assert isinstance(model.first.weight, nn.Parameter)
    assert (model.first.weight.dtype, model.first.weight.requires_grad) == (torch.float64, False)
    assert model.second.weight.requires_grad
    assert model.second.weight.grad is None
    assert "running_mean" in dict(model.norm.named_buffers())


def _traced_in_double(model):
    found = trace(model, FakeTask(), torch.zeros(1, 3, 16, 16, dtype=torch.float64)).prunable
    return found, {group.name: list(range(0, group.size, 2)) for group in found}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_replay_on_a_model_of_another_seed_is_bit_identical(network):
    torch.manual_seed(0)
    model = train_a_little(network())
    steps = pruned(model)
    train_a_little(model, steps=1)
    torch.manual_seed(1)
    rebuilt = PruneTransform().apply(network(), steps)
    rebuilt.load_state_dict(model.state_dict(), strict=True)
    for one, other in zip(outputs(model), outputs(rebuilt), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_prunable_layer_loses_parameters(network):
    model = network()
    before = {name: p.numel() for name, p in model.named_parameters()}
    steps = pruned(model)
    after = {name: p.numel() for name, p in model.named_parameters()}
    assert {name for name in before if after[name] < before[name]} == set(steps["kept"]) & set(before)
    assert sum(after.values()) < 0.6 * sum(before.values())


def test_half_of_inner_channels_on_both_sides_leaves_a_quarter():
    model = nn.Sequential(conv(3, 16), nn.ReLU(), conv(16, 16, bias=False), nn.ReLU(), conv(16, 2))
    pruned(model)
    assert model[2].weight.numel() == 16 * 16 * 9 // 4


def test_a_recipe_for_another_width_names_what_differs_and_changes_nothing():
    steps = pruned(Chain(width=8))
    other = Chain(width=12)
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ShapeMismatchError, match=r"`first\.weight`.*\[8, 3, 3, 3\].*\[12, 3, 3, 3\]") as caught:
        surgery.apply(other, steps)
    assert caught.value.hint
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_a_late_mismatch_changes_nothing_either():
    model = Chain()
    steps = pruned(Chain())
    steps["shapes"]["classifier.weight"][0] += 1
    with pytest.raises(ShapeMismatchError, match="classifier"):
        surgery.apply(model, steps)
    assert model.first.out_channels == len(model.first.weight) == 8


def test_a_missing_parameter_is_named():
    steps = pruned(Chain())
    with pytest.raises(ShapeMismatchError, match=r"`second_norm\.weight`.*no such parameter"):
        surgery.apply(
            nn.ModuleDict({"first": conv(3, 8, bias=False), "norm": nn.BatchNorm2d(8), "second": conv(8, 10)}),
            steps,
        )


@pytest.mark.parametrize("indices", [[], [0, 99], [-1, 0]])
def test_indices_outside_the_parameter_are_refused(indices):
    steps = pruned(Chain())
    steps["kept"]["first.weight"]["0"] = indices
    with pytest.raises(ShapeMismatchError, match=r"first\.weight"):
        surgery.apply(Chain(), steps)


def test_replaying_twice_is_refused():
    model = Chain()
    steps = pruned(model)
    with pytest.raises(ShapeMismatchError):
        surgery.apply(model, steps)


def test_keeping_everything_is_an_empty_recipe():
    model = Residual()
    found, _ = every_other(model)
    steps = recipe(model, found, {group.name: list(range(group.size)) for group in found})
    assert steps == {
        "engine": 2,
        "structure": structure(model),
        "kept": {},
        "shapes": {},
        "attributes": {},
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda payload: payload.clear(), "kept"),
        (lambda payload: payload.update(engine=99), "engine"),
        (lambda payload: payload.update(shapes=None), "shapes"),
        (lambda payload: payload["kept"]["stem.weight"].update({"0": [0, 2, 2]}), "do not ascend"),
        (lambda payload: payload["kept"]["stem.weight"].update({"0": [3, 1]}), "do not ascend"),
        (lambda payload: payload["kept"]["stem.weight"].update({"0": ["a"]}), "kept.stem.weight.0"),
        (lambda payload: payload["kept"]["stem.weight"].update({"-1": [0]}), "kept.stem.weight"),
        (lambda payload: payload["kept"]["stem.weight"].update({"9": [0]}), "no shape with a dimension 9"),
        (lambda payload: payload["kept"].update({"nobody.weight": {"0": [0]}}), "no shape"),
        (lambda payload: payload["attributes"].update({"head.groups": [1, -3]}), "attributes.head.groups"),
        (lambda payload: payload["attributes"].update({"head.training": [1, 1]}), "no such parameter"),
        (lambda payload: payload["attributes"].update({"head.groups": [1]}), "attributes.head.groups"),
    ],
)
def test_a_recipe_that_is_none_is_refused_and_the_model_stays(change, message):
    model = Residual()
    found, kept = every_other(model)
    payload = recipe(model, found, kept)
    change(payload)
    before = {name: value.shape for name, value in model.state_dict().items()}
    with pytest.raises(ShapeMismatchError, match=message):
        surgery.apply(model, payload)
    assert {name: value.shape for name, value in model.state_dict().items()} == before
