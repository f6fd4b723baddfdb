import pytest
import torch
from pruning_fakes import (
    Chain,
    Concatenation,
    FakeContext,
    FakeTask,
    Residual,
    Separable,
    Swapped,
    conv,
    randomize,
)
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.groups import ChannelGroup
from bench_pruning.channels.tracing import trace
from harness.errors import TraceError, UserError


def traced(model, size=(16, 16)):
    return trace(model, FakeTask(), FakeContext(size=size).example_images())


def groups(model):
    return {group.name: group for group in traced(model).prunable}


def slot(group, tensor):
    (found,) = [slot for slot in group.slots if slot.tensor == tensor]
    return found


def reasons(model):
    return dict(traced(model).pinned)


class Sequence(nn.Module):
    """Layers with a function between the first and the second."""

    def __init__(self, function, *, width=8, middle=None, last=None):
        super().__init__()
        self.first = conv(3, width)
        self.middle = middle or nn.Identity()
        self.second = last or conv(width, 4)
        self.head = conv(4, 2, 1)
        self.function = function

    def forward(self, x):
        return self.head(F.relu(self.second(self.function(F.relu(self.middle(self.first(x)))))))


def test_a_chain_has_one_group_a_layer_and_a_pinned_classifier():
    found = groups(Chain(width=8))
    assert {name: group.size for name, group in found.items()} == {"first": 8, "second": 10}
    assert {s.tensor: s.role for s in found["first"].slots} == {
        "first.weight": "producer",
        "norm.weight": "norm",
        "norm.bias": "norm",
        "norm.running_mean": "norm",
        "norm.running_var": "norm",
        "second.weight": "consumer",
    }
    assert reasons(Chain()) == {"classifier": "it reaches an output of the network"}


def test_a_residual_sum_couples_its_summands_index_by_index():
    found = groups(Residual())
    assert found["stem"].layers == ("stem", "outer")
    for tensor in ("stem.weight", "outer.weight", "head.weight", "auxiliary_inner.weight"):
        assert slot(found["stem"], tensor).indices == slot(found["stem"], tensor).channels == tuple(range(8))


def test_auxiliary_heads_are_traced_and_their_outputs_stay():
    found = groups(Residual())
    assert slot(found["auxiliary_inner"], "auxiliary.weight").role == "consumer"
    assert set(reasons(Residual())) == {"head", "auxiliary"}


def test_a_concatenation_shifts_the_indices():
    found = groups(Concatenation())
    assert slot(found["left"], "reduce.weight").indices == tuple(range(6))
    assert slot(found["right"], "reduce.weight").indices == tuple(range(6, 11))
    assert slot(found["stem"], "reduce.weight").indices == tuple(range(11, 15))
    assert slot(found["right"], "norm.running_var").indices == tuple(range(6, 11))


def test_a_depthwise_convolution_follows_its_producer():
    found = groups(Separable())
    assert set(found) == {"point", "squeeze", "up"}
    assert found["point"].layers == ("point", "depth", "excite")
    assert slot(found["point"], "depth.weight").role == "depthwise"
    assert slot(found["point"], "activation.weight").role == "activation"
    assert (slot(found["point"], "up.weight").dim, slot(found["up"], "up.weight").dim) == (0, 1)


def test_a_layer_that_is_used_twice_counts_once():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.shared, self.head = conv(3, 6), conv(3, 6), conv(6, 5), conv(5, 2)

        def forward(self, x):
            return self.head(F.relu(self.shared(self.left(x))) + F.relu(self.shared(self.right(x))))

    found = groups(Shared())
    assert found["left"].layers == ("left", "right")
    assert [s.tensor for s in found["left"].slots].count("shared.weight") == 1
    assert found["shared"].size == 5


def test_a_branch_that_only_training_runs_is_seen():
    class Training(Chain):
        def __init__(self):
            super().__init__()
            self.extra = conv(8, 2)

        def forward(self, x):
            features = F.relu(self.norm(self.first(x)))
            outputs = [self.classifier(F.relu(self.second(features)))]
            return [*outputs, self.extra(features)] if self.training else outputs

    assert slot(groups(Training().eval())["first"], "extra.weight").role == "consumer"


