"""Raw scores of protocol `seed`, against plain computations."""

import copy

import numpy as np
import pytest
import torch
from first_vss_fakes import seeded
from pruning_fakes import Chain, Residual, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.first_vss.convolutions import following_normalizations, scored_convolutions
from bench_pruning.first_vss.maps import informativeness
from bench_pruning.first_vss.scores import SCORES, raw_scores
from harness.errors import NonFiniteLossError, UnsupportedOperationError


@pytest.fixture
def chain():
    torch.manual_seed(0)
    return randomize(Chain())


def test_every_convolution_but_those_of_one_channel_or_of_the_classes_is_scored():
    model = nn.Sequential(conv(3, 8), conv(8, 4), conv(4, 1), nn.Linear(5, 6), conv(1, 6))
    assert list(scored_convolutions(model, 4)) == ["0", "4"]
    assert list(scored_convolutions(model, 0)) == ["0", "1", "4"]


def test_the_normalization_of_a_convolution_is_the_very_next_module():
    wrapped = nn.Sequential(conv(4, 5), nn.BatchNorm2d(5))
    model = nn.Sequential(conv(3, 4), nn.ReLU(), nn.BatchNorm2d(4), wrapped, conv(5, 6), nn.GroupNorm(2, 6))
    model.append(nn.BatchNorm2d(6))
    assert following_normalizations(model) == {"3.0": model[3][1]}


def test_scores_of_weights_are_those_of_numpy(chain):
    context = seeded()
    for path in ("first", "second"):
        rows = getattr(chain, path).weight.detach().numpy()
        rows = rows.reshape(len(rows), -1).astype(np.float64)
        distances = [sum(np.sqrt(((one - other) ** 2).sum()) for other in rows) for one in rows]
        expected = {"l1": np.abs(rows).sum(1), "l2": np.sqrt((rows**2).sum(1)), "fpgm": distances}
        for name, values in expected.items():
            found = raw_scores(name, chain, context)
            assert list(found) == ["first", "second"]
            assert np.allclose(found[path], values, rtol=1e-5), name


def test_slimming_takes_scales_as_they_are(chain):
    chain.norm.weight.data[2] = -0.25
    found = raw_scores("slimming", chain, seeded())
    assert torch.equal(found["first"], chain.norm.weight.detach().abs())
    assert found["first"][2] == 0.25
    assert set(raw_scores("slimming", randomize(Residual()), seeded())) == {"outer"}


def test_a_normalization_that_does_not_fit_gives_zeros(chain):
    plain = nn.Sequential(conv(3, 5), nn.BatchNorm2d(5, affine=False), conv(5, 6), nn.BatchNorm2d(6), conv(6, 4, 1))
    for name in ("slimming", "taylor"):
        found = raw_scores(name, plain, seeded())
        assert found["0"].tolist() == [0] * 5
        assert (found["2"] > 0).all()
    wide = nn.ModuleList([conv(3, 5), nn.BatchNorm2d(8)])
    assert raw_scores("slimming", wide, seeded())["0"].tolist() == [0] * 5


