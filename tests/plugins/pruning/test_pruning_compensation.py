import copy
import json

import pytest
import torch
from pruning_fakes import Chain, FakeTask, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels import surgery
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from bench_pruning.compensation import BARE, FOREIGN, UNREACHED, UNSUITED, compensate

IMAGES = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def deaden(model, groups, kept):
    """Makes the removed channels of all normalisation constants in the dense model."""
    with torch.no_grad():
        for group in groups:
            for slot in group.slots:
                value = getattr(model.get_submodule(slot.module), slot.parameter)
                if (slot.role, slot.parameter) == ("norm", "weight"):
                    value[slot.removed(frozenset(kept[group.name]))] = 0


def outputs(model, images=IMAGES):
    with torch.no_grad():
        return FakeTask().forward(copy.deepcopy(model).eval(), images)


def pruned(model, groups, kept, compensated):
    smaller = copy.deepcopy(model)
    result = compensate(smaller, groups, kept, FakeTask(), IMAGES) if compensated else None
    surgery.apply(smaller, recipe(smaller, groups, kept))
    return smaller, result


def prepared(model):
    """Returns a network whose every other channel is dead, its groups and the channels that live."""
    model = randomize(model)
    groups = trace(model, FakeTask(), IMAGES).prunable
    kept = {group.name: list(range(0, group.size, 2)) for group in groups}
    deaden(model, groups, kept)
    return model, groups, kept


def furthest(expected, found, crop=0):
    """Largest difference, relative to the output's largest value, without `crop` pixels at each border."""
    cut = (..., slice(crop, -crop), slice(crop, -crop)) if crop else ...
    return max(float((a - b)[cut].abs().max() / a.abs().max()) for a, b in zip(expected, found, strict=True))


def assert_exact(model, crop=0):
    """Dead channels are their constants, so that the compensated network is the dense one."""
    model, groups, kept = prepared(model)
    expected = outputs(model)
    assert furthest(expected, outputs(pruned(model, groups, kept, compensated=False)[0]), crop) > 1e-2
    smaller, result = pruned(model, groups, kept, compensated=True)
    assert furthest(expected, outputs(smaller), crop) < 1e-6
    return result


class Block(nn.Sequential):
    """Convolution without padding, normalisation, activation."""

    def __init__(self, inputs, outputs, kernel=3, bias=False, **kwargs):
        norm = nn.BatchNorm2d(outputs)
        super().__init__(nn.Conv2d(inputs, outputs, kernel, bias=bias, **kwargs), norm, nn.ReLU())


def plain(*layers):
    return nn.Sequential(Block(3, 8), *layers)


class Residual(nn.Module):
    """Blocks on one stream, the second behind an activation of its own."""

    def __init__(self):
        super().__init__()
        self.stem = Block(3, 8)
        self.inner, self.outer, self.norm = Block(8, 6, 1), nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8)
        self.before, self.again, self.last = nn.BatchNorm2d(8), Block(8, 4), nn.Conv2d(4, 8, 1)
        self.last_norm, self.head = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(x + self.norm(self.outer(self.inner(x))))
        y = self.last_norm(self.last(self.again(F.gelu(self.before(x)))))
        return self.head(x[:, :, 1:-1, 1:-1] + y)


