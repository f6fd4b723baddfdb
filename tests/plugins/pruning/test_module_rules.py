"""Rules of modules, of ours and of third parties."""

import sys
import types
from importlib.metadata import EntryPoint

import pytest
import torch
from pruning_fakes import FakeTask, conv
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.rules import modules
from bench_pruning.channels.rules.modules import ModuleRule
from bench_pruning.channels.tracing import trace

IMAGES = torch.randn(1, 3, 16, 16)


class Hidden(nn.Module):
    """Computes outside torch, as a compiled extension does: dispatch sees a new tensor and no more."""

    def forward(self, x):
        result = x.new_empty(x.shape)
        result.numpy()[...] = x.detach().numpy() * 2
        return result


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.hidden, self.second, self.head = conv(3, 8), Hidden(), conv(8, 6), conv(6, 2)

    def forward(self, x):
        return self.head(F.relu(self.second(self.hidden(self.first(x)))))


@pytest.fixture(autouse=True)
def fresh_rules():
    modules.installed_rules.cache_clear()
    yield
    modules.installed_rules.cache_clear()


def install(monkeypatch, rules):
    module = types.ModuleType("third_party_rules")
    module.RULES = rules
    monkeypatch.setitem(sys.modules, "third_party_rules", module)
    point = EntryPoint("third", "third_party_rules:RULES", modules.RULES)
    monkeypatch.setattr(modules, "entry_points", lambda group: [point] if group == modules.RULES else [])


def prunable():
    return {group.name: group for group in trace(Network(), FakeTask(), IMAGES).prunable}


def test_what_a_hidden_operation_reads_stays_fixed_behind_it():
    found = prunable()
    assert "second" in found
    assert "second.weight" not in {slot.tensor for slot in found["first"].slots}


def test_a_third_partys_rule_carries_channels_through_a_hidden_operation(monkeypatch):
    def doubled(flow, visit):
        flow.carry(visit.outputs[0], 1, flow.channels(visit.inputs[0], 1))

    install(monkeypatch, {f"{Hidden.__module__}.Hidden": ModuleRule(doubled, opaque=True)})
    assert "second.weight" in {slot.tensor for slot in prunable()["first"].slots}


def test_a_subclass_has_its_bases_rule(monkeypatch):
    class Special(Hidden):
        pass

    rule = ModuleRule(lambda flow, visit: None)
    assert modules.rule_of(Special(), {f"{Hidden.__module__}.Hidden": rule}) is rule
    assert modules.rule_of(nn.ReLU(), {f"{Hidden.__module__}.Hidden": rule}) is None


@pytest.mark.parametrize("rules", [["no mapping"], {"some.Class": print}])
def test_rules_of_another_form_are_left_out_with_a_note(monkeypatch, rules):
    install(monkeypatch, rules)
    found = trace(Network(), FakeTask(), IMAGES)
    assert found.prunable
    (note,) = found.notes
    assert note.startswith("channel rules `third` (third_party_rules:RULES) are not used: they are no mapping")


def test_rules_that_do_not_load_are_left_out_with_a_note(monkeypatch):
    point = EntryPoint("third", "third_party_rules_that_are_not_there:RULES", modules.RULES)
    monkeypatch.setattr(modules, "entry_points", lambda group: [point])
    (note,) = trace(Network(), FakeTask(), IMAGES).notes
    assert "`third`" in note
    assert "ModuleNotFoundError" in note
