import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeContext, FakeTask, Residual, Separable, Swapped, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.fgp import FGP
from bench_pruning.criteria.support import kept_prefix, shares, tail_shares
from bench_pruning.descriptors.fgp import FGPOptions
from bench_pruning.method import SCORES
from harness.errors import UnsupportedOperationError
from harness.registry.task import Task


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    """By chance a channel may be negative everywhere, and then have no support."""
    torch.manual_seed(0)


class Batches(FakeContext):
    """Two batches of two images."""

    def calibration_batches(self, samples=None):
        del samples
        yield from self.example_images(4).split(2)


def scores(model, context=None, **options):
    state = FGP(options=FGPOptions(**options)).prepare(model, context or Batches())
    return {name.removeprefix(SCORES): values for name, values in state.tensors.items() if name.startswith(SCORES)}


def images():
    return Batches().example_images(4)


def chain_support(model, weighting="pixel"):
    """The definition: image by image, class by class."""
    model.eval()
    total = torch.zeros(8, dtype=torch.float64)
    for image in images():
        features = model.first(image[None]).detach().requires_grad_()
        logits = model.classifier(F.relu(model.second_norm(model.second(F.relu(model.norm(features))))))
        for number in range(4):
            target = logits[0, number][logits[0].argmax(0) == number].sum()
            (gradient,) = torch.autograd.grad(target, features, retain_graph=True)
            if weighting == "mean":
                gradient = gradient.mean((2, 3), keepdim=True)
            total += (gradient * features).relu().mean((2, 3))[0].double() / 4 / 4
    return total.detach()


@pytest.mark.parametrize("weighting", ["pixel", "mean"])
def test_support_follows_its_definition(weighting):
    model = randomize(Chain())
    method, context = FGP(options=FGPOptions(weighting=weighting)), Batches()
    expected = chain_support(model, weighting)
    groups = [group for group in method_groups(model, context) if group.name == "first"]
    statistics = method.collect(model, groups, context)
    torch.testing.assert_close(statistics["first"], expected, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(scores(model, weighting=weighting)["first"], tail_shares(expected), rtol=1e-4, atol=1e-6)


def method_groups(model, context):
    return [BoundGroup(group, model) for group in trace(model, context.task, context.example_images()).prunable]


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_a_threshold_keeps_the_channels_that_score_above_what_it_leaves_out(threshold):
    model = randomize(Chain(width=24))
    found = scores(model)
    method, context = FGP(options=FGPOptions()), Batches()
    statistics = method.collect(model, method_groups(model, context), context)
    kept = {path: kept_prefix(support, threshold).tolist() for path, support in statistics.items()}
    for path, channels in kept.items():
        assert (found[path] > 1 - threshold).nonzero().flatten().tolist() == channels
    # The ratio that the threshold comes to removes, over all layers, exactly what it does.
    gone = 50 - sum(map(len, kept.values()))
    filters = {path: model.get_submodule(path).weight.detach()[channels].clone() for path, channels in kept.items()}
    method.compress(model, gone / 50, method.prepare(model, context), context)
    assert torch.equal(model.first.weight, filters["first"])
    assert model.second.out_channels == len(kept["second"])


def test_the_scale_of_the_logits_changes_nothing():
    model = randomize(Chain())
    before = scores(model)
    with torch.no_grad():
        for parameter in model.classifier.parameters():
            parameter *= 8
    for name, values in scores(model).items():
        torch.testing.assert_close(values, before[name], rtol=1e-5, atol=1e-7)


def test_a_channel_that_nothing_reads_goes_first():
    model = randomize(Chain())
    with torch.no_grad():
        model.second.weight[:, 3] = 0
    found = scores(model)["first"]
    assert found[3] == 0
    assert (found > 0).sum() == 7


def test_the_shares_of_layers_that_share_channels_are_averaged():
    class First(Residual):
        def forward(self, x):
            return super().forward(x)[0]

    model, context = randomize(First()), Batches()
    (group,) = [group for group in method_groups(model, context) if group.name == "stem"]
    method = FGP(options=FGPOptions())
    statistics = method.collect(model, [group], context)
    assert set(statistics) == {"stem", "outer"}
    mean = (shares(statistics["stem"]) + shares(statistics["outer"])) / 2
    torch.testing.assert_close(method.score(group, statistics), tail_shares(mean))


def test_layers_that_predict_nothing_lose_nothing_to_a_threshold():
    found = scores(randomize(Residual()))
    assert found["auxiliary_inner"].tolist() == [1] * 5
    assert found["inner"].max() == pytest.approx(1)
    assert found["inner"].min() < 0.5


class InPlace(nn.Module):
    def __init__(self, *, in_place):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.activation = nn.ReLU(inplace=in_place)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)

    def forward(self, x):
        return self.second(self.activation(self.first(x)))


