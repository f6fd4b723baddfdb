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
