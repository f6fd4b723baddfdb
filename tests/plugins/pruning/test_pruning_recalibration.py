import copy
import random

import numpy as np
import pytest
import torch
from pruning_fakes import Chain, FakeContext, FakeTask, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels import surgery
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from bench_pruning.recalibration import recalibrate


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Batches(FakeContext):
    """Batches of two images each, the last one shorter; no two images have the same brightness."""

    def __init__(self, task=None, batch_size=2):
        super().__init__(task, size=(12, 12))
        self.batch_size = batch_size

    def calibration_batches(self, samples=None):
        images = self.example_images(samples) + torch.arange(samples).view(-1, 1, 1, 1)
        yield from images.split(self.batch_size)


def averaged(collected):
    """Mean and unbiased variance of [N, C, H, W] per batch, then averaged over batches of equal weight."""
    rows = [values.double().transpose(0, 1).flatten(1) for values in collected]
    means = torch.stack([row.mean(1) for row in rows])
    variances = torch.stack([((row - row.mean(1, keepdim=True)) ** 2).sum(1) / (row.shape[1] - 1) for row in rows])
    return means.mean(0).float(), variances.mean(0).float()


def normalized(values, norm):
    """Batch normalisation by the batch's own statistics, written out."""
    mean = values.mean((0, 2, 3), keepdim=True)
    variance = ((values - mean) ** 2).mean((0, 2, 3), keepdim=True)
    return (values - mean) / (variance + norm.eps).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)


def assert_statistics(norm, collected):
    mean, variance = averaged(collected)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=1e-5)
    assert norm.num_batches_tracked == len(collected)


def test_statistics_are_the_mean_over_batches_of_what_each_layer_sees():
    model, context = randomize(Chain()), Batches()
    first, second = [], []
    with torch.no_grad():
        for batch in context.calibration_batches(5):
            first.append(model.first(batch))
            second.append(model.second(F.relu(normalized(first[-1], model.norm))))
    assert recalibrate(model, context, samples=5) == 5
    assert [len(values) for values in first] == [2, 2, 1]
    assert_statistics(model.norm, first)
    assert_statistics(model.second_norm, second)
    assert context.reports[-1][:2] == (5, 5)


def test_a_pruned_model_gets_the_statistics_of_its_own_values():
    model, context = randomize(Chain()), Batches()
    recalibrate(model, context, samples=4)
    groups = trace(model, FakeTask(), context.example_images()).prunable
    surgery.apply(model, recipe(model, groups, {group.name: list(range(0, group.size, 2)) for group in groups}))
    stale = model.second_norm.running_mean.clone()
    with torch.no_grad():
        batches = context.calibration_batches(4)
        seen = [model.second(F.relu(normalized(model.first(batch), model.norm))) for batch in batches]
    recalibrate(model, context, samples=4)
    assert_statistics(model.second_norm, seen)
    assert (model.second_norm.running_mean - stale).abs().max() > 0.05


def test_all_else_stays_as_it_was():
    class Counting(nn.Module):
        """Notes its calls in a buffer of its own and replaces another."""

        def __init__(self):
            super().__init__()
            self.body = Chain()
            self.instance = nn.InstanceNorm2d(4, track_running_stats=True)
            self.register_buffer("calls", torch.zeros(1))
            self.register_buffer("last", torch.zeros(1))

        def forward(self, x):
            self.calls += 1
            self.last = x.mean()
            return self.instance(self.body(x))

    model = randomize(Counting()).train()
    model.body.norm.eval()
    model.body.norm.momentum, model.body.second_norm.momentum = 0.3, None
    model.body.first.weight.requires_grad_(False)
    before = copy.deepcopy(model)
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    expected = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    recalibrate(model, Batches(), samples=4)
    assert random.getstate() == expected[0]
    assert np.random.get_state()[1].tolist() == expected[1]
    assert torch.equal(torch.get_rng_state(), expected[2])
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    parts = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {f"body.{norm}.{part}" for norm in ("norm", "second_norm") for part in parts}
    assert [module.training for module in model.modules()] == [module.training for module in before.modules()]
    assert (model.body.norm.momentum, model.body.second_norm.momentum) == (0.3, None)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [p.requires_grad for p in model.parameters()] == [p.requires_grad for p in before.parameters()]
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_frozen_layers_are_estimated_as_well():
    class Frozen(Chain):
        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    model, context = randomize(Frozen()).train(), Batches()
    with torch.no_grad():
        seen = [model.first(batch) for batch in context.calibration_batches(4)]
    recalibrate(model, context, samples=4)
    assert_statistics(model.norm, seen)
    assert not model.norm.training


