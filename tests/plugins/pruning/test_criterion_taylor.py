"""The Taylor criterion: closed forms, its invariants, and where gates stand."""

import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeContext, FakeTask, Residual, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.taylor import Taylor
from bench_pruning.descriptors.taylor import TaylorOptions
from bench_pruning.gates import gated
from bench_pruning.places import gate_places
from harness.errors import NonFiniteLossError, UnsupportedOperationError


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    """Where a score is small by chance, single precision shows."""
    torch.manual_seed(0)


class Losses(FakeTask):
    """A loss of its own, for batches that are given."""

    def __init__(self, loss):
        self._loss = loss

    def loss(self, model, batch):
        return self._loss(self.forward(model, batch)[0])


class Batches(FakeContext):
    def __init__(self, task, *batches):
        super().__init__(task)
        self._batches = batches

    def calibration_batches(self, samples=None):
        yield from (batch.clone() for batch in self._batches)


def scores(model, context=None, variant="gate"):
    method = Taylor(options=TaylorOptions(variant=variant))
    state = method.prepare(model, context or FakeContext())
    return {name.removeprefix("scores."): values for name, values in state.tensors.items()}


class Sum(nn.Module):
    """Channels a times the input, added by the next layer."""

    def __init__(self, a):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, len(a), 1, bias=False), nn.Conv2d(len(a), 1, 1, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor(a).view(-1, 1, 1, 1))
            self.last.weight.fill_(1)

    def forward(self, x):
        return self.last(self.first(x))


class GrayContext(Batches):
    def example_images(self, batch_size=1, size=None):
        return super().example_images(batch_size, size)[:, :1]


def half_square(output):
    return 0.5 * output.flatten(1).sum(1).square().mean()


@pytest.mark.parametrize("variant", ["gate", "per_sample"])
def test_the_closed_form(variant):
    """L = (sum_c a_c z_c)^2 / 2 with a = [1, 2, -1]: dL/dz_c = 2 a_c."""
    context = GrayContext(Losses(half_square), torch.ones(1, 1, 1, 1))
    assert scores(Sum([1.0, 2.0, -1.0]), context, variant)["first"].tolist() == [4, 16, 4]


def test_the_closed_form_is_what_the_loss_really_does_to_first_order():
    """Removing a channel changes L by -1.5, -2.0, +2.5: all of L = 2 but (2 - a_c)^2 / 2; the slopes are 2, 4, -2."""
    model, image = Sum([1.0, 2.0, -1.0]), torch.ones(1, 1, 1, 1)
    changes, slopes = [], []
    for channel in range(3):
        for factor, found in ((0.0, changes), (1 - 1e-3, slopes)):
            scaled = copy.deepcopy(model)
            with torch.no_grad():
                scaled.first.weight[channel] *= factor
            found.append((half_square(scaled(image)) - half_square(model(image))).item())
    assert changes == [-1.5, -2.0, 2.5]
    assert [change / -1e-3 for change in slopes] == pytest.approx([2, 4, -2], rel=1e-2)


def test_a_gates_gradient_is_the_sum_of_features_times_gradients():
    """sum_hw y dL/dy: the Taylor output of the earlier paper, and FGP's product without its rectification."""
    model = randomize(Chain()).double()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kept = []
    model.norm.register_forward_hook(lambda module, args, output: (kept.append(output), output.retain_grad())[0])
    with gated(model, ["norm"]) as gates:
        model(images).square().mean().backward()
    (gradient,), (features,) = gates.gradients("norm"), kept
    torch.testing.assert_close(gradient, (features * features.grad).sum((2, 3)).detach())


def test_weights_are_squared_one_by_one():
    context = GrayContext(Losses(half_square), torch.ones(1, 1, 1, 1))
    model = Sum([1.0, 2.0, -1.0])
    assert scores(model, context, "weight")["first"].tolist() == [4, 16, 4]
    two = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False))
    with torch.no_grad():
        two[0].weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 1.0]]).view(2, 2, 1, 1))
        two[1].weight.fill_(1)

    class Two(Batches):
        def example_images(self, batch_size=1, size=None):
            return super().example_images(batch_size, size)[:, :2]

    context = Two(Losses(half_square), torch.ones(1, 2, 1, 1))
    # The output is 3, so dL/dw = 3 for each: (1*3)^2 + (-1*3)^2 and (2*3)^2 + (1*3)^2; gates give (0*3)^2, (3*3)^2.
    assert scores(two, context, "weight")["0"].tolist() == [18, 45]
    assert scores(two, context, "gate")["0"].tolist() == [0, 81]


def test_a_batch_cancels_what_samples_do_not():
    """Gradients +1 and -1 of two images: nothing for the batch, one for each image."""
    context = GrayContext(
        Losses(lambda output: output.flatten(1).sum(1).mean()), torch.tensor([1.0, -1]).view(2, 1, 1, 1)
    )
    assert scores(Sum([1.0, 1.0]), context, "gate")["first"].tolist() == [0, 0]
    assert scores(Sum([1.0, 1.0]), context, "per_sample")["first"].tolist() == [1, 1]


