import torch
from pruning_fakes import Chain, FakeTask, conv
from torch import nn

from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.channels.tracing import trace
from bench_pruning.channels.validation import pin_conflicts


def pinned(model):
    return dict(trace(model, FakeTask(), torch.zeros(1, 3, 8, 8)).pinned)


class Gated(nn.Module):
    """One map of weights for all channels."""

    def __init__(self):
        super().__init__()
        self.first, self.gate, self.head = conv(3, 8), conv(8, 1), conv(8, 2)

    def forward(self, x):
        x = self.first(x)
        return self.head(x * self.gate(x).sigmoid())


def test_a_layer_with_fewer_channels_than_it_meets_pins_them():
    assert "`gate.weight`, which has only 1" in pinned(Gated())["first"]


def test_channels_of_the_network_input_stay():
    model = nn.Sequential(conv(3, 3, groups=3), nn.ReLU(), conv(3, 4), nn.ReLU(), conv(4, 2))
    found = pinned(model)
    assert "no layer produces" in found["0"]
    assert "2" not in found


def group(name, indices):
    slot = ParameterSlot(
        module=name, parameter="weight", dim=0, role="producer", indices=tuple(range(8)), channels=tuple(range(8))
    )
    column = ParameterSlot(
        module="classifier", parameter="weight", dim=1, role="consumer", indices=indices, channels=indices
    )
    return ChannelGroup(name=name, size=8, slots=(slot, column))


def test_groups_that_claim_the_same_index_are_both_pinned():
    groups = pin_conflicts(Chain(width=8), [group("first", (0, 1, 2)), group("second", (2, 3))])
    assert [g.pinned_reason for g in groups] == ["`classifier.weight` is claimed twice"] * 2


def test_groups_that_share_a_parameter_but_no_index_are_not_pinned():
    groups = pin_conflicts(Chain(width=8), [group("first", (0, 1)), group("second", (2, 3))])
    assert [g.pinned_reason for g in groups] == [None, None]
