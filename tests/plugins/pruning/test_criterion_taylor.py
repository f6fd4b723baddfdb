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
from bench_pruning.gates import gate_places, gated
from bench_pruning.taylor_descriptor import TaylorOptions
from harness.errors import NonFiniteLossError, UnsupportedOperationError


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
    assert {name: [slot.module for slot in slots] for name, slots in places.items()} == {
        "first": ["norm"], "second": ["second_norm"],
    }  # fmt: skip


def test_all_layers_on_a_stream_share_a_gate():
    """The score of shared channels is the squared sum of what all their layers contribute."""
    model = randomize(Residual())
    context = FakeContext()
    batch = next(context.calibration_batches())
    groups = {group.name: group for group in trace(model, FakeTask(), batch).prunable}
    places = gate_places(copy.deepcopy(model), list(groups.values()), lambda probe: probe(batch))
    assert {slot.module for slot in places["stem"]} == {"stem", "norm"}, "`outer` is normalised, `stem` is not"
    assert [slot.module for slot in places["inner"]] == ["inner"]
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
        torch.testing.assert_close(thrice[name], 9 * values, rtol=1e-4, atol=1e-12)


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
