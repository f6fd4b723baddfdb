import pytest
import torch
from torch import nn

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.criteria.feature_maps import maps_of, members_mean, observed, set_modes


def slot(module, channels, *, indices=None, parameter="weight", dim=0, role="producer"):
    return ParameterSlot(
        module=module,
        parameter=parameter,
        dim=dim,
        role=role,
        indices=tuple(range(len(channels))) if indices is None else indices,
        channels=tuple(channels),
    )


def bound(model, size, *slots):
    return BoundGroup(ChannelGroup(name="0", size=size, slots=slots), model)


class ChannelsFirst(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv2d(3, 5, 1), (2, 5, 4, 6), (2, 5, 4, 6)),
        (nn.BatchNorm2d(5), (2, 5, 4, 6), (2, 5, 4, 6)),
        (nn.Linear(3, 5), (2, 4, 6, 5), (2, 5, 4, 6)),
        (nn.Linear(3, 5), (2, 7, 5), (2, 5, 7)),
        (nn.Linear(3, 5), (2, 5), (2, 5, 1)),
        (nn.LayerNorm(5), (2, 7, 5), (2, 5, 7)),
        (nn.LayerNorm(5), (2, 5, 4, 5), (2, 5, 5, 4)),
        (ChannelsFirst(5), (2, 5, 4, 5), (2, 5, 4, 5)),
    ],
)
def test_channels_come_second(layer, shape, expected):
    assert maps_of(layer, torch.zeros(shape)).shape == expected


def test_calls_are_seen_until_the_block_ends_even_by_an_error():
    model, seen = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3)), []
    with pytest.raises(RuntimeError, match="stop"), observed(model, ["1"], lambda *found: seen.append(found)):
        output = model(torch.ones(1, 2))
        message = "stop"
        raise RuntimeError(message)
    model(torch.ones(1, 2))
    ((path, layer, value),) = seen
    assert (path, layer) == ("1", model[1])
    assert value is output
    assert not any(module._forward_hooks for module in model)


def test_values_are_averaged_over_the_layers_that_have_a_channel():
    model = nn.ModuleList([nn.Linear(1, 3), nn.Linear(1, 5)])
    group = bound(model, 3, slot("0", (0, 1, 2)), slot("1", (2, 0), indices=(1, 4)))
    one, other = torch.tensor([1.0, 2, 3]), torch.tensor([10.0, 20, 30, 40, 50])
    assert members_mean(group, {"0": one, "1": other}).tolist() == [25.5, 2, 11.5]
    matrix = members_mean(group, {"1": torch.arange(25.0).view(5, 5)})
    assert matrix.tolist() == [[24, 0, 21], [0, 0, 0], [9, 0, 6]]


def test_tied_channels_are_averaged():
    group = bound(nn.ModuleList([nn.Linear(1, 4)]), 2, slot("0", (0, 1, 0, 1)))
    assert members_mean(group, {"0": torch.tensor([1.0, 2, 3, 4])}).tolist() == [2, 3]
    matrix = members_mean(group, {"0": torch.arange(16.0).view(4, 4)})
    assert matrix.tolist() == [[5, 6], [9, 10]]


def test_a_slot_that_counts_something_else_than_results_is_passed_over():
    layer = nn.ConvTranspose2d(4, 6, 1, groups=2)
    weight = slot("0", (0, 1, 2), dim=1)
    bias = slot("0", (0, 1, 2, 0, 1, 2), parameter="bias")
    values = {"0": torch.tensor([1.0, 2, 3, 5, 6, 7])}
    assert members_mean(bound(nn.ModuleList([layer]), 3, weight, bias), values).tolist() == [3, 4, 5]
    assert members_mean(bound(nn.ModuleList([layer]), 3, weight), values).tolist() == [0, 0, 0]


def test_normalization_and_dropout_stay_in_eval_mode_where_branches_of_training_run():
    model = nn.Sequential(nn.Sequential(nn.BatchNorm2d(2), nn.Dropout()), nn.MultiheadAttention(4, 2)).train()
    set_modes(model)
    assert model.training
    assert model[0].training
    assert not any(module.training for module in (*model[0], model[1]))