def test_mini_batches_are_squared_before_they_are_averaged():
    images = torch.tensor([1.0, -3]).view(2, 1, 1, 1, 1)
    context = GrayContext(Losses(lambda output: output.flatten(1).sum(1).mean()), *images)
    assert scores(Sum([1.0, 2.0]), context)["first"].tolist() == [(1 + 9) / 2, 4 * (1 + 9) / 2]


@pytest.mark.parametrize("network", [Chain, Concatenation])
def test_a_gate_is_worth_what_scale_and_shift_are(network):
    model = randomize(network()).double()

    class Double(FakeContext):
        def example_images(self, batch_size=1, size=None):
            return super().example_images(batch_size, size).double()

    if network is Concatenation:  # some of its groups have no normalisation
        for variant in ("gate", "bn"):
            try:
                found = scores(copy.deepcopy(model), Double(), variant)
            except UnsupportedOperationError as error:
                assert variant == "bn"
                assert "no normalisation scales" in error.message
            else:
                assert variant == "gate"
                assert all(bool((values > 0).any()) for values in found.values())
        return
    gates, norms = (scores(copy.deepcopy(model), Double(), variant) for variant in ("gate", "bn"))
    assert set(gates) == set(norms) == {"first", "second"}
    for name, values in gates.items():
        assert bool((values > 0).all())
        torch.testing.assert_close(values, norms[name], rtol=1e-8, atol=0)


def test_in_front_of_batch_normalisation_a_gate_measures_nothing():
    """Normalisation undoes any scale: sum_k w dL/dw of a filter is 0, so that is where no gate may stand."""
    model = randomize(Chain()).double().train()
    model.second.bias.data.zero_()
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    with gated(model, ["first", "norm"]) as gates:
        model(images).square().mean().backward()
    (before,), (behind,) = gates.gradients("first"), gates.gradients("norm")
    assert float(before.sum(0).abs().max()) < 1e-4 * float(behind.sum(0).abs().max())
    groups = trace(model, FakeTask(), images).prunable
    places = gate_places(model, groups, lambda probe: probe(images))
    assert {name: [slot.module for slot in slots] for name, slots in places.behind.items()} == {
        "first": ["norm"], "second": ["second_norm"],
    }  # fmt: skip


