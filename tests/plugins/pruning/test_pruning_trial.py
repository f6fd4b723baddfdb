import threading

import numpy as np
import pytest
import torch
from pruning_fakes import Chain, FakeTask, conv, randomize
from test_module_rules import Network as Hidden
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels import trial
from bench_pruning.channels.rules import elementwise, operations
from bench_pruning.channels.trial import tried_trace
from harness.errors import TraceError, UnsupportedOperationError

IMAGES = torch.randn(1, 3, 16, 16)
BATCH = torch.randn(2, 3, 16, 16)


def tried(model, task=None):
    found = tried_trace(model, task or FakeTask(), IMAGES, BATCH)
    return {group.name for group in found.prunable}, found


class Inner(nn.Module):
    """Computes with a width that was written down once."""

    def __init__(self, width=8):
        super().__init__()
        self.project, self.width = conv(width, width), width

    def forward(self, x):
        return self.project(x).view(x.shape[0], self.width, *x.shape[2:])


class Written(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.inner, self.second, self.head = conv(3, 8), Inner(), conv(8, 6), conv(6, 2)

    def forward(self, x):
        return self.head(F.relu(self.second(self.inner(F.relu(self.first(x))))))


def test_a_width_that_code_wrote_down_pins_the_module_that_fails():
    names, found = tried(Written())
    assert names == {"first", "second"}
    (note,) = found.notes
    assert note.startswith("pinned `inner.project`: RuntimeError: shape")
    assert note.endswith("in `inner`")
    assert "the model failed in `inner` when it was tried" in dict(found.pinned)["inner.project"]


def test_a_hidden_operation_pins_what_it_reads():
    names, found = tried(Hidden())
    assert names == {"second"}
    assert len(found.notes) == 1


def test_a_wrong_order_pins_only_the_group_it_is_in(monkeypatch):
    class Flipped(Chain):
        def forward(self, x):
            x = F.relu(self.norm(self.first(x)))
            return self.classifier(F.relu(self.second_norm(self.second(x.flip(1)))))

    monkeypatch.setitem(operations.RULES, "flip", elementwise.same)
    names, found = tried(Flipped())
    assert names == {"second"}
    assert "outputs differ by" in dict(found.pinned)["first"]


def test_weights_of_zero_hide_nothing(monkeypatch):
    class Dead(Chain):
        """Its second normalisation starts with a scale of zero, as the last one of a residual block may."""

        def __init__(self):
            super().__init__()
            nn.init.zeros_(self.second_norm.weight)

        def forward(self, x):
            x = F.relu(self.norm(self.first(x))).flip(1)
            return self.classifier(F.relu(self.second_norm(self.second(x))))

    monkeypatch.setitem(operations.RULES, "flip", elementwise.same)
    assert tried(Dead())[0] == {"second"}


def test_a_training_loss_that_fails_pins_its_module():
    class Loss(Chain):
        def __init__(self):
            super().__init__()
            self.register_buffer("target", torch.ones(8, 1, 1))

    class Task(FakeTask):
        def loss(self, model, batch):
            features = model.norm(model.first(batch))
            return (features - torch.ones(8, 1, 1)).square().mean() + super().loss(model, batch)

    names, found = tried(Loss(), Task())
    assert names == {"second"}
    assert len(found.notes) == 1


def test_a_model_of_one_input_size_is_tried_at_that_size():
    class OneSize(Chain):
        def __init__(self):
            super().__init__()
            self.position = nn.Parameter(torch.randn(1, 8, 16, 16))

        def forward(self, x):
            x = F.relu(self.norm(self.first(x)) + self.position)
            return self.classifier(F.relu(self.second_norm(self.second(x))))

    names, found = tried(OneSize())
    assert names == {"first", "second"}
    assert found.notes == ()


def test_a_model_that_fails_whatever_is_pinned_is_refused(monkeypatch):
    class Fails(FakeTask):
        def predict(self, model, images):
            if model is not dense and sum(p.numel() for p in model.parameters()) < full:
                message = "not with so few parameters"
                raise ValueError(message)
            return super().predict(model, images)

    dense = Chain()
    full = sum(p.numel() for p in dense.parameters())
    monkeypatch.setattr(trial, "ATTEMPTS", 1)
    with pytest.raises(UnsupportedOperationError, match="not with so few parameters"):
        tried(dense, Fails())


def test_a_model_that_does_not_run_at_all_is_a_trace_error():
    with pytest.raises(TraceError, match="9 channels"):
        tried(nn.Sequential(conv(3, 4), conv(9, 4)))


def test_the_model_is_left_as_it_was():
    model = randomize(Written())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.random.get_rng_state()
    tried(model)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.training


class Remembering(Chain):
    """Keeps an activation, changes a buffer in every forward and makes another one up."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(1))

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        self.last = x
        self.average.lerp_(x.detach().mean().reshape(1), 0.1)
        if not hasattr(self, "made"):
            self.register_buffer("made", torch.ones(1))
        return self.classifier(F.relu(self.second_norm(self.second(x)))) + self.average


def test_what_a_forward_leaves_behind_is_not_left_on_the_model():
    model = Remembering()
    names, found = tried(model)
    assert names == {"first", "second"}
    assert found.notes == ()
    assert float(model.average) == 0
    assert not hasattr(model, "last")
    assert not hasattr(model, "made")


def test_a_model_that_refuses_random_weights_is_tried_with_its_own():
    class Careful(Chain):
        def forward(self, x):
            if self.first.weight.std() > 0.12:
                message = "these are not my weights"
                raise ValueError(message)
            return super().forward(x)

    model = Careful()
    nn.init.normal_(model.first.weight, std=0.05)
    assert tried(model)[0] == {"first", "second"}


def test_a_model_that_cannot_be_copied_is_refused_with_what_holds_it():
    model = Chain()
    model.lock = threading.Lock()
    with pytest.raises(UnsupportedOperationError, match="lock"):
        tried(model)


def test_a_scripted_part_leaves_no_hooks():
    model = Chain()
    model.second_norm = torch.jit.script(nn.ReLU())
    names, _ = tried(model)
    assert names == {"first", "second"}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in (model, model.first, model.norm))


@pytest.mark.parametrize("largest", [True, False])
def test_the_number_of_a_channel_pins_the_channels(largest):
    class Numbered(Chain):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(8, 7)
            self.out = conv(7, 2)

        def forward(self, x):
            x = self.norm(self.first(x))
            numbers = (x.max(1) if largest else x.min(1))[1]
            return self.out(self.table(numbers).permute(0, 3, 1, 2))

    found = tried_trace(Numbered(), FakeTask(), IMAGES)
    assert "numbers its channels" in dict(found.pinned)["first"]


def test_a_maximum_whose_number_nobody_reads_pins_nothing():
    class Greatest(Chain):
        def forward(self, x):
            x = self.norm(self.first(x))
            return self.classifier(F.relu(self.second(x * x.max(1, keepdim=True)[0])))

    assert tried(Greatest())[0] == {"first", "second"}


@pytest.mark.parametrize("statistic", [torch.mean, torch.amax, lambda x, *dims, **kw: F.layer_norm(x, x.shape[1:])])
def test_a_statistic_of_other_values_is_found_out_although_it_is_replayed(statistic):
    class Numbering(Chain):
        """Multiplies by the number of the channel, where no operation shows it."""

        def __init__(self):
            super().__init__()
            self.last = conv(1, 2) if statistic in (torch.mean, torch.amax) else conv(8, 2)

        def forward(self, x):
            x = self.norm(self.first(x))
            hidden = x.new_empty(x.shape)
            hidden.numpy()[...] = x.detach().numpy() * np.arange(1, x.shape[1] + 1)[:, None, None]
            return self.last(statistic(hidden, 1, keepdim=True))

    found = tried_trace(Numbering(), FakeTask(), IMAGES)
    assert "first" not in {group.name for group in found.prunable}
