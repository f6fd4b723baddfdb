"""What messages say of a forward pass that fails: line of code, module, shapes, and what to do."""

import pytest
import torch
from pruning_fakes import FakeTask
from torch import nn

from bench_pruning.advice import NOT_THE_COPY, OWN_FAULT, WAYS_ON
from bench_pruning.channels.failing import failing_line, shapes_of, told
from bench_pruning.channels.rules import modules
from bench_pruning.channels.tracing import trace
from bench_pruning.channels.trial import tried_trace
from harness.errors import TraceError


class Cuts(nn.Module):
    def forward(self, x):
        return x.view(7, -1)


def test_the_line_is_the_models_and_not_that_of_who_watches():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Cuts())
    with pytest.raises(TraceError) as caught:
        trace(model, FakeTask(), torch.zeros(1, 3, 4, 4))
    message = caught.value.message
    assert "failed in `1` while tracing: RuntimeError: shape '[7, -1]' is invalid" in message
    assert "at `return x.view(7, -1)` (pruning/test_pruning_failures.py:" in message
    assert message.endswith("on [1, 4, 4, 4]")
    assert caught.value.hint == OWN_FAULT, "it fails without the engine, too"


def test_torchs_own_line_is_named_where_its_layer_fails():
    with pytest.raises(TraceError, match=r"`0` .*F\.conv2d\(.*conv\.py:\d+\) on \[1, 3, 4, 4\]\n"):
        trace(nn.Sequential(nn.Conv2d(5, 4, 1)), FakeTask(), torch.zeros(1, 3, 4, 4))


MISTAKE = "a rule's own mistake"


class Broken(nn.Identity):
    pass


def test_where_the_engine_is_at_fault_there_are_three_ways_on(monkeypatch):
    def fails(flow, visit):
        raise KeyError(MISTAKE)

    name = f"{Broken.__module__}.{Broken.__qualname__}"
    rules = modules.InstalledRules({**modules.OWN, name: modules.ModuleRule(fails)})
    monkeypatch.setattr(modules, "installed_rules", lambda: rules)
    with pytest.raises(TraceError, match=MISTAKE) as caught:
        trace(nn.Sequential(nn.Conv2d(3, 4, 1), Broken()), FakeTask(), torch.zeros(1, 3, 4, 4))
    assert caught.value.hint == WAYS_ON
    for way in ("--protect PATTERN", "module rule", "report it"):
        assert way in WAYS_ON


def test_shapes_of_nested_arguments():
    assert shapes_of(([torch.zeros(2, 3), {"a": torch.zeros(4)}], 5)) == "[2, 3], [4]"
    assert shapes_of(None) == ""


def test_an_error_that_was_never_raised_has_no_line():
    assert failing_line(ValueError("x")) == ""
    assert told(ValueError("one\ntwo"), torch.zeros(1)) == "ValueError: one on [1]"


def test_a_protected_module_need_not_be_followed(monkeypatch):
    def fails(flow, visit):
        raise KeyError(MISTAKE)

    name = f"{Broken.__module__}.{Broken.__qualname__}"
    rules = modules.InstalledRules({**modules.OWN, name: modules.ModuleRule(fails)})
    monkeypatch.setattr(modules, "installed_rules", lambda: rules)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(Broken()), nn.Conv2d(4, 6, 1), nn.Conv2d(6, 2, 1))
    found = tried_trace(model, FakeTask(), torch.zeros(1, 3, 4, 4), protect=["1"])
    assert [group.name for group in found.prunable] == ["2"]
    assert "is protected, and cannot be followed" in dict(found.pinned)["0"]


def test_a_model_of_which_a_copy_does_not_run_is_told_so():
    class Hooked(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.seen = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), []
            self.first.register_forward_hook(lambda module, args, output: seen.append(output))

        def forward(self, x):
            self.first(x)
            return self.second(seen[-1 if self is original[0] else 99])

    seen, original = [], []
    model = Hooked()
    original.append(model)
    with pytest.raises(TraceError, match="IndexError") as caught:
        trace(model, FakeTask(), torch.zeros(1, 3, 4, 4))
    assert caught.value.hint == NOT_THE_COPY