class Pooled(nn.Module):
    """A branch of single pixels, one that nobody runs and one that only training runs."""

    def __init__(self):
        super().__init__()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.local = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.unused = nn.BatchNorm2d(4)
        self.auxiliary = nn.BatchNorm2d(4)

    def forward(self, x):
        result = self.local(x) + self.pool(x)
        return [result, self.auxiliary(result)] if self.training else result


def test_what_no_batch_reaches_keeps_its_statistics():
    model = randomize(Pooled()).eval()
    before = copy.deepcopy(model)
    recalibrate(model, Batches(batch_size=1), samples=3)
    for norm, old in ((model.unused, before.unused), (model.pool[2], before.pool[2])):
        assert torch.equal(norm.running_mean, old.running_mean)
        assert torch.equal(norm.running_var, old.running_var)
        assert norm.num_batches_tracked == old.num_batches_tracked == 0
    assert model.local[1].num_batches_tracked == model.auxiliary.num_batches_tracked == 3


def test_single_values_pass_with_the_statistics_at_hand_and_are_not_counted():
    model, context = randomize(Pooled()), Batches()
    old = copy.deepcopy(model)
    with torch.no_grad():
        pooled = [model.pool[:2](batch) for batch in context.calibration_batches(5)]
    recalibrate(model, context, samples=5)
    assert_statistics(model.pool[2], pooled[:2])
    alone = copy.deepcopy(old)
    with torch.no_grad():
        images = next(Batches(batch_size=1).calibration_batches(1))
        expected = normalized(old.local[0](images), old.local[1]) + old.eval().pool(images)
    recalibrate(alone, Batches(batch_size=1), samples=1)
    assert_statistics(alone.auxiliary, [expected])


def test_dropout_and_stochastic_depth_are_off():
    class Dropping(nn.Module):
        def forward(self, x):
            return x * torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.5)) if self.training else x

    class Stochastic(Chain):
        def __init__(self):
            super().__init__()
            self.depth, self.dropout = Dropping(), nn.Dropout(0.5)

        def forward(self, x):
            return super().forward(self.dropout(self.depth(x)))

    model, context = randomize(Stochastic()), Batches()
    with torch.no_grad():
        seen = [model.first(batch) for batch in context.calibration_batches(4)]
    recalibrate(model, context, samples=4)
    assert_statistics(model.norm, seen)


def test_attention_drops_nothing():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(3, 1, dropout=0.9, batch_first=True)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            return self.norm(self.attention(tokens, tokens, tokens)[0].transpose(1, 2).view_as(x))

    model, context = Attending(), Batches()
    seen = []
    with torch.no_grad():
        for batch in context.calibration_batches(2):
            tokens = batch.flatten(2).transpose(1, 2)
            seen.append(copy.deepcopy(model).eval().attention(tokens, tokens, tokens)[0].transpose(1, 2).view_as(batch))
    recalibrate(model, context, samples=2)
    assert_statistics(model.norm, seen)


def test_the_result_does_not_depend_on_the_random_state():
    class Sampling(FakeTask):
        """Samples pixels, as a detector does proposals."""

        def loss(self, model, batch):
            scale = float(torch.rand(())) + random.random() + float(np.random.rand())
            return super().loss(model, batch * scale)

    results = []
    for seed in (0, 1):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        model = randomize(Chain().requires_grad_(False), seed=0)
        model.first.weight.fill_(0.1)
        recalibrate(model, Batches(Sampling()), samples=2)
        results.append(model.norm.running_mean)
    assert torch.equal(*results)


def test_a_batch_that_fails_leaves_the_model_as_it_was():
    class Failing(Batches):
        def calibration_batches(self, samples=None):
            yield from super().calibration_batches(samples)
            yield torch.zeros(1, 2, 4, 4)

    model = randomize(Chain())
    before = copy.deepcopy(model)
    with pytest.raises(RuntimeError, match="channels"):
        recalibrate(model, Failing(), samples=2)
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in model.state_dict().items())
    assert model.norm.momentum == before.norm.momentum
    assert not model.norm._forward_pre_hooks


def test_a_model_without_statistics_reads_no_images():
    class Closed(Batches):
        def calibration_batches(self, samples=None):
            raise AssertionError

    untracked = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))
    assert recalibrate(untracked, Closed(), samples=2) == 0


def test_batches_of_a_loader_are_counted_by_their_inputs():
    class Loaded(Batches):
        def calibration_batches(self, samples=None):
            for images in super().calibration_batches(samples):
                yield {"inputs": list(images), "data_samples": [None] * len(images)}

        def loss(self, model, batch):
            return super().loss(model, torch.stack(batch["inputs"]))

    assert recalibrate(Chain(), Loaded(), samples=5) == 5
