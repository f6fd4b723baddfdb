"""Attention whose heads and input share one width."""

import copy
import math

import pytest
import torch
from pruning_fakes import FakeContext, FakeTask, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels import surgery
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from bench_pruning.channels.trial import tried_trace
from bench_pruning.criteria.l1 import L1
from bench_pruning.descriptors import PruningOptions

IMAGES = torch.randn(1, 3, 12, 12)


class Block(nn.Module):
    """Self-attention and attention to fewer keys, a feed-forward layer, residual sums and layer norms."""

    def __init__(self, heads=4):
        super().__init__()
        self.embed, self.fewer = conv(3, 16), nn.Conv2d(16, 16, 2, stride=2)
        self.norm, self.cross = nn.LayerNorm(16), nn.MultiheadAttention(16, heads, batch_first=True)
        self.own = nn.MultiheadAttention(16, heads, batch_first=True, bias=False)
        self.up, self.down, self.head = nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, 5)

    def forward(self, x):
        maps = self.embed(x)
        tokens, keys = (found.flatten(2).transpose(1, 2) for found in (maps, self.fewer(maps)))
        tokens = tokens + self.cross(self.norm(tokens), keys, keys)[0]
        tokens = tokens + self.own(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(tokens + self.down(F.gelu(self.up(tokens))))


def attended(module, query, key, value, kept, heads):
    """Multi-head attention written out, over the positions `kept` of every head."""
    width = module.embed_dim // heads
    index = torch.tensor([head * width + position for head in range(heads) for position in kept])
    weights = module.in_proj_weight.view(3, -1, module.embed_dim)[:, index][:, :, index]
    biases = module.in_proj_bias.view(3, -1)[:, index]
    q, k, v = (
        F.linear(tokens, weight, bias).unflatten(-1, (heads, -1)).transpose(1, 2)
        for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
    )
    scores = (q @ k.transpose(2, 3) / math.sqrt(len(kept))).softmax(-1)
    joined = (scores @ v).transpose(1, 2).flatten(2)
    return F.linear(joined, module.out_proj.weight[index][:, index], module.out_proj.bias[index])


def test_the_same_positions_go_from_every_head_and_from_the_input():
    torch.manual_seed(0)
    model = randomize(Block())
    dense = copy.deepcopy(model.cross)
    nn.init.normal_(dense.in_proj_bias)
    model.cross.load_state_dict(dense.state_dict())
    groups = trace(model, FakeTask(), IMAGES).prunable
    assert {group.name: group.size for group in groups} == {"embed": 4, "up": 24}
    kept = {"embed": [1, 2, 3], "up": list(range(24))}
    surgery.apply(model, recipe(model, groups, kept))
    assert (model.cross.embed_dim, model.cross.head_dim, model.cross.num_heads) == (12, 3, 4)
    query, key, value = torch.randn(3, 2, 7, 12)
    found = model.cross(query, key, value)[0]
    torch.testing.assert_close(found, attended(dense, query, key, value, kept["embed"], 4))


@pytest.mark.parametrize("need_weights", [False, True])
def test_checks_and_costs_hold_for_every_way_attention_is_computed(need_weights):
    class Asked(Block):
        def forward(self, x):
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            return self.head(tokens + self.cross(tokens, tokens, tokens, need_weights=need_weights)[0])

    context, method = FakeContext(size=(12, 12)), L1(options=PruningOptions())
    model = Asked()
    state = method.prepare(model, context)
    result = method.compress(model, 0.5, state, context)
    assert state.data["notes"] == []
    assert [check.verdict for check in result.checks] == ["pass", "pass"]
    assert "divides by the number of channels of a head" in result.details["mixing"]["embed"]
    assert model.cross.embed_dim == 8


def test_a_transformer_layer_of_torch_is_pruned_too():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = conv(3, 8), nn.Linear(8, 3)
            self.layer = nn.TransformerEncoderLayer(8, 2, 14, batch_first=True)

        def forward(self, x):
            return self.head(self.layer(self.embed(x).flatten(2).transpose(1, 2)))

    found = tried_trace(Encoder(), FakeTask(), IMAGES, torch.randn(2, 3, 12, 12))
    assert {group.name: group.size for group in found.prunable} == {"embed": 4, "layer.linear1": 14}
    assert found.notes == ()


def test_attention_with_widths_of_its_own_stays_whole():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.keys, self.up, self.head = conv(3, 8), conv(3, 6), nn.Linear(8, 12), nn.Linear(12, 2)
            self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)

        def forward(self, x):
            query, keys = (layer(x).flatten(2).transpose(1, 2) for layer in (self.embed, self.keys))
            return self.head(F.relu(self.up(self.attention(query, keys, keys)[0])))

    found = trace(Wide(), FakeTask(), IMAGES)
    assert [group.name for group in found.prunable] == ["up"]
    assert "MultiheadAttention `attention` has one width for its input and all its heads" in dict(found.pinned)["keys"]