class Concatenation(nn.Module):
    """Branches of several sizes, the pooled one a single pixel that a padded kernel reads."""

    def __init__(self):
        super().__init__()
        self.stem = Block(3, 6)
        self.left, self.right, self.pooled = Block(6, 4), Block(6, 5, dilation=3), Block(6, 6, padding=1)
        self.reduce, self.head = Block(21, 7, bias=True), nn.Conv2d(7, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        pooled = self.pooled(F.adaptive_avg_pool2d(x, 1))
        branches = [x, self.left(x), self.right(x), pooled]
        branches = [F.interpolate(branch, (16, 16), mode="bilinear") for branch in branches]
        return self.head(self.reduce(torch.cat(branches, dim=1)))


class Levels(nn.Module):
    """A convolution that two levels share, each with a normalisation of its own."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = Block(3, 6), Block(3, 6, stride=2)
        self.shared = nn.Conv2d(6, 4, 3, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])
        self.heads = nn.ModuleList([nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)])

    def forward(self, x):
        levels = zip((self.fine(x), self.coarse(x)), self.norms, self.heads, strict=True)
        return [head(F.relu(norm(self.shared(level)))) for level, norm, head in levels]


class Selected(nn.Module):
    """Runs a layer on some images, and on none."""

    def __init__(self):
        super().__init__()
        self.layer, self.norm = nn.Conv2d(8, 4, 3, bias=False), nn.BatchNorm2d(4)

    def forward(self, x):
        return torch.cat([self.norm(self.layer(part)) for part in (x[:0], x)])


EXACT = {
    "bias": lambda: plain(nn.Conv2d(8, 4, 3)),
    "normalisation behind": lambda: plain(Block(8, 6), Block(6, 6), nn.Conv2d(6, 4, 3)),
    "linear behind pooling": lambda: plain(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    "linear on a flattened map": lambda: plain(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4)),
    "reflected borders": lambda: plain(nn.Conv2d(8, 4, 3, padding=2, padding_mode="reflect")),
    "replicated borders": lambda: plain(nn.Conv2d(8, 4, 3, padding=24, dilation=24, padding_mode="replicate")),
    "an empty selection": lambda: plain(Selected()),
    "groups": lambda: plain(nn.Conv2d(8, 6, 3, groups=2)),
    "strides": lambda: plain(Block(8, 6, 3, stride=2, dilation=2), nn.Conv2d(6, 4, 3)),
    "depthwise": lambda: plain(
        nn.Conv2d(8, 16, 3, groups=8), nn.Hardswish(), nn.PReLU(16), nn.MaxPool2d(2), nn.Conv2d(16, 4, 3)
    ),
    "residual": Residual,
    "concatenation": Concatenation,
    "levels": Levels,
}


@pytest.mark.parametrize("name", EXACT)
def test_dead_channels_are_removed_without_a_trace(name):
    result = assert_exact(EXACT[name]())
    assert not result.left
    assert result.absorbed


@pytest.mark.parametrize("padding", [1, "same"])
def test_with_zero_padding_the_interior_is_exact(padding):
    model = nn.Sequential(
        Block(3, 8), nn.Conv2d(8, 6, 3, padding=padding), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1)
    )
    assert_exact(copy.deepcopy(model), crop=1)
    model, groups, kept = prepared(model)
    assert furthest(outputs(model), outputs(pruned(model, groups, kept, compensated=True)[0])) > 1e-2


def test_padding_far_before_a_layer_does_not_make_its_input_vary():
    model = nn.Sequential(Block(3, 8), nn.AvgPool2d(3, 1, padding=1), nn.Conv2d(8, 4, 1))
    assert not assert_exact(model, crop=1).left


def test_maps_of_several_sizes_get_the_bias_of_the_largest():
    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.layer = Block(3, 8), nn.Conv2d(8, 4, 3, padding=1)

        def forward(self, x):
            x = self.stem(x)
            return [F.interpolate(self.layer(F.adaptive_avg_pool2d(x, size)), x.shape[2:]) for size in (11, 1)][:1]

    assert not assert_exact(Pyramid(), crop=2).left


def test_the_bias_or_the_mean_takes_the_sum_over_the_kernel():
    model = randomize(nn.Sequential(Block(3, 8), nn.Conv2d(8, 6, 3), Block(6, 6), Block(6, 4), nn.Conv2d(4, 2, 1)))
    groups = trace(model, FakeTask(), IMAGES).prunable
    kept = {group.name: list(range(group.size - 3, group.size)) for group in groups}
    before = copy.deepcopy(model)
    result = compensate(model, groups, kept, FakeTask(), IMAGES)

    def offset(layer, constants):
        return sum(layer.weight[:, c].sum((1, 2)) * value for c, value in enumerate(constants))

    with torch.no_grad():
        beta = F.relu(before[0][1].bias[:5])
        torch.testing.assert_close(model[1].bias, before[1].bias + offset(before[1], beta))
        means = [
            (2, before[1].bias[:3]),
            (3, F.relu(before[2][1].bias[:3])),
        ]
        for position, constants in means:
            expected = before[position][1].running_mean - offset(before[position][0], constants)
            torch.testing.assert_close(model[position][1].running_mean, expected)
        last = before[4].bias + offset(before[4], F.relu(before[3][1].bias[:1]))
        torch.testing.assert_close(model[4].bias, last)
    assert result.absorbed == {"1": 5, "2.0": 3, "3.0": 3, "4": 1}
    assert json.loads(json.dumps(result.to_json())) == {"absorbed": result.absorbed, "left": {}}


def test_only_biases_and_means_change():
    model, groups, kept = prepared(Residual())
    model.train()
    model.norm.eval()
    before = copy.deepcopy(model)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    compensate(model, groups, kept, FakeTask(), IMAGES)
    assert torch.equal(torch.get_rng_state(), state)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    means = {"inner.1.running_mean", "again.1.running_mean"}
    assert changed == means | {"outer.bias", "last.bias", "head.bias"}
    assert [module.training for module in model.modules()] == [module.training for module in before.modules()]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_keeping_everything_changes_nothing():
    model = randomize(Chain())
    before = copy.deepcopy(model.state_dict())
    groups = trace(model, FakeTask(), IMAGES).prunable
    result = compensate(model, groups, {group.name: list(range(group.size)) for group in groups}, FakeTask(), IMAGES)
    assert (result.absorbed, result.left) == ({}, {})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("padding", [18, "same"])
def test_a_kernel_wider_than_the_map_gets_the_mean_of_what_it_sees(padding):
    model = randomize(nn.Sequential(Block(3, 8), nn.AvgPool2d(2), nn.Conv2d(8, 4, 3, padding=padding, dilation=18)))
    groups = trace(model, FakeTask(), IMAGES).prunable
    kept = {groups[0].name: [0, 1, 2]}
    deaden(model, groups, kept)
    differences = outputs(model)[0] - outputs(pruned(model, groups, kept, compensated=False)[0])[0]
    bias = model[2].bias.clone()
    compensate(model, groups, kept, FakeTask(), IMAGES)
    torch.testing.assert_close(model[2].bias - bias, differences.mean((0, 2, 3)))


def test_normalisation_without_a_scale_takes_its_mean_as_the_constant():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, affine=False), nn.Sigmoid(), nn.Conv2d(8, 4, 1))
    model[1].running_mean.uniform_(0.5, 1)
    groups = trace(model, FakeTask(), IMAGES).prunable
    bias = model[3].bias.clone()
    compensate(model, groups, {groups[0].name: [0, 1, 2]}, FakeTask(), IMAGES)
    torch.testing.assert_close(model[3].bias, bias + 0.5 * model[3].weight[:, 3:].sum((1, 2, 3)))


def left_of(model):
    """Compensates with every other channel gone, and checks that `left` says where nothing changed."""
    model, groups, kept = prepared(model)
    before = copy.deepcopy(model.state_dict())
    result = compensate(model, groups, kept, FakeTask(), IMAGES)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert bool(changed) == bool(result.absorbed)
    return result


class Placed(nn.Module):
    """Adds another number to each pixel, in the lower half of the channels only."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.randn(1, 8, 22, 22))
        self.place.data[:, 4:] = 0

    def forward(self, x):
        return x + self.place


class Lit(nn.Module):
    """Scales all channels by the image's brightness."""

    def forward(self, x):
        return x * x.mean((1, 2, 3), keepdim=True)


@pytest.mark.parametrize(("layer", "varying"), [(Placed, 2), (Lit, 4)])
def test_what_varies_over_pixels_or_images_is_left(layer, varying):
    result = left_of(plain(layer(), nn.Conv2d(8, 4, 1)))
    assert result.left == {"2": f"{varying} of 4 removed inputs are not constant"}
    assert result.absorbed == ({"2": 4 - varying} if varying < 4 else {})


class ReadTwice(nn.Module):
    """The normalisation is not the only reader of its input."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner, self.norm = Block(3, 8), nn.Conv2d(8, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        x = self.inner(self.stem(x))
        return self.head(F.relu(self.norm(x)) + x)


class SharedNorm(nn.Module):
    """The normalisation reads another layer too."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = Block(3, 8), nn.BatchNorm2d(6)
        self.inner, self.other = nn.Conv2d(8, 6, 3, bias=False), nn.Conv2d(3, 6, 5, bias=False)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.inner(self.stem(x))) + self.norm(self.other(x))))


