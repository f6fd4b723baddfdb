"""64 bits beside tensors of 32 bits that a network makes itself."""

import pytest
import torch
from pruning_fakes import FakeTask, conv
from torch import nn

from bench_pruning.channels import surgery
from bench_pruning.channels.precision import Promoted
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from bench_pruning.channels.verification import verify

IMAGES = torch.randn(1, 3, 8, 8)


class Coded(nn.Module):
    """Adds a position code that it makes in 32 bits, multiplies by it, and has outputs that rounding moves far."""

    def __init__(self):
        super().__init__()
        self.first, self.code, self.second, self.head = conv(3, 8), nn.Linear(8, 8), conv(8, 6), conv(6, 2)

    def forward(self, x):
        code = self.code(torch.arange(8, dtype=torch.float32).div(8))
        features = torch.relu(self.first(x) * code.view(1, -1, 1, 1))
        return torch.frac(1e5 * self.head(torch.relu(self.second(features))))


def test_operations_get_the_precision_of_their_most_precise_argument():
    single, double = torch.ones(3), torch.ones(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="dtype"):
        torch.dot(single, double)
    with Promoted():
        assert torch.dot(single, double).dtype == torch.float64
        assert torch.cat([single, double]).dtype == torch.float64
        assert torch.dot(single, single).dtype == torch.float32
        assert single.add_(double).dtype == torch.float32, "what is written to keeps its type"
    assert torch.ones(2).add(1).dtype == torch.float32


def test_rounding_is_told_from_a_wrong_index_where_a_network_makes_tensors_of_32_bits():
    torch.manual_seed(0)
    model = Coded()
    groups = trace(model, FakeTask(), IMAGES).prunable
    kept = {group.name: list(range(group.size // 2)) for group in groups}
    pruned = surgery.pruned(model, recipe(model, groups, kept))
    check = verify(model, pruned, FakeTask(), IMAGES, groups, kept)
    assert check.verdict == "pass"
    assert "64 bits" in check.detail
    with torch.no_grad():
        pruned.second.weight[0] += 1e-3
    assert verify(model, pruned, FakeTask(), IMAGES, groups, kept).verdict == "fail"
