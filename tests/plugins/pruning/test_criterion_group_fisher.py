"""Group Fisher: closed forms, masks of one's own, gates behind makers, and what a channel saves."""

import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeContext, FakeTask, Residual, Swapped, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.costs import CostModel, CostTerm, Width
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.group_fisher import GroupFisher, channel_savings
from bench_pruning.descriptors.group_fisher import GroupFisherOptions
from bench_pruning.gates import gated
from bench_pruning.method import SCORES
from harness.errors import NonFiniteLossError, UnsupportedOperationError


class Losses(FakeTask):
    """A loss of its own: the mean over the images of what a function says of their outputs."""

    def __init__(self, loss):
        self._loss = loss

    def loss(self, model, batch):
        return self._loss(self.forward(model, batch)[0].flatten(1)).mean()


class Batches(FakeContext):
    """Given batches, of as many channels as they have."""

    def __init__(self, *batches, task=None):
        super().__init__(task)
        self._batches = batches

    def calibration_batches(self, samples=None):
        yield from (batch.clone() for batch in self._batches)

    def example_images(self, batch_size=1, size=None):
        return self._batches[0][:batch_size].clone()


def noise(count, seed=0, dtype=torch.float32):
    return torch.randn(count, 3, 16, 16, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def bound_to(model, context):
    return [BoundGroup(group, model) for group in trace(model, FakeTask(), context.example_images()).prunable]


def scores(model, context=None, per_saving="none"):
    method = GroupFisher(options=GroupFisherOptions(per_saving=per_saving))
    context = context or Batches(noise(3), noise(2, 1))
    groups = bound_to(model, context)
    statistics = method.collect(model, groups, context)
    return {group.name: method.score(group, statistics) for group in groups}


class Added(nn.Module):
    """Channels a times the input, added up by one or two readers."""

    def __init__(self, a, *signs):
        super().__init__()
        self.first = nn.Conv2d(1, len(a), 1, bias=False)
        self.readers = nn.ModuleList(nn.Conv2d(len(a), 1, 1, bias=False) for _ in signs)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor(a).view(-1, 1, 1, 1))
            for reader, sign in zip(self.readers, signs, strict=True):
                reader.weight.fill_(sign)

    def forward(self, x):
        x = self.first(x)
        return sum(reader(x) for reader in self.readers)


def half_square(output):
    return 0.5 * output.sum(1).square()


def total(output):
    return output.sum(1)


def ones(*values):
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_the_closed_form():
    """L = (sum_c a_c m_c)^2 / 2 with a = [1, 2, -1]: dL/dm_c = 2 a_c."""
    context = Batches(ones(1.0), task=Losses(half_square))
    assert scores(Added([1.0, 2.0, -1.0], 1.0), context)["first"].tolist() == [4, 16, 4]


def test_readers_are_added_before_they_are_squared():
    context = Batches(ones(1.0), task=Losses(total))
    assert scores(Added([1.0, 2.0], 1.0, 2.0), context)["first"].tolist() == [9, 36]
    assert scores(Added([1.0, 2.0], 1.0, -1.0), context)["first"].tolist() == [0, 0]


def test_samples_are_squared_before_they_are_averaged_however_they_are_batched():
    model, task = Added([1.0, 2.0], 1.0), Losses(total)
    together = scores(model, Batches(ones(1.0, -3.0, 2.0), task=task))["first"]
    assert together.tolist() == pytest.approx([14 / 3, 4 * 14 / 3])
    apart = scores(model, Batches(ones(1.0, -3.0), ones(2.0), task=task))["first"]
    torch.testing.assert_close(apart, together)


class Masked(Residual):
    """The residual network with one mask in front of all that reads the stream, written out."""

    def forward(self, x):
        mask = self.mask[: len(x), :, None, None]
        x = F.relu(self.stem(x))
        y = F.relu(self.norm(self.outer(F.relu(self.inner(x * mask)))) + x)
        return [self.head(y * mask), self.auxiliary(F.relu(self.auxiliary_inner(x * mask)))]