def test_a_layer_whose_result_goes_nowhere_still_shrinks_with_its_input():
    class DeadEnd(Chain):
        def __init__(self):
            super().__init__()
            self.unused, self.never = conv(8, 3), conv(8, 3)

        def forward(self, x):
            self.unused(self.first(x))
            return super().forward(x)

    assert slot(groups(DeadEnd())["first"], "unused.weight").role == "consumer"
    assert reasons(DeadEnd())["never"] == "the forward pass does not run it"


def test_frozen_layers_are_followed():
    model = Chain()
    model.first.requires_grad_(False)
    model.eval = lambda: model.train(False).first.requires_grad_(False)
    assert set(groups(model)) == {"first", "second"}


@pytest.mark.parametrize(
    ("model", "pinned", "word"),
    [
        (Sequence(lambda x: x[:, :4], last=conv(4, 4)), "first", "Slice in the network on [1, 8, 16, 16] takes part"),
        (Sequence(lambda x: x.roll(1, 1)), "first", "Roll"),
        (Sequence(lambda x: x.softmax(1)), "first", "Softmax"),
        (Sequence(lambda x: x.cumsum(1)), "first", "Cumsum"),
        (Sequence(torch.special.erfcx), "first", "is not known to keep channels apart"),
        (Sequence(lambda x: x + torch.ones(8, 1, 1)), "first", "fixed size"),
        (Sequence(lambda x: x.split([3, 5], 1)[0], last=conv(3, 4)), "first", "unequal"),
        (Sequence(F.relu, middle=nn.utils.parametrizations.weight_norm(conv(8, 8))), "first", "fixed size"),
    ],
)
def test_what_cannot_be_followed_is_pinned_with_operation_and_shape(model, pinned, word):
    found = traced(model)
    assert word in dict(found.pinned)[pinned]
    assert pinned not in {group.name for group in found.prunable}


@pytest.mark.parametrize(
    ("model", "size", "channels_of_each"),
    [
        (Sequence(lambda x: x.flip(1)), 8, 1),
        (Sequence(lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)), last=conv(10, 4)), 8, 1),
        (Sequence(lambda x: torch.cat([torch.ones(1, 2, 16, 16), x], 1), last=conv(10, 4)), 8, 1),
        (Sequence(lambda x: x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)), 4, 2),
        (Sequence(lambda x: F.pixel_shuffle(x, 2), last=conv(2, 4)), 2, 4),
        (Sequence(F.relu, last=conv(8, 4, groups=2)), 4, 2),
        (Sequence(F.relu, middle=nn.GroupNorm(2, 8)), 4, 2),
        (Swapped(), 4, 2),
    ],
)
def test_channels_that_must_shrink_alike_are_one(model, size, channels_of_each):
    group = groups(model)["first"]
    assert group.size == size
    assert len(slot(group, "first.weight").indices) == size * channels_of_each


def test_statistics_over_channels_are_named():
    assert "normalises over channels" in groups(Sequence(F.relu, middle=nn.GroupNorm(2, 8)))["first"].mixing
    assert "statistic" in groups(Sequence(lambda x: x.mean(1, keepdim=True), last=conv(1, 4)))["first"].mixing
    assert groups(Sequence(lambda x: x.sum(1, keepdim=True), last=conv(1, 4)))["first"].mixing is None


def test_bare_parameters_buffers_and_functional_weights_shrink_too():
    class Bare(Chain):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(8, 1, 1))
            self.register_buffer("shift", torch.ones(8, 1, 1))
            self.kernel = nn.Parameter(torch.randn(10, 10, 1, 1))

        def forward(self, x):
            x = self.second(self.scale * self.norm(self.first(x)) + self.shift)
            return self.classifier(F.conv2d(x, self.kernel))

    found = groups(Bare())
    assert slot(found["first"], "scale").indices == slot(found["first"], "shift").indices == tuple(range(8))
    assert found["kernel"].layers == ("",)
    assert [s.role for s in found["kernel"].slots if s.tensor == "kernel"] == ["producer"]


def test_shared_parameters_are_pinned():
    model = Sequence(F.relu, middle=nn.Sequential(conv(8, 8), conv(8, 8)))
    model.middle[0].weight = model.middle[1].weight
    found = traced(model)
    assert "shared" in dict(found.pinned)["middle.0"]
    assert "shared" in dict(found.pinned)["first"]