@pytest.mark.parametrize("network", [ReadTwice, SharedNorm])
def test_a_mean_that_others_need_is_left(network):
    assert left_of(network()).left["inner"] == BARE


def test_a_layer_with_neither_bias_nor_normalisation_is_left():
    assert left_of(plain(nn.Conv2d(8, 4, 1, bias=False))).left == {"1": BARE}


def test_a_transposed_convolution_is_left():
    assert left_of(plain(nn.ConvTranspose2d(8, 4, 2, stride=2))).left == {"1": UNSUITED}


class Doubled(nn.Conv2d):
    """Computes with other weights than it has."""

    def forward(self, x):
        return F.conv2d(x, 2 * self.weight, self.bias)


class Wrapped(nn.Conv2d):
    """Looks at its input, and computes what its parent does."""

    def forward(self, x):
        return super().forward(x) if x.numel() else x


def test_a_forward_of_ones_own_is_left_only_if_it_differs():
    assert left_of(plain(Doubled(8, 4, 1))).left == {"1": FOREIGN}
    assert not assert_exact(plain(Wrapped(8, 4, 1))).left


def test_a_bias_that_would_take_different_constants_is_left():
    model = Levels()
    model.heads[1] = model.heads[0]
    result = left_of(model)
    assert result.absorbed == {"shared": 3}
    assert result.left == {"heads.0": "2 of 2 removed inputs are not constant"}


class Assisted(nn.Module):
    """A second head that only training runs."""

    def __init__(self):
        super().__init__()
        self.stem, self.head, self.auxiliary = Block(3, 8), nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        return [self.head(x), self.auxiliary(x)] if self.training else self.head(x)


def test_a_branch_of_training_alone_is_left():
    result = left_of(Assisted())
    assert (result.absorbed, result.left) == ({"head": 4}, {"auxiliary": UNREACHED})


def test_both_the_prediction_and_the_heads_of_training_are_run():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head, self.refinement = Block(3, 8), nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)

    class Refining(FakeTask):
        def forward(self, model, images):
            return [model.head(model.stem(images))]

        def predict(self, model, images):
            return model.refinement(model.stem(images))

    model = randomize(Two())
    groups = trace(model, Refining(), IMAGES).prunable
    result = compensate(model, groups, {groups[0].name: [0, 1]}, Refining(), IMAGES)
    assert (result.absorbed, result.left) == ({"head": 6, "refinement": 6}, {})