def test_all_layers_on_a_stream_share_a_gate():
    """The score of shared channels is the squared sum of what all their layers contribute."""
    model = randomize(Residual())
    context = FakeContext()
    batch = next(context.calibration_batches())
    groups = {group.name: group for group in trace(model, FakeTask(), batch).prunable}
    places = gate_places(copy.deepcopy(model), list(groups.values()), lambda probe: probe(batch))
    assert {slot.module for slot in places.behind["stem"]} == {"stem", "norm"}, "`outer` is normalised, `stem` is not"
    assert [slot.module for slot in places.behind["inner"]] == ["inner"]
    found = scores(copy.deepcopy(model))["stem"]

    def loss(factor):
        network = copy.deepcopy(model).double().train()
        for path in ("stem", "norm"):
            network.get_submodule(path).register_forward_hook(
                lambda module, args, output: output * factor.view(1, -1, 1, 1)
            )
        return context.loss(network, batch.double())

    factor = torch.ones(8, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(loss(factor), factor)
    torch.testing.assert_close(found, expected.square(), rtol=1e-4, atol=1e-12)
    # ... which is what the loss really does when the gates close a little.
    step = torch.zeros(8, dtype=torch.float64)
    step[3] = 1e-6
    slope = (float(loss(factor.detach() + step)) - float(loss(factor.detach() - step))) / 2e-6
    assert slope**2 == pytest.approx(float(found[3]), rel=1e-3)


class DoubleBatches(Batches):
    def example_images(self, batch_size=1, size=None):
        return super().example_images(batch_size, size).double()


class PreActivation(nn.Module):
    """A block that begins with its normalisation, so that the stem's result is read by an identity path too."""

    def __init__(self, width=8):
        super().__init__()
        self.stem, self.norm = conv(3, width), nn.BatchNorm2d(width)
        self.inner, self.outer = conv(width, 6), conv(6, width)
        self.head = conv(width, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.outer(F.relu(self.inner(F.relu(self.norm(x))))))


def test_an_identity_path_around_a_normalisation_has_a_gate_of_its_own():
    """The score is the squared derivative of the loss if the channel is scaled wherever it goes."""
    model = randomize(PreActivation()).double()
    batch = torch.randn(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    context = DoubleBatches(FakeTask(), batch)
    found = scores(copy.deepcopy(model), context)["stem"]

    def loss(factor):
        network = copy.deepcopy(model).train()
        for path in ("stem", "norm", "outer"):
            network.get_submodule(path).register_forward_hook(
                lambda module, args, output: output * factor.view(1, -1, 1, 1)
            )
        return float(context.loss(network, batch).detach())

    for channel in range(8):
        step = torch.zeros(8, dtype=torch.float64)
        step[channel] = 1e-6
        slope = (loss(1 + step) - loss(1 - step)) / 2e-6
        assert slope**2 == pytest.approx(float(found[channel]), rel=1e-3), channel


class Attending(nn.Module):
    """Attention calls none of its projections: nothing can stand behind them."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = conv(3, width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = conv(width, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        tokens = x.flatten(2).transpose(1, 2)
        attended = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(x + attended.transpose(1, 2).reshape(x.shape))


def test_layers_that_are_not_called_are_measured_by_their_weights():
    """`sum w dL/dw` is the derivative of a factor of what a layer makes; channels of the two heads go together."""
    model = randomize(Attending()).double()
    batch = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    context = DoubleBatches(FakeTask(), batch)
    ((_, found),) = scores(copy.deepcopy(model), context).items()
    assert len(found) == 4

    def loss(factor):
        network = copy.deepcopy(model).train()
        network.stem.register_forward_hook(lambda module, args, output: output * factor.view(1, -1, 1, 1))
        with torch.no_grad():
            network.attention.out_proj.weight *= factor[:, None]
            network.attention.out_proj.bias *= factor
        return float(context.loss(network, batch).detach())

    for channel in range(4):
        step = torch.zeros(8, dtype=torch.float64)
        step[[channel, channel + 4]] = 1e-6
        slope = (loss(1 + step) - loss(1 - step)) / 2e-6
        assert slope**2 == pytest.approx(float(found[channel]), rel=1e-3), channel
    with pytest.raises(UnsupportedOperationError, match="is not called"):
        scores(copy.deepcopy(model), context, "per_sample")


def test_a_layer_that_is_used_twice_adds_its_calls_up():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = conv(3, 4), conv(4, 2)

        def forward(self, x):
            return [self.head(F.relu(self.first(x), inplace=True)), self.head(self.first(F.avg_pool2d(x, 2)))]

    model = Twice()
    context = FakeContext()
    batch = next(context.calibration_batches())
    network = copy.deepcopy(model)
    context.loss(network, batch).backward()
    products = (network.first.weight * network.first.weight.grad).flatten(1).sum(1)
    products = products + network.first.bias * network.first.bias.grad
    torch.testing.assert_close(scores(model)["first"], products.detach().double().square(), rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("variant", ["gate", "bn", "per_sample", "weight"])
def test_a_scaled_loss_changes_no_ranking(variant):
    class Scaled(FakeTask):
        def loss(self, model, batch):
            return 3 * super().loss(model, batch)

    model = randomize(Chain())
    once, thrice = (scores(copy.deepcopy(model), FakeContext(task), variant) for task in (FakeTask(), Scaled()))
    for name, values in once.items():
        torch.testing.assert_close(thrice[name], 9 * values, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("variant", ["gate", "bn", "per_sample", "weight"])
def test_permuted_channels_have_permuted_scores(variant):
    model = randomize(Chain())
    permuted = copy.deepcopy(model)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        permuted.first.weight.copy_(model.first.weight[order])
        permuted.second.weight.copy_(model.second.weight[:, order])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(permuted.norm, name).copy_(getattr(model.norm, name)[order])
    plain, moved = scores(model, variant=variant), scores(permuted, variant=variant)
    torch.testing.assert_close(moved["first"], plain["first"][order], rtol=1e-3, atol=1e-12)
    torch.testing.assert_close(moved["second"], plain["second"], rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("variant", ["gate", "bn", "per_sample", "weight"])
def test_the_model_is_left_as_it_was_and_scores_repeat(variant):
    model = randomize(Chain()).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    first = scores(model, variant=variant)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks or module.training for module in model.modules())
    again = scores(model, variant=variant)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_loss_that_is_not_finite_is_no_score():
    context = FakeContext(Losses(lambda output: output.sum() * float("nan")))
    method = Taylor(options=TaylorOptions())
    groups = trace(Chain(), FakeTask(), context.example_images()).prunable
    model = Chain()
    with pytest.raises(NonFiniteLossError, match="nan"):
        method.collect(model, [BoundGroup(group, model) for group in groups], context)


def test_a_loss_without_gradients_is_refused():
    context = FakeContext(Losses(lambda output: output.detach().sum()))
    model = Chain()
    groups = [BoundGroup(group, model) for group in trace(model, FakeTask(), context.example_images()).prunable]
    with pytest.raises(UnsupportedOperationError, match="hangs on no channel"):
        Taylor(options=TaylorOptions()).collect(model, groups, context)
