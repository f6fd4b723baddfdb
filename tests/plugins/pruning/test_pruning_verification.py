import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeTask, Residual, Separable, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels import surgery
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from bench_pruning.channels.verification import mask, verify

IMAGES = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def pruned(model, keep=lambda group: list(range(0, group.size, 2)), groups=None):
    """Returns the dense model, the pruned one, its groups and kept channels."""
    found = groups or trace(model, FakeTask(), IMAGES).prunable
    kept = {group.name: keep(group) for group in found}
    smaller = copy.deepcopy(model)
    surgery.apply(smaller, recipe(model, found, kept))
    return model, smaller, found, kept


def check(dense, smaller, found, kept):
    return verify(dense, smaller, FakeTask(), IMAGES, found, kept)


def output(model):
    with torch.no_grad():
        return FakeTask().forward(model.eval(), IMAGES)[0]


@pytest.mark.parametrize("network", [Chain, Residual, Concatenation, Separable])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_masked_dense_model_equals_the_pruned_one(network, seed):
    torch.manual_seed(seed)
    result = check(*pruned(randomize(network(), seed)))
    assert (result.name, result.verdict) == ("masked_equals_physical", "pass")
    assert result.value is not None
    assert result.value < 1e-5


def test_zeroing_filters_alone_would_leak_through_the_normalisations_shift():
    dense, smaller, found, kept = pruned(randomize(Chain()))
    naive = copy.deepcopy(dense)
    with torch.no_grad():
        naive.first.weight[1::2] = 0
        naive.second.weight[1::2] = 0
        naive.second.bias[1::2] = 0
    assert (output(naive) - output(smaller)).abs().max() > 1e-2
    masked = copy.deepcopy(dense)
    mask(masked, found, kept)
    torch.testing.assert_close(output(masked), output(smaller))


def test_removing_channels_that_nobody_reads_changes_nothing():
    model = randomize(Residual())
    with torch.no_grad():
        for consumer in (model.inner, model.auxiliary_inner, model.head):
            consumer.weight[:, [1, 6]] = 0
        model.outer.weight[:, 3] = 0
    gone = {"stem": {1, 6}, "inner": {3}}
    dense, smaller, _, _ = pruned(
        model, lambda group: [c for c in range(group.size) if c not in gone.get(group.name, ())]
    )
    assert smaller.stem.out_channels == 6
    torch.testing.assert_close(output(dense), output(smaller))


def test_keeping_everything_is_not_applicable():
    result = check(*pruned(Chain(), lambda group: list(range(group.size))))
    assert (result.verdict, result.detail) == ("not_applicable", "no channel was removed")


