import torch
from pruning_fakes import Chain, FakeContext, Residual
from torch import nn

from bench_pruning.criteria.l2 import L2
from bench_pruning.descriptors import PruningOptions


def described(model, **options):
    method = L2(options=PruningOptions(**options))
    return method.describe(model, method.prepare(model, FakeContext()))


def test_channels_layers_and_what_can_go_of_a_chain():
    """3 -> 8 -> 10 -> 4 channels; the classifier's stay."""
    found = described(Chain())
    assert (found.groups, found.channels) == (2, (22, 18))
    assert found.layers == ("first", "second")
    assert [(layer.module, layer.by_design) for layer in found.fixed] == [("classifier", True)]
    assert found.removable["channels"] == 16 / 22
    smallest = {"first": 3 * 9, "norm": 2, "second": 9 + 1, "second_norm": 2, "classifier": 4 + 4}
    total = sum(parameter.numel() for parameter in Chain().parameters())
    assert found.removable["params"] == 1 - sum(smallest.values()) / total


def test_macs_that_can_go_are_those_of_a_model_with_one_channel_a_layer():
    found = described(Chain())
    dense, least = 27 * 8 + 72 * 10 + 10 * 4, 27 + 9 + 4
    assert found.removable["macs"] == 1 - least / dense


def test_limits_and_protection_count():
    found = described(Chain(), max_ratio=0.5, protect=("first",))
    assert (found.groups, found.channels, found.layers, found.protected) == (1, (22, 10), ("second",), ("first",))
    assert found.removable["channels"] == 5 / 22


def test_a_channel_of_several_layers_counts_in_each():
    model = Residual()
    found = described(model)
    made = sum(layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d))
    assert found.channels[0] == made
    pinned = {layer.module for layer in found.fixed}
    going = sum(
        layer.out_channels
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and path not in pinned
    )
    assert found.channels[1] == going


class Fragile(nn.Module):
    """Its middle layer must not lose channels, and says so by raising."""

    def __init__(self):
        super().__init__()
        self.first, self.middle = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        x = self.middle(self.first(x))
        if x.shape[1] != 6:
            raise ValueError  # by design
        return self.last(x)


def test_what_is_protected_is_not_tried():
    found = described(Fragile())
    assert [layer.module for layer in found.fixed if not layer.by_design] == ["middle"]
    assert (
        "pinned `middle`: ValueError at `raise ValueError  # by design` (pruning/test_pruning_description.py:"
        in (found.notes[0])
    )
    assert "on [1, 3, 32, 32]" in found.notes[0]
    protected = described(Fragile(), protect=("middle",))
    assert (protected.notes, protected.protected, protected.layers) == ((), ("middle",), ("first",))
    assert all(layer.by_design for layer in protected.fixed)


def test_the_model_stays_as_it_is():
    model = Chain()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    method = L2(options=PruningOptions())
    state = method.prepare(model, FakeContext())
    method.describe(model, state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