def test_features_are_read_before_an_activation_in_place():
    one, other = (scores(InPlace(in_place=flag))["first"] for flag in (False, True))
    assert torch.equal(one, other)
    model, context = InPlace(in_place=True), Batches()
    method = FGP(options=FGPOptions())
    support = method.collect(model, method_groups(model, context), context)["first"]
    assert (support > 0).any()


def test_scores_follow_a_permutation_of_the_channels():
    model, order = randomize(Chain()), torch.tensor([5, 2, 7, 0, 6, 1, 3, 4])
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(other.norm, name).copy_(getattr(model.norm, name)[order])
        other.first.weight.copy_(model.first.weight[order])
        other.second.weight.copy_(model.second.weight[:, order])
    one, found = scores(model), scores(other)
    torch.testing.assert_close(found["first"], one["first"][order], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["second"], one["second"], rtol=1e-4, atol=1e-6)


def test_scores_are_the_same_every_time():
    model = randomize(Separable())
    one, other = scores(model), scores(model)
    assert all(torch.equal(values, other[name]) for name, values in one.items())


@pytest.mark.parametrize("network", [Chain, Residual, Separable])
def test_the_model_is_left_as_it_was(network):
    model = randomize(network()).train()
    next(model.parameters()).requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    scores(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("network", [Chain, Residual, Concatenation, Separable, Swapped])
@pytest.mark.parametrize("allocation", ["uniform", "global"])
def test_a_network_is_pruned_and_computes_what_the_masked_one_does(network, allocation):
    model, context = randomize(network()), Batches()
    method = FGP(options=FGPOptions(allocation=allocation))
    result = method.compress(model, 0.5, method.prepare(model, context), context)
    assert result.achieved["channels"] == pytest.approx(0.5, abs=0.1)
    assert {check.name: check.verdict for check in result.checks} == {
        "masked_equals_physical": "pass",
        "predicted_costs_equal_counted": "pass",
    }


class Preprocessed(Chain):
    """Takes batches as mmengine's loaders make them."""

    def data_preprocessor(self, data, training):
        assert training
        return {"inputs": torch.stack(data["inputs"]), "data_samples": data["data_samples"]}


class Listed(Batches):
    def calibration_batches(self, samples=None):
        for batch in super().calibration_batches(samples):
            yield {"inputs": list(batch), "data_samples": [None] * len(batch)}


class ListedTask(FakeTask):
    images = Task.images

    def loss(self, model, batch):
        return super().loss(model, torch.stack(batch["inputs"]))


def test_images_come_from_the_task():
    model = randomize(Preprocessed())
    expected = scores(model)["first"]
    assert torch.equal(scores(model, Listed(ListedTask()))["first"], expected)
    with pytest.raises(UnsupportedOperationError, match="Chain has no data preprocessor"):
        scores(randomize(Chain()), Listed(ListedTask()))


class Vectors(FakeTask):
    def predict(self, model, images):
        return super().predict(model, images).mean((2, 3))


class Detached(FakeTask):
    def predict(self, model, images):
        return super().predict(model, images).detach()


def test_predictions_without_pixels_of_classes_are_refused():
    with pytest.raises(UnsupportedOperationError, match=r"predicts \[2, 4\]"):
        scores(Chain(), Batches(Vectors()))


def test_predictions_without_gradients_are_refused():
    with pytest.raises(UnsupportedOperationError, match="hang on no channel"):
        scores(Chain(), Batches(Detached()))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 4, stride=4)
        self.hidden = nn.Linear(6, 10)
        self.out = nn.Linear(10, 4)

    def forward(self, x):
        return self.out(F.relu(self.hidden(self.embed(x).flatten(2).mT))).mT.unflatten(2, (8, 8))


def test_tokens_are_the_pixels_of_linear_layers():
    model, context = Tokens(), Batches()
    (group,) = [group for group in method_groups(model, context) if group.name == "hidden"]
    support = FGP(options=FGPOptions()).collect(model, [group], context)["hidden"]
    features = model.hidden(model.embed(images()).flatten(2).mT).detach().requires_grad_()
    logits = model.out(F.relu(features))
    total = torch.zeros(10)
    for number in range(4):
        target = logits[..., number][logits.argmax(2) == number].sum()
        (gradient,) = torch.autograd.grad(target, features, retain_graph=True)
        total += (gradient * features).detach().relu().mean((0, 1)) / 4
    torch.testing.assert_close(support, total.double(), rtol=1e-4, atol=1e-8)