class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = conv(3, 8), nn.LayerNorm(8)
        self.second, self.third, self.head = conv(8, 6), conv(6, 6), conv(6, 2)

    def forward(self, x):
        x = self.norm(self.first(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.head(F.relu(self.third(F.relu(self.second(x)))))


def test_a_mixing_norm_over_pruned_channels_takes_the_masked_models_statistics():
    result = check(*pruned(randomize(Normalized())))
    assert result.verdict == "pass"
    assert result.detail.startswith("1 statistics over pruned channels")


class Pooled(nn.Module):
    """Statistics of every kind over the channels that are pruned."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.query, self.head = conv(3, 8), nn.GroupNorm(2, 8), conv(8, 8), conv(8, 2)

    def forward(self, x):
        x = self.norm(self.first(x))
        x = x * (x.mean(1, keepdim=True) + x.amax(1, keepdim=True) + x.std(1, keepdim=True)).sigmoid()
        tokens = self.query(x).flatten(2).transpose(1, 2)[:, None]
        mixed = F.scaled_dot_product_attention(tokens, tokens, tokens)[:, 0]
        return self.head(mixed.transpose(1, 2).unflatten(2, x.shape[2:]))


def test_means_maxima_group_norms_and_attention_scales_are_replayed_too():
    result = check(*pruned(randomize(Pooled())))
    assert (result.verdict, result.detail[:2]) == ("pass", "5 ")


def test_a_wrong_weight_behind_a_mixing_norm_fails():
    dense, smaller, found, kept = pruned(randomize(Normalized()))
    with torch.no_grad():
        smaller.norm.weight.copy_(smaller.norm.weight.flip(0))
    assert check(dense, smaller, found, kept).verdict == "fail"


def test_a_mixing_norm_elsewhere_does_not_excuse_the_check():
    keep = {"first": range(8), "second": range(3), "third": range(6)}
    assert check(*pruned(Normalized(), lambda group: list(keep[group.name]))).verdict == "pass"


def test_a_wrong_weight_fails():
    dense, smaller, found, kept = pruned(randomize(Chain()))
    with torch.no_grad():
        smaller.second.weight.copy_(smaller.second.weight.flip(1))
    result = check(dense, smaller, found, kept)
    assert result.verdict == "fail"
    assert result.value > 1e-3
    assert "differ" in result.detail


def test_a_result_that_is_not_a_number_fails():
    dense, smaller, found, kept = pruned(Chain())
    smaller.classifier.bias.data.fill_(float("nan"))
    assert check(dense, smaller, found, kept).verdict == "fail"


def test_a_changed_number_of_classes_fails():
    dense, smaller, found, kept = pruned(Chain())
    smaller.classifier = conv(5, 3, 1)
    result = check(dense, smaller, found, kept)
    assert result.verdict == "fail"
    assert "(1, 4, 16, 16)" in result.detail


def test_a_model_that_no_longer_runs_fails_with_the_error():
    dense, smaller, found, kept = pruned(Chain())
    smaller.second = conv(9, 5)
    result = check(dense, smaller, found, kept)
    assert result.verdict == "fail"
    assert "does not run" in result.detail


class SwappedPair(nn.Module):
    """Two branches that a concatenation takes in the other order than they are made."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.reduce, self.head = conv(3, 4), conv(3, 4), conv(8, 6), conv(6, 2, 1)

    def forward(self, x):
        left, right = F.relu(self.left(x)), F.relu(self.right(x))
        return self.head(F.relu(self.reduce(torch.cat([right, left], dim=1))))


def slot(module, role, dim, indices):
    return ParameterSlot(
        module=module, parameter="weight", dim=dim, role=role, indices=tuple(indices), channels=(0, 1, 2, 3)
    )


def test_a_swapped_concatenation_is_traced_right():
    assert check(*pruned(SwappedPair(), lambda group: list(range(group.size // 2)))).verdict == "pass"


def test_groups_with_swapped_offsets_fail():
    def groups(left_columns, right_columns):
        branches = {"left": left_columns, "right": right_columns}
        return [
            ChannelGroup(
                name=name,
                size=4,
                slots=(
                    slot(name, "producer", 0, range(4)),
                    ParameterSlot(
                        module=name,
                        parameter="bias",
                        dim=0,
                        role="producer",
                        indices=(0, 1, 2, 3),
                        channels=(0, 1, 2, 3),
                    ),
                    slot("reduce", "consumer", 1, columns),
                ),
            )
            for name, columns in branches.items()
        ]

    kept = {"left": [0], "right": [0, 2, 3]}
    right_order = groups(range(4, 8), range(4))
    assert check(*pruned(SwappedPair(), lambda g: kept[g.name], right_order)).verdict == "pass"
    guessed_order = groups(range(4), range(4, 8))
    assert check(*pruned(SwappedPair(), lambda g: kept[g.name], guessed_order)).verdict == "fail"


def test_the_models_are_left_as_they_were():
    dense, smaller, found, kept = pruned(randomize(Chain()))
    states = [copy.deepcopy(model.state_dict()) for model in (dense, smaller)]
    check(dense, smaller, found, kept)
    for model, state in zip((dense, smaller), states, strict=True):
        assert model.training
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