def test_it_is_the_gradient_of_one_mask_in_front_of_all_readers():
    model, batch = randomize(Residual()).double(), noise(3, dtype=torch.float64)
    masked = Masked().double().train()
    masked.load_state_dict(model.state_dict())
    masked.mask = torch.ones(3, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(FakeTask().loss(masked, batch), masked.mask)
    expected = (3 * gradient).square().mean(0)
    torch.testing.assert_close(scores(model, Batches(batch))["stem"], expected)


def of_gates(model, batch, makers):
    """The same scores by gates behind the layers that make the channels, or behind what normalises them."""
    network, context = copy.deepcopy(model).train(), Batches(batch)
    with gated(network, {path for paths in makers.values() for path in paths}) as gates:
        context.loss(network, batch).backward()
    found = {}
    for group in bound_to(network, context):
        slots = {slot.module: slot for slot in group.group.slots if slot.module in makers[group.name]}
        parts = [group.summed(slot, call) for path, slot in slots.items() for call in gates.gradients(path)]
        found[group.name] = (len(batch) * sum(parts)).square().mean(0)
    return found


MAKERS = {
    Chain: {"first": ["norm"], "second": ["second_norm"]},
    Residual: {"stem": ["stem", "norm"], "inner": ["inner"], "auxiliary_inner": ["auxiliary_inner"]},
    Swapped: {"first": ["norm"], "second": ["second"]},
}


@pytest.mark.parametrize("network", MAKERS)
def test_gates_behind_makers_are_worth_the_same_where_all_between_scales_with_its_input(network):
    model, batch = randomize(network()).double(), noise(3, dtype=torch.float64)
    found, gates = scores(model, Batches(batch)), of_gates(model, batch, MAKERS[network])
    assert found.keys() == gates.keys()
    for name, values in found.items():
        assert float(values.max()) > 1e-9
        torch.testing.assert_close(values, gates[name], rtol=1e-6, atol=1e-12 * float(values.max()))


def test_behind_other_activations_they_are_not_so_that_masks_stand_in_front_of_readers():
    model = nn.Sequential(conv(3, 6), nn.GELU(), conv(6, 2)).double()
    batch = noise(3, dtype=torch.float64)
    found = scores(model, Batches(batch))["0"]
    assert not torch.allclose(found, of_gates(model, batch, {"0": ["0"]})["0"], rtol=0.05)
    masks = torch.ones(3, 6, dtype=torch.float64, requires_grad=True)
    loss = model[2](model[1](model[0](batch)) * masks[:, :, None, None]).square().mean()
    expected = (3 * torch.autograd.grad(loss, masks)[0]).square().mean(0)
    torch.testing.assert_close(found, expected.detach())


def test_a_scaled_loss_changes_no_ranking():
    class Scaled(FakeTask):
        def loss(self, model, batch):
            return 3 * super().loss(model, batch)

    model = randomize(Concatenation())
    once, thrice = scores(model), scores(model, Batches(noise(3), noise(2, 1), task=Scaled()))
    for name, values in once.items():
        torch.testing.assert_close(thrice[name], 9 * values, rtol=1e-3, atol=1e-12)


def test_permuted_channels_have_permuted_scores():
    model = randomize(Chain())
    permuted, order = copy.deepcopy(model), torch.tensor([5, 2, 7, 0, 6, 1, 3, 4])
    with torch.no_grad():
        permuted.first.weight.copy_(model.first.weight[order])
        permuted.second.weight.copy_(model.second.weight[:, order])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(permuted.norm, name).copy_(getattr(model.norm, name)[order])
    plain, moved = scores(model), scores(permuted)
    torch.testing.assert_close(moved["first"], plain["first"][order], rtol=1e-3, atol=1e-12)
    torch.testing.assert_close(moved["second"], plain["second"], rtol=1e-3, atol=1e-12)


class Windows(nn.Module):
    """Linear layers run on windows, which become rows, image by image."""

    def __init__(self, rows):
        super().__init__()
        self.rows, self.hidden, self.out = rows, nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x):
        windows = x.flatten(2).mT.reshape(self.rows(len(x)), -1, 3)
        return self.out(F.relu(self.hidden(windows))).reshape(len(x), -1)