def test_an_unflattened_vector_keeps_its_positions():
    class Unflatten(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.linear, self.second, self.head = (
                conv(3, 5),
                nn.Linear(5, 32),
                conv(8, 4),
                conv(4, 2),
            )

        def forward(self, x):
            x = self.linear(F.adaptive_avg_pool2d(self.stem(x), 1).flatten(1))
            return self.head(self.second(x.view(-1, 8, 2, 2)))

    assert "stem" in groups(Unflatten())
    assert "linear" not in groups(Unflatten())


def test_token_layers_between_linear_layers_are_followed():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.up, self.down, self.head = (
                conv(3, 6),
                nn.Linear(6, 12),
                nn.Linear(12, 6),
                conv(6, 2),
            )

        def forward(self, x):
            x = self.embed(x).permute(0, 2, 3, 1)
            return self.head((x + self.down(F.gelu(self.up(x)))).permute(0, 3, 1, 2))

    assert {name: group.layers for name, group in groups(Tokens()).items()} == {
        "embed": ("embed", "down"),
        "up": ("up",),
    }


def test_the_model_is_left_as_it_was():
    model = randomize(Residual())
    model.inner.weight.requires_grad_(False)
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.random.get_rng_state()
    traced(model)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert model.training
    assert not model.norm.training
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["inner.weight"]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    "write",
    [
        lambda weight: weight.data.mul_(2),
        lambda weight: weight.detach()[1:].clamp_(max=0),
        lambda weight: torch.mul(weight.data, 2, out=weight.data),
        lambda weight: torch._foreach_add_([weight.data], 1),
        lambda weight: setattr(weight, "data", torch.zeros_like(weight)),
        lambda weight: setattr(weight.mul_(2), "data", torch.zeros_like(weight)),
        lambda weight: F.batch_norm(torch.randn(4, 10), weight.data[:, 0, 0, 0], torch.ones(10), training=True),
        lambda weight: torch.eye(3).to_sparse().coalesce().mul_(2),
    ],
)
def test_weights_that_a_forward_pass_writes_to_are_put_back(write):
    class Writing(Chain):
        def forward(self, x):
            write(self.second.weight)
            return super().forward(x)

    model = randomize(Writing())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert traced(model).groups
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_failing_forward_names_the_module_and_leaves_no_hooks():
    model = nn.Sequential(conv(3, 4), nn.Sequential(conv(4, 4), conv(9, 4)), conv(4, 2)).eval()
    model[0].weight.requires_grad_(False)
    with pytest.raises(TraceError, match=r"`1\.1`.*9 channels") as caught:
        traced(model)
    assert caught.value.hint
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any(module.training for module in model.modules())
    assert not model[0].weight.requires_grad


def test_what_is_detached_is_followed():
    class Detached(Chain):
        def forward(self, x):
            return super().forward(x).detach()

    assert set(groups(Detached())) == {"first", "second"}


def test_deliberate_errors_pass_through():
    class Refusing(FakeTask):
        def forward(self, model, images):
            raise UserError("not this model")  # noqa: EM101

    with pytest.raises(UserError, match="not this model"):
        trace(Chain(), Refusing(), torch.zeros(1, 3, 8, 8))


def test_groups_survive_json():
    for group in (*traced(Concatenation()).groups, *traced(Separable()).groups):
        assert ChannelGroup.from_json(group.to_json()) == group
        assert sum(length for s in group.to_json()["slots"] for *_, length in s["runs"]) == sum(
            len(s.indices) for s in group.slots
        )


def test_parameters_that_multiply_as_matrices_make_channels_too():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = nn.Parameter(torch.randn(8, 3)), nn.ParameterList([torch.randn(8, 5)])
            self.head = nn.Linear(5, 2)

        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            return self.head(F.relu(F.relu(F.linear(tokens, self.up)) @ self.down[0]))

    found = groups(Bare())
    assert {name: group.size for name, group in found.items()} == {"up": 8, "down": 5}
    assert {s.tensor: s.role for s in found["up"].slots} == {"up": "producer", "down.0": "consumer"}


def test_each_pinned_layer_is_listed_once():
    pinned = traced(nn.Sequential(conv(3, 4), nn.ConvTranspose2d(4, 4, 2))).pinned
    assert len(pinned) == len(set(pinned))
