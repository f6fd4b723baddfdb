"""Which convolutions an oracle looks at, and what a network computes without a channel."""

import pytest
import torch
from torch import nn

from harness.engine.oracle.layers import filter_layers, without_channel
from harness.errors import UserError


class Network(nn.Module):
    """A branch that normalises, one that does not, and a head that inference does not run."""

    def __init__(self):
        super().__init__()
        self.gray = nn.Conv2d(3, 1, 1)
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.plain = nn.Conv2d(4, 5, 1)
        self.branch = nn.Conv2d(4, 5, 1)
        self.norm = nn.BatchNorm2d(4)
        self.late_norm = nn.BatchNorm2d(5)
        self.unused = nn.Conv2d(4, 6, 1)
        self.last = nn.Conv2d(5, 2, 1)

    def forward(self, images):
        features = self.norm(self.first(self.gray(images))).relu()
        plain, branch = self.plain(features), self.branch(features)
        return self.last(plain.relu() + self.late_norm(branch))


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = Network().eval()
    for norm in (network.norm, network.late_norm):
        nn.init.uniform_(norm.bias, 0.5, 1.5)
        nn.init.uniform_(norm.running_mean, -1.5, -0.5)  # what is zero in front of it is above zero behind it
    return network


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def found(network, *patterns):
    with torch.no_grad():
        return filter_layers(network, patterns, lambda: network(IMAGES))


def test_the_first_layer_with_several_channels_is_the_default(network):
    (layer,) = found(network)
    assert (layer.path, layer.channels, layer.normalizations) == ("first", 4, (network.norm,))


def test_layers_are_chosen_by_path_and_pattern_in_the_order_of_modules(network):
    layers = found(network, "last", "*")
    assert [layer.path for layer in layers] == ["first", "plain", "branch", "last"]
    assert [layer.path for layer in found(network, "p*", "branch")] == ["plain", "branch"]


def test_a_normalisation_is_found_by_what_it_takes_not_by_its_place(network):
    """`plain` stands in front of it in the forward pass too, but another convolution feeds it."""
    behind = {layer.path: layer.normalizations for layer in found(network, "*")}
    assert behind == {"first": (network.norm,), "plain": (), "branch": (network.late_norm,), "last": ()}


@pytest.mark.parametrize("pattern", ["nowhere", "unused", "gray", "norm"])
def test_a_pattern_that_matches_nothing_is_the_users_mistake(network, pattern):
    with pytest.raises(UserError, match=f"oracle.layers: '{pattern}' matches no Conv2d") as raised:
        found(network, "first", pattern)
    assert "first, plain, branch, last" in raised.value.hint


def test_a_model_without_convolutions_has_no_oracle():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    with pytest.raises(UserError, match="runs no Conv2d"):
        filter_layers(flat, (), lambda: flat(IMAGES))


@pytest.mark.parametrize("channel", [0, 3])
def test_in_front_of_the_normalisation_a_channel_is_a_filter_of_zeros(network, channel):
    (layer,) = found(network)
    with torch.no_grad():
        with without_channel(layer, channel, behind_normalization=False):
            left = network(IMAGES)
        network.first.weight[channel], network.first.bias[channel] = 0, 0
        assert torch.equal(left, network(IMAGES))


@pytest.mark.parametrize("channel", [0, 3])
def test_behind_the_normalisation_nothing_of_a_channel_is_left(network, channel):
    (layer,) = found(network)
    with torch.no_grad():
        with without_channel(layer, channel, behind_normalization=False):
            constant = network(IMAGES)
        with without_channel(layer, channel, behind_normalization=True):
            left = network(IMAGES)
        network.plain.weight[:, channel] = 0  # the layers behind no longer look at it
        network.branch.weight[:, channel] = 0
        assert torch.allclose(left, network(IMAGES))
    assert not torch.allclose(left, constant)


def test_a_layer_without_normalisation_is_cleared_itself(network):
    (layer,) = found(network, "plain")
    with torch.no_grad():
        with without_channel(layer, 2, behind_normalization=True):
            left = network(IMAGES)
        network.plain.weight[2], network.plain.bias[2] = 0, 0
        assert torch.equal(left, network(IMAGES))


class Shared(nn.Module):
    """What one convolution makes is taken by a skip connection and two normalisations; another one has one of them."""

    def __init__(self):
        super().__init__()
        self.first, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.norm, self.second_norm = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        for norm in (self.norm, self.second_norm):
            nn.init.uniform_(norm.bias, 0.5, 1.5)

    def forward(self, images):
        features = self.first(images)
        skip = features if self.skips else 0 * features
        taken = self.norm(features).relu() + self.second_norm(features).sigmoid()
        return torch.stack([skip + taken, self.norm(self.other(images))])


@pytest.mark.parametrize("skips", [True, False])
def test_nothing_is_left_however_many_take_what_the_convolution_makes(skips):
    torch.manual_seed(0)
    network = Shared().eval()
    network.skips = skips
    with torch.no_grad():
        before = network(IMAGES)
        (layer,) = found(network)
        assert layer.normalizations == (network.norm, network.second_norm)
        with without_channel(layer, 1, behind_normalization=True):
            left = network(IMAGES)
    assert torch.all(left[0, :, 1] == 0.5), (
        "the sigmoid of zero: neither the skip nor a normalisation has anything left"
    )
    kept = [0, 2, 3]
    assert torch.equal(left[0][:, kept], before[0][:, kept])
    assert torch.equal(left[1], before[1]), "what another convolution makes for the same normalisation stays"


def test_behind_the_block_the_network_is_what_it_was(network):
    before, state = network(IMAGES), {name: value.clone() for name, value in network.state_dict().items()}
    (layer,) = found(network)
    with pytest.raises(ZeroDivisionError), without_channel(layer, 1, behind_normalization=True):
        assert not torch.equal(network(IMAGES), before)
        raise ZeroDivisionError
    assert torch.equal(network(IMAGES), before)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
