"""The penalty on the cost of the expected network.

Source: Guo et al., DMCP (CVPR 2020), section 3.3; its released code (`log_l1`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench_pruning.channels.costs import CostModel

MILLION = 1e6
_SLACK = 0.95
_FAR = 200
_DAMPING = 0.1


def expected_cost(costs: CostModel, widths: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Returns the cost of a network of expected widths, a scalar with its graph.

    A product of widths has the product of their expectations, as in the paper, whose sum runs over all layers of the
    network here, heads included.

    Args:
        costs: What is counted: MACs, say.
        widths: E[c] of each group by its name, scalars.
    """
    total = torch.zeros((), dtype=torch.float64)
    for term in costs.terms:
        product = torch.full((), float(term.coefficient), dtype=torch.float64)
        for width in term.widths:
            parts = [many * widths[name].double().cpu() for name, many in width.groups]
            product = product * (width.fixed + sum(parts, start=torch.zeros((), dtype=torch.float64)))
        total = total + product
    return total


def cost_penalty(expected: torch.Tensor, target: float) -> torch.Tensor:
    """Returns log_l1, a scalar with its graph.

    With E and t in millions and r = 0.1 where they are more than 200 apart, else 1: `log(r |E - t|)` below 0.95 t,
    nothing between 0.95 t and t, and `log(r |E - 0.95 t|)` from t on. It jumps at t and may be negative; its gradient,
    1 / (E - t) and 1 / (E - 0.95 t), pulls as strongly in any unit.

    Args:
        expected: The cost E of the expected network.
        target: The cost t that is wanted, more than 0.
    """
    mean, wanted = expected / MILLION, target / MILLION
    at = float(mean.detach())
    damping = _DAMPING if abs(at - wanted) > _FAR else 1.0
    if at < _SLACK * wanted:
        return torch.log(damping * (mean - wanted).abs())
    if at < wanted:
        return mean * 0
    return torch.log(damping * (mean - _SLACK * wanted).abs())
