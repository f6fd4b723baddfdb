"""Where channels are seen: at the inputs of what reads them, whatever that is."""

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeTask, Residual, Separable, Swapped, conv
from torch import nn

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.viewing import Place, best_views, intercepted, views_of
from harness.errors import UnsupportedOperationError

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def groups_of(model):
    return {group.name: BoundGroup(group, model) for group in trace(model, FakeTask(), IMAGES).prunable}


def single(start, count):
    return tuple((index,) for index in range(start, start + count))


def test_readers_come_before_makers():
    views = views_of(groups_of(Chain())["first"])
    assert views == {Place("second", True): single(0, 8), Place("first", False): single(0, 8)}


def test_all_readers_of_a_stream_count():
    incoming = {place.path for place in views_of(groups_of(Residual())["stem"]) if place.incoming}
    assert incoming == {"inner", "auxiliary_inner", "head"}


def test_a_branch_of_a_concatenation_is_found_by_its_offset():
    views = views_of(groups_of(Concatenation())["right"])
    assert views[Place("reduce", True)] == single(6, 5)


def test_a_depthwise_layer_makes_and_a_linear_one_reads():
    views = views_of(groups_of(Separable())["point"])
    assert {place.path for place in views if place.incoming} == {"squeeze", "up"}
    assert {place.path for place in views if not place.incoming} == {"point", "depth", "excite"}


def test_tied_channels_have_several_maps_each():
    views = views_of(groups_of(Swapped())["first"])
    # The reader gets the halves in the other order; each channel is both of a pair all the same.
    assert views[Place("first", False)] == tuple((index, index + 4) for index in range(4))
    assert views[Place("second", True)] == tuple((index, index + 4) for index in range(4))


def test_each_part_of_a_grouped_convolution_reads_its_own_channels():
    model = nn.Sequential(conv(3, 6), nn.ReLU(), conv(6, 4, groups=2), conv(4, 2, 1))
    views = views_of(groups_of(model)["0"])
    assert views[Place("2", True)] == ((0, 3), (1, 4), (2, 5))


def test_flattened_channels_have_their_pixels():
    model = nn.Sequential(nn.Conv2d(3, 4, 16), nn.Flatten(), nn.Linear(4, 2))
    assert views_of(groups_of(model)["0"])[Place("2", True)] == single(0, 4)
    model = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.Flatten(), nn.Linear(16, 2))
    pixels = tuple(tuple(range(4 * channel, 4 * channel + 4)) for channel in range(4))
    assert views_of(groups_of(model)["0"])[Place("2", True)] == pixels


class Attention(nn.Module):
    """Attention whose output layer is never called, only its weight is used."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)


def test_layers_of_which_only_the_weights_are_used_are_no_place():
    model = Attention()
    group = next(iter(groups_of(nn.Sequential(conv(3, 4), conv(4, 2))).values())).group
    slots = [
        type(slot)(**{**vars(slot), "module": "attention.out_proj", "role": "consumer", "dim": 1})
        for slot in group.slots[:1]
    ]
    assert views_of(BoundGroup(type(group)(name="x", size=group.size, slots=tuple(slots)), model)) == {}


def test_the_results_of_makers_stand_in_where_no_reader_runs():
    model = Chain()
    groups = list(groups_of(model).values())

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.whole = model

        def forward(self, x):
            return model.norm(model.first(x))

    with pytest.raises(UnsupportedOperationError, match="channels of `second`") as caught:
        best_views(model, groups, lambda: Half()(IMAGES))
    assert "Protect the group" in caught.value.hint
    found = best_views(model, groups[:1], lambda: Half()(IMAGES))
    assert found == {"first": {Place("first", False): single(0, 8)}}
    whole = best_views(model, groups, lambda: model(IMAGES))
    assert list(whole["first"]) == [Place("second", True)]
    assert list(whole["second"]) == [Place("classifier", True)]


def test_what_is_returned_takes_the_tensors_place_and_no_hook_stays():
    model = Chain().eval()
    place = Place("classifier", True)

    def halve(where, layer, tensor):
        assert (where, layer) == (place, model.classifier)
        return tensor / 2

    plain = model(IMAGES)
    with intercepted(model, {place}, halve):
        halved = model(IMAGES)
    bias = model.classifier.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(halved - bias, (plain - bias) / 2)
    with intercepted(model, {Place("classifier", False)}, lambda *_: torch.zeros(1)):
        assert model(IMAGES).tolist() == [0]
    with pytest.raises(RuntimeError, match="stop"), intercepted(model, {place}, lambda *_: None):
        message = "stop"
        raise RuntimeError(message)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