def test_random_numbers_hang_on_the_seed_alone(chain):
    one, same, other = (raw_scores("random", chain, seeded(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one["second"], same["second"])
    assert not torch.equal(one["second"], other["second"])
    assert all(((values >= 0) & (values < 1)).all() for values in one.values())


def test_taylor_is_that_of_64_equal_images_of_noise(chain):
    context = seeded(size=(12, 16))
    network = copy.deepcopy(chain).train()
    (network(context.example_images().repeat(64, 1, 1, 1)) ** 2).mean().backward()
    found = raw_scores("taylor", chain, context)
    for path, norm in (("first", network.norm), ("second", network.second_norm)):
        assert torch.allclose(found[path], (norm.weight * norm.weight.grad).abs().detach(), rtol=1e-3, atol=1e-7)


class Pooled(nn.Module):
    """As the image pooling of DeepLabV3: batch normalisation sees one value a channel."""

    def __init__(self):
        super().__init__()
        self.pooled, self.norm = nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        pooled = self.norm(self.pooled(F.adaptive_avg_pool2d(x, 1))).relu()
        return self.head(pooled).expand(-1, -1, *x.shape[2:])


@pytest.mark.parametrize("name", ["taylor", "fgp"])
def test_global_pooling_is_no_obstacle(name):
    assert raw_scores(name, randomize(Pooled()), seeded())["pooled"].shape == (6,)


class Plain(nn.Module):
    """Convolutions without normalisation, the first of which an activation works on in place."""

    def __init__(self, classes):
        super().__init__()
        self.first, self.second, self.classifier = conv(3, 8), conv(8, 6), conv(6, classes, 1)

    def forward(self, x):
        return self.classifier(F.relu(self.second(F.relu_(self.first(x)))))


@pytest.mark.parametrize("classes", [4, 13])
def test_fgp_multiplies_means_of_features_and_gradients_class_by_class(classes):
    """One image alone, every class by hand; of 13 classes the first ten count."""
    torch.manual_seed(1)
    model, context = Plain(classes), seeded(classes, size=(12, 16))
    first = model.first(context.example_images())
    second = model.second(F.relu(first))
    logits = model.classifier(F.relu(second))
    products = {"first": [], "second": []}
    for number in range(min(classes, 10)):
        loss = F.cross_entropy(logits.mean((2, 3)), torch.tensor([number]))
        for path, maps in (("first", first), ("second", second)):
            (gradient,) = torch.autograd.grad(loss, maps, retain_graph=True)
            products[path].append((maps.mean((0, 2, 3)) * gradient.mean((0, 2, 3))).abs().detach())
    found = raw_scores("fgp", model, context)
    assert set(found) == {"first", "second", "classifier"}, "which it does not know"
    for path, each in products.items():
        stacked = torch.stack(each)
        assert torch.allclose(found[path], 0.7 * stacked.mean(0) + 0.3 * stacked.amin(0), rtol=1e-3)


def test_fgp_sees_rounding_alone_in_front_of_batch_normalization(chain):
    """A constant that is added to a channel changes nothing behind it, so that the mean gradient is zero."""
    scores = raw_scores("fgp", chain, seeded())
    plain = raw_scores("fgp", Plain(4), seeded())
    assert scores["first"].max() < 1e-4 * plain["first"].max()
    assert "0" not in raw_scores("fgp", nn.Sequential(conv(3, 10), conv(10, 4)), seeded()), "ten are its classes"


def test_fgp_without_normalization_equals_a_closed_form():
    """Logits w2 w1 x: the mean gradient of a hidden channel is `(p - e_c) w2 / pixels`, its mean feature `w1 x`."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(3, 5, 1, bias=False), nn.Conv2d(5, 4, 1, bias=False))
    context = seeded(size=(6, 8))
    first, second = (layer.weight.detach().flatten(1) for layer in model)
    features = first @ context.example_images().mean((0, 2, 3))
    gradients = ((second @ features).softmax(0) - torch.eye(4)) @ second / 48
    products = (features * gradients).abs()
    expected = 0.7 * products.mean(0) + 0.3 * products.amin(0)
    assert torch.allclose(raw_scores("fgp", model, context)["0"], expected, rtol=1e-4)


def plain_entropy(image):
    parts = np.abs(image) / max(np.abs(image).sum(), 1e-8)
    return -(parts * np.log(parts + 1e-8)).sum()


def halved(image):
    """Bilinear interpolation to half a size of even numbers is the mean of two by two."""
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def inner(image):
    """To a quarter it is the mean of the two by two in the middle of four by four."""
    return (image[1::4, 1::4] + image[2::4, 1::4] + image[1::4, 2::4] + image[2::4, 2::4]) / 4


def test_sirfp_is_entropy_and_correlation_of_numpy(chain):
    context = seeded(size=(16, 24))
    with torch.no_grad():
        maps = chain.eval().first(context.example_images())[0].double().numpy()
    correlations = np.abs(np.corrcoef(maps.reshape(8, -1)))
    redundancy = (correlations.sum(1) - 1) / 7
    expected = [
        plain_entropy(image) * (1 - mean) + 0.3 * plain_entropy(halved(image)) + 0.3 * plain_entropy(inner(image))
        for image, mean in zip(maps, redundancy, strict=True)
    ]
    found = raw_scores("sirfp", chain.train(), context)
    # The deviation over n - 1 pixels and the product over n differ by 1 / 384.
    assert np.allclose(found["first"], expected, rtol=2e-3)
    assert set(found) == {"first", "second"}


def test_a_repeated_map_is_worth_less_and_small_maps_have_fewer_scales():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 3, 6, 6, generator=generator)
    maps[0, 1] = maps[0, 0]
    one, repeated, other = informativeness(maps).tolist()
    assert one == pytest.approx(repeated)
    assert one < 0.75 * other
    flat = torch.ones(1, 2, 3, 3)
    assert informativeness(flat).tolist() == pytest.approx([np.log(9)] * 2, abs=1e-5), "no scale, no correlation"
    assert informativeness(torch.ones(1, 2, 1, 1)).tolist() == pytest.approx([0, 0], abs=1e-5)


def test_large_maps_are_correlated_at_32_pixels():
    maps = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    small = F.interpolate(maps, size=(32, 32), mode="bilinear")
    first, second = (values.flatten().double().numpy() for values in small[0])
    expected = plain_entropy(maps[0, 0].numpy()) * (1 - abs(np.corrcoef(first, second)[0, 1]))
    for scale in (32, 16):
        smaller = F.interpolate(maps, size=(scale, scale), mode="bilinear")
        expected += 0.3 * plain_entropy(smaller[0, 0].numpy())
    assert float(informativeness(maps)[0]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", SCORES)
def test_nothing_stays_in_the_model_and_scores_repeat(name):
    model = randomize(Residual())
    model.norm.eval()
    model.stem.weight.requires_grad_(False)
    before, flags = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    state = torch.get_rng_state()
    one, again = (raw_scores(name, model, seeded()) for _ in range(2))
    assert all(torch.equal(values, again[path]) for path, values in one.items())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [name for name, parameter in model.named_parameters() if not parameter.requires_grad] == ["stem.weight"]
    assert torch.equal(torch.get_rng_state(), state)


def test_what_cannot_be_scored_says_so(chain):
    with pytest.raises(UnsupportedOperationError, match="hang on no scale"):
        raw_scores("taylor", nn.Sequential(conv(3, 4)), seeded())
    with pytest.raises(UnsupportedOperationError, match=r"predicts \[2, 4\]"):
        raw_scores("fgp", nn.Sequential(conv(3, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten()), seeded())
    chain.first.weight.data.fill_(torch.inf)
    with pytest.raises(NonFiniteLossError, match="`first` are not finite"):
        raw_scores("l1", chain, seeded())
