"""The network of all widths: its narrow networks are the pruned ones, and each step trains what it should."""

import copy
import math

import pytest
import torch
from dmcp_fakes import SearchContext, supernet_of
from mmengine.optim import OptimWrapper
from pruning_fakes import Chain as ChainNetwork
from pruning_fakes import Concatenation, FakeTask, Residual, Separable, randomize
from torch import nn

from bench_pruning.channels import surgery
from bench_pruning.channels.recipe import recipe
from bench_pruning.dmcp.factors import layer_factor, multiplied
from bench_pruning.dmcp.penalty import cost_penalty
from bench_pruning.dmcp.supernet import divergence, learning_rate
from harness.errors import NonFiniteLossError, UnsupportedOperationError


class PreActivation(nn.Module):
    """A block that begins with its normalisation, and an identity path around it."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.inner, self.outer = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.outer(torch.relu(self.inner(torch.relu(self.norm(x))))))


NETWORKS = [ChainNetwork, Residual, Concatenation, Separable, PreActivation]


def wrapper_of(net, lr=0.05):
    return OptimWrapper(torch.optim.SGD(net.parameters(), lr=lr))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_masked_networks_are_the_narrow_ones(network, training):
    """They compute what networks do that are really cut, batch statistics included."""
    model = randomize(network()).train(training)
    net, groups, _ = supernet_of(model)
    widths = {
        name: chain.widths[number % len(chain.widths)] for number, (name, chain) in enumerate(net._chains.items())
    }
    pruned = copy.deepcopy(model)
    surgery.apply(pruned, recipe(pruned, groups, {name: list(range(width)) for name, width in widths.items()}))
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    expected = FakeTask().forward(pruned, images)
    with multiplied(net.network, net._parts, {name: chain.mask(widths[name]) for name, chain in net._chains.items()}):
        found = FakeTask().forward(model, images)
    assert any(widths[group.name] < group.size for group in groups)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_gates_of_one_change_nothing(network):
    model = randomize(network()).eval()
    net, _, _ = supernet_of(model)
    images = torch.randn(2, 3, 8, 8)
    with multiplied(
        net.network, net._parts, {name: torch.ones(chain.widths[-1]) for name, chain in net._chains.items()}
    ):
        gated = FakeTask().forward(model, images)
    for one, other in zip(gated, FakeTask().forward(model, images), strict=True):
        assert torch.equal(one, other)


def test_weights_first_then_chains_and_weights_in_turn():
    model = randomize(ChainNetwork())
    net, _, _ = supernet_of(model, iterations=8)
    wrapper, changes = wrapper_of(net), []
    for _ in range(8):
        alpha, weight = net.alpha.clone(), model.first.weight.detach().clone()
        net.train_step(torch.randn(2, 3, 8, 8), wrapper)
        changes.append((not torch.equal(alpha, net.alpha), not torch.equal(weight, model.first.weight)))
    weights, chains = (False, True), (True, False)
    assert changes == [weights] * 4 + [chains, weights] * 2


def test_a_step_of_the_weights_runs_the_widest_the_narrowest_and_two_random_networks():
    model = randomize(ChainNetwork(width=8))
    net, _, _ = supernet_of(model, steps=4)
    seen = []
    model.second.register_forward_pre_hook(
        lambda module, args: seen.append(int((args[0].abs().amax((0, 2, 3)) > 0).sum()))
    )
    with torch.no_grad():
        model.norm.bias.fill_(5)  # no channel is silent by itself
    net.train_step(torch.randn(4, 3, 8, 8), wrapper_of(net))
    widest, teacher, narrowest, *random = seen
    assert (widest, teacher, narrowest) == (8, 8, 2)
    assert len(random) == 2
    assert set(random) <= {2, 4, 6, 8}


def test_the_gradient_of_the_weights_is_that_of_all_four_networks():
    model = randomize(ChainNetwork())
    net, _, _ = supernet_of(model)
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    reference = copy.deepcopy(model)
    other, _, _ = supernet_of(reference)
    FakeTask().loss(reference, images).backward()
    with torch.no_grad():
        widest = FakeTask().forward(reference, images)
    for factors in other._narrow_networks(0):
        with multiplied(other.network, other._parts, factors):
            divergence(FakeTask().forward(reference, images), widest).backward()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    net.train_step(images, wrapper_of(net, lr=0.01))
    for name, value in model.named_parameters():
        expected = before[name] - 0.01 * reference.get_parameter(name).grad
        torch.testing.assert_close(value.detach(), expected, atol=1e-6, rtol=1e-5)


class Constant(FakeTask):
    """A loss that hangs on no channel."""

    def loss(self, model, batch):
        return super().loss(model, batch) * 0


class Scaler:
    """Of automatic mixed precision; above a limit the gradients overflow."""

    def __init__(self, scale):
        self.scale = scale

    def get_scale(self):
        return self.scale


class Watching(FakeTask):
    """Notes the gradient that arrives at the loss, and overflows as half precision does."""

    def __init__(self, limit=math.inf):
        self.seen, self.limit = [], limit

    def loss(self, model, batch):
        loss = super().loss(model, batch)
        loss.register_hook(self.arrived)
        return loss

    def arrived(self, gradient):
        self.seen.append(gradient.item())
        return gradient * math.inf if gradient.item() > self.limit else None


@pytest.mark.parametrize(("limit", "scales"), [(math.inf, [1024.0]), (100.0, [1024.0, 16.0])])
def test_with_mixed_precision_the_gradient_is_taken_of_the_scaled_loss_and_unscaled(limit, scales):
    """A scale that overflows is lowered; the step is that of full precision."""
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    model = randomize(ChainNetwork())
    plain, _, _ = supernet_of(copy.deepcopy(model))
    plain.step.fill_(4)
    plain.train_step(images, wrapper_of(plain))
    task = Watching(limit)
    net, _, _ = supernet_of(model, SearchContext(task, size=(8, 8)))
    net.step.fill_(4)
    wrapper = wrapper_of(net)
    wrapper.loss_scaler = Scaler(1024.0)
    task.seen.clear()
    net.train_step(images, wrapper)
    assert task.seen == scales
    torch.testing.assert_close(net.alpha, plain.alpha)


def test_the_gradient_of_the_chains_is_the_slope_of_loss_and_penalty():
    """Against finite differences on a stream that layers share: what its members contribute adds up."""
    context = SearchContext(size=(8, 8))
    model = randomize(Residual()).double()
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    net, _, demand = supernet_of(randomize(Residual()), context)
    net.network = model.train()

    def objective(alpha):
        factors, position = {}, 0
        for name, chain in net._chains.items():
            factors[name] = chain.gates(alpha[position : position + len(chain)])
            position += len(chain)
        with torch.no_grad(), multiplied(model, net._parts, factors):
            loss = context.task.loss(model, images)
        return loss.item() + 0.1 * cost_penalty(net.expected_cost(alpha), 0.5 * demand.dense).item()

    net.alpha.copy_(torch.linspace(-1, 1, len(net.alpha)))
    gradient, _ = net._gradient(images, wrapper_of(net))
    for position in range(len(net.alpha)):
        step = torch.zeros_like(net.alpha)
        step[position] = 1e-5
        slope = (objective(net.alpha + step) - objective(net.alpha - step)) / 2e-5
        assert gradient[position].item() == pytest.approx(slope, rel=1e-5, abs=1e-9), position


def test_the_expected_cost_of_settled_chains_is_the_counted_one():
    """Depthwise convolutions, squeeze-and-excitation and heads included."""
    model = randomize(Separable())
    context = SearchContext(size=(8, 8))
    net, groups, demand = supernet_of(model, context)
    assert net.expected_cost(torch.full_like(net.alpha, 60)).item() == pytest.approx(demand.dense)
    narrow = {name: list(range(chain.widths[0])) for name, chain in net._chains.items()}
    pruned = copy.deepcopy(model)
    surgery.apply(pruned, recipe(pruned, groups, narrow))
    macs = context.count_macs(pruned.eval(), context.example_images(2))
    assert net.expected_cost(torch.full_like(net.alpha, -60)).item() == pytest.approx(macs)


def test_random_networks_are_uniform_at_first_and_drawn_from_the_chains_later():
    """With chains that always stay whole, only uniform draws are narrow: all at first, 1 in e at the end."""
    net, _, _ = supernet_of(randomize(ChainNetwork(width=40)), iterations=2000, steps=10)
    net.alpha.fill_(60)

    def share_of_whole(steps):
        drawn = [factors for step in steps for factors in list(net._narrow_networks(step))[1:]]
        whole = sum(all(bool(factor.all()) for factor in factors.values()) for factors in drawn)
        return whole / len(drawn)

    # Two layers of ten widths: a uniform draw is the whole network once in a hundred.
    assert share_of_whole(range(100)) == pytest.approx(0.04, abs=0.05)
    assert share_of_whole(range(1900, 2000)) == pytest.approx(1 - 0.99 * math.exp(-0.975), abs=0.11)


def test_a_step_of_the_chains_is_nesterov_on_the_penalty():
    """Against torch's own SGD, where the task's loss has no gradient; learning rates fall along half a cosine."""
    net, _, demand = supernet_of(randomize(ChainNetwork()), SearchContext(Constant(), size=(8, 8)), target=0.6)
    alpha = net.alpha.clone().requires_grad_()
    reference = torch.optim.SGD([alpha], lr=0.5, momentum=0.9, nesterov=True)
    net.step.fill_(4)  # of 8
    for number in range(2):
        reference.param_groups[0]["lr"] = learning_rate(2 * number / 4, 0.5, 0.1)
        reference.zero_grad()
        (0.1 * cost_penalty(net.expected_cost(alpha), 0.6 * demand.dense)).backward()
        reference.step()
        net.step.fill_(4 + 2 * number)
        net.train_step(torch.randn(2, 3, 8, 8), wrapper_of(net))
        torch.testing.assert_close(net.alpha, alpha.detach())
    assert bool((net.alpha > 0).all()), "the expected network was too small"


@pytest.mark.parametrize("start", [0.0, 2.0])
def test_the_penalty_leads_to_the_target(start):
    """From below and above, where nothing else pulls."""
    context = SearchContext(Constant(), size=(8, 8))
    net, _, demand = supernet_of(randomize(ChainNetwork()), context, target=0.5, iterations=1200)
    net.alpha.fill_(start)
    wrapper = wrapper_of(net)
    images = context.example_images(2)
    for step in range(600, 1200, 2):
        net.step.fill_(step)
        net.train_step(images, wrapper)
    assert 0.9 <= net.expected_cost(net.alpha).item() / (0.5 * demand.dense) <= 1.05


def test_an_interrupted_search_goes_on_as_if_nothing_had_happened():
    batches = torch.randn(8, 2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    whole, _, _ = supernet_of(randomize(ChainNetwork()))
    wrapper = wrapper_of(whole)
    for number in range(8):
        if number == 5:
            stored = copy.deepcopy(whole.state_dict())
        whole.train_step(batches[number], wrapper)
    continued, _, _ = supernet_of(randomize(ChainNetwork(), seed=9))
    continued.load_state_dict(stored)
    wrapper = wrapper_of(continued)
    for number in range(5, 8):
        continued.train_step(batches[number], wrapper)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name


def test_chains_are_no_parameters_of_the_training():
    """Weight decay and the learning rate of the weights must not reach them."""
    net, _, _ = supernet_of(randomize(ChainNetwork()))
    assert not [name for name, _ in net.named_parameters() if not name.startswith("network.")]


def test_a_divergence_of_the_chains_is_reported():
    class Infinite(FakeTask):
        def loss(self, model, batch):
            return super().loss(model, batch) * math.inf

    net, _, _ = supernet_of(randomize(ChainNetwork()), SearchContext(Infinite(), size=(8, 8)))
    net.step.fill_(4)
    with pytest.raises(NonFiniteLossError, match="gradients of the widths are not finite at step 5"):
        net.train_step(torch.randn(2, 3, 8, 8), wrapper_of(net))


def test_narrow_networks_may_learn_from_labels():
    """The gradient is then that of four training losses; nothing need be a distribution over classes."""
    model = randomize(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 1, 1)))
    net, _, _ = supernet_of(model, narrow_targets="labels")
    before = model[0].weight.detach().clone()
    net.train_step(torch.randn(2, 3, 8, 8), wrapper_of(net))
    assert not torch.equal(before, model[0].weight)
    other, _, _ = supernet_of(model)
    with pytest.raises(UnsupportedOperationError, match="returns no class logits"):
        other.train_step(torch.randn(2, 3, 8, 8), wrapper_of(other))


def test_divergence_toy_numbers():
    """KL((1/2, 1/2) || (1/4, 3/4)) = log(2) / 2 + log(2/3) / 2, the mean over places, the sum over outputs."""
    teacher = torch.zeros(2, 2, 3, 3)
    student = torch.log(torch.tensor([0.25, 0.75])).view(1, 2, 1, 1).expand(2, 2, 3, 3)
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert divergence([student], [teacher]).item() == pytest.approx(expected, rel=1e-5)
    assert divergence([student, student], [teacher, teacher]).item() == pytest.approx(2 * expected, rel=1e-5)
    assert divergence([student], [student]).item() == pytest.approx(0, abs=1e-6)


def test_the_rate_falls_from_the_first_to_the_last():
    assert [learning_rate(progress, 0.5, 0.1) for progress in (0, 0.5, 1)] == pytest.approx([0.5, 0.3, 0.1])


def test_layers_that_hold_several_groups_get_all_factors():
    """Concatenated channels: those of each group at their place, 1 for channels of no group."""
    net, groups, _ = supernet_of(randomize(Concatenation()))
    factors = {group.name: torch.full((group.size,), float(number + 2)) for number, group in enumerate(groups)}
    values = {name: factors[name][0].item() for name in ("left", "right", "stem")}
    expected = [values["left"]] * 6 + [values["right"]] * 5 + [values["stem"]] * 4
    assert layer_factor(net._parts["norm"], factors, 15).tolist() == expected
