import pytest
import torch
from pruning_fakes import FakeTask, Residual, conv
from torch import nn

from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.channels.tracing import trace
from bench_pruning.descriptors import PruningOptions
from bench_pruning.protection import protected_groups
from harness.errors import UserError
from harness.spec.pipeline import parse_pipeline


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({f"layer{i}": nn.ModuleDict({"conv1": conv(3, 4)}) for i in (1, 2, 10)})
        self.head = nn.Sequential(conv(4, 5), conv(5, 2))
        self.alias = self.head


def producer(path):
    return ParameterSlot(module=path, parameter="weight", dim=0, role="producer", indices=(0,), channels=(0,))


def groups():
    paths = ["backbone.layer1.conv1", "backbone.layer2.conv1", "backbone.layer10.conv1", "head.0"]
    found = [ChannelGroup(name=path, size=1, slots=(producer(path),)) for path in paths]
    consumer = ParameterSlot(module="head.1", parameter="weight", dim=1, role="consumer", indices=(0,), channels=(0,))
    return [*found[:3], ChannelGroup(name="head.0", size=1, slots=(producer("head.0"), consumer))]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        (["backbone"], ["backbone.layer1.conv1", "backbone.layer2.conv1", "backbone.layer10.conv1"]),
        (["backbone.layer1"], ["backbone.layer1.conv1"]),
        (["backbone.layer2.*"], ["backbone.layer2.conv1"]),
        (["backbone.layer?"], ["backbone.layer1.conv1", "backbone.layer2.conv1"]),
        (["*.layer[12]", "head.0"], ["backbone.layer1.conv1", "backbone.layer2.conv1", "head.0"]),
        (["*.conv1"], ["backbone.layer1.conv1", "backbone.layer2.conv1", "backbone.layer10.conv1"]),
        (["alias.0"], ["head.0"]),
        (["head.1"], []),
    ],
)
def test_a_pattern_protects_what_it_matches_and_all_below(patterns, expected):
    assert protected_groups(Nested(), groups(), patterns) == set(expected)


def test_any_producing_layer_protects_its_group():
    model = Residual()
    found = trace(model, FakeTask(), torch.zeros(1, 3, 16, 16)).prunable
    assert protected_groups(model, found, ["outer"]) == {"stem"}


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [("backbone.layr2.*", "'backbone.layer2'"), ("heads", "'head'"), ("Head", "'head'"), ("conv1", "consists of")],
)
def test_a_pattern_without_a_match_is_the_users_mistake(pattern, meant):
    with pytest.raises(UserError) as raised:
        protected_groups(Nested(), groups(), ["head", pattern])
    assert f"protect: no layer of Nested matches '{pattern}'" in raised.value.message
    assert meant in raised.value.hint
    assert "backbone, head, alias" in raised.value.hint


@pytest.mark.parametrize("patterns", [["*"], ["backbone", "head"]])
def test_something_must_be_left_to_prune(patterns):
    with pytest.raises(UserError, match="leaves no layer of Nested to prune"):
        protected_groups(Nested(), groups(), patterns)


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("l1@0.5(protect=backbone.layer4.*,decode_head;round_to=8)", ("backbone.layer4.*", "decode_head")),
        ("l1@0.5(protect=backbone.layer[34])", ("backbone.layer[34]",)),
        ("l1@0.5(protect=*.0,)", ("*.0",)),
        ('l1@0.5(protect="0","a b")', ("0", "a b")),
        ("l1@0.5(protect=,)", ()),
    ],
)
def test_patterns_need_no_quotes_in_a_pipeline(text, patterns):
    call = parse_pipeline(text).steps[0].calls[0]
    assert PruningOptions(**call.options).protect == patterns
    assert str(parse_pipeline(text)) == text