def test_windows_are_added_by_image():
    split, whole = Windows(lambda images: 4 * images), Windows(lambda images: images)
    whole.load_state_dict(split.state_dict())
    torch.testing.assert_close(scores(split)["hidden"], scores(whole)["hidden"], rtol=1e-4, atol=1e-12)


def test_rows_that_cannot_be_told_apart_are_refused():
    model = Windows(lambda images: 4 if images > 1 else 1)
    with pytest.raises(UnsupportedOperationError, match="`out` runs on 4 rows of 3 images"):
        scores(model, Batches(noise(3)))


def test_what_a_channel_saves_is_exact():
    costs = CostModel(
        (CostTerm(10, (Width(0, (("a", 1),)), Width(2, (("b", 1),)))), CostTerm(3, (Width(0, (("b", 2),)),)))
    )
    sizes = {"a": 4, "b": 5, "free": 3}
    assert costs.count(sizes) == 10 * 4 * 7 + 3 * 10
    assert channel_savings(costs, sizes) == {"a": 10 * 7, "b": 10 * 4 + 3 * 2, "free": 1}


def test_memory_is_that_of_all_layers_that_make_the_channel():
    model = randomize(Residual())
    plain, per_element = scores(model), scores(model, per_saving="memory")
    elements = {name: (plain[name] / values)[0].item() for name, values in per_element.items()}
    # `stem` and `outer` make the stream; 3 images of 16 x 16.
    assert elements == pytest.approx({"stem": 2 * 768, "inner": 768, "auxiliary_inner": 768})


class Two(nn.Module):
    """A layer of many pixels and one of few."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = conv(3, 8), conv(8, 8, 1)
        self.head = conv(8, 2, 1)

    def forward(self, x):
        return self.head(F.relu(self.coarse(F.avg_pool2d(F.relu(self.fine(x)), 4))))


@pytest.mark.parametrize(("per_saving", "expected"), [("none", (8, 1)), ("macs", (1, 8)), ("memory", (1, 8))])
def test_channels_go_where_they_save_most_for_their_score(per_saving, expected):
    model, context = Two(), Batches(noise(2))
    method = GroupFisher(options=GroupFisherOptions(per_saving=per_saving))
    state = method.prepare(model, context)
    # MACs of a channel: 27 * 256 + 8 * 16 of `fine`, 8 * 16 + 2 * 16 of `coarse`; elements: 512 and 32.
    fisher = {"fine": 8.0 + torch.arange(8.0), "coarse": 1.0 + torch.arange(8.0) / 10}
    elements = {"fine": 512.0, "coarse": 32.0}
    stored = {
        SCORES + name: values / (elements[name] if per_saving == "memory" else 1) for name, values in fisher.items()
    }
    state.tensors.update(stored)
    before = {name: values.clone() for name, values in state.tensors.items()}
    result = method.compress(model, 7 / 16, state, context)
    assert (model.fine.out_channels, model.coarse.out_channels) == expected
    assert all(torch.equal(state.tensors[name], values) for name, values in before.items())
    assert {check.verdict for check in result.checks} == {"pass"}


def test_the_model_is_left_as_it_was_and_scores_repeat():
    model = randomize(Residual()).eval()
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    first = scores(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks or module.training for module in model.modules())
    again = scores(model)
    assert all(torch.equal(values, again[name]) for name, values in first.items())


def test_a_loss_that_is_not_finite_is_no_score():
    with pytest.raises(NonFiniteLossError, match="nan"):
        scores(Chain(), Batches(noise(2), task=Losses(lambda output: output.sum(1) * float("nan"))))


def test_a_loss_without_gradients_is_refused():
    with pytest.raises(UnsupportedOperationError, match="hangs on no channel"):
        scores(Chain(), Batches(noise(2), task=Losses(lambda output: output.detach().sum(1))))


def test_a_group_that_the_loss_does_not_hang_on_has_zeros():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.used_head = conv(3, 4), conv(4, 2)
            self.idle, self.idle_head = conv(3, 5), conv(5, 2)

        def forward(self, x):
            return [self.used_head(self.used(x)), self.idle_head(self.idle(x))]

    found = scores(Other(), Batches(noise(2), task=Losses(half_square)))
    assert found["idle"].tolist() == [0] * 5
    assert bool((found["used"] > 0).all())
