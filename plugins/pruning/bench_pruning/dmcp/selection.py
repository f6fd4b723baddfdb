"""From chains to a network: its expected widths, or widths that are drawn.

Source: Guo et al., DMCP (CVPR 2020), section 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench_pruning.allocation import Allocation
from bench_pruning.dmcp.chain import Chain, Probability, wider
from bench_pruning.limits import rounded
from bench_pruning.targets import is_missed, wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench_pruning.demand import Demand
    from bench_pruning.descriptors import SurgeryOptions

DRAWS = 2000
"""Networks that are drawn at most."""

_FARTHEST = 64.0
_HALVINGS = 60

Widths = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found.

    Attributes:
        chains: By name of a group; groups without one keep all channels.
        alpha: Their parameters, [K] in 64 bits.
        form: How these stand for probabilities.
        options: Limits and rounding of widths.
        demand: What the target is about.
    """

    chains: Mapping[str, Chain]
    alpha: Mapping[str, torch.Tensor]
    form: Probability
    options: SurgeryOptions
    demand: Demand

    def moved(self, shift: float) -> Found:
        """Returns wider networks, or narrower ones for a negative shift."""
        return replace(self, alpha={name: wider(alpha, shift, self.form) for name, alpha in self.alpha.items()})

    def means(self) -> dict[str, float]:
        """Returns E[c] of each chain."""
        parts = ((name, chain.expected_width(self.alpha[name], self.form)) for name, chain in self.chains.items())
        return {name: float(mean) for name, mean in parts}

    def widths(self) -> Widths:
        """Returns the whole number nearest to E[c] for all groups, halves up, within the limits."""
        return self.allowed({name: int(np.floor(mean + 0.5)) for name, mean in self.means().items()})

    def allowed(self, widths: Mapping[str, int]) -> Widths:
        """Returns widths of all groups, rounded and limited as the options say."""
        sizes = self.demand.sizes
        chosen = {name: min(width, sizes[name]) for name, width in widths.items()}
        limited = {name: int(rounded(np.array(width), sizes[name], self.options)) for name, width in chosen.items()}
        return {name: limited.get(name, size) for name, size in sizes.items()}

    def cost(self, widths: Widths) -> int:
        """Returns what the target counts, of a network of these widths."""
        return self.demand.costs[self.demand.of].count(widths)


def fitted(found: Found, ratio: float) -> float:
    """Returns by how much to move all chains so that the network of expected widths costs what is wanted.

    The smallest shift, up to rounding of floats, at which it costs that or more; the cost never falls with the shift.

    Args:
        found: What the search found.
        ratio: Fraction of the cost that is to go.
    """
    target = wanted(found.demand.dense, ratio)
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if found.cost(found.moved(middle).widths()) >= target else (middle, high)
    return high


def expected_network(found: Found, ratio: float, *, exactly: bool) -> Allocation:
    """Returns the network of expected widths.

    Args:
        found: What the search found.
        ratio: Fraction of the cost that was to go.
        exactly: Whether, of layers whose width has just been rounded up, those with the smallest means lose a channel
            again, as many as bring the cost nearest to what is wanted; several layers may reach a whole number at once.
    """
    widths = found.widths()
    if exactly:
        widths = _nearest(found, widths, ratio)
    details = {"sampling": "expected", "means": {name: round(mean, 3) for name, mean in found.means().items()}}
    return _allocation(found, widths, ratio, details)


def drawn_network(found: Found, ratio: float, generator: torch.Generator) -> Allocation:
    """Returns the first network drawn from the chains that is within 1 % of the target, or the nearest of all drawn.

    Args:
        found: What the search found.
        ratio: Fraction of the cost that was to go.
        generator: Of the CPU.
    """
    target = wanted(found.demand.dense, ratio)
    best: tuple[Any, Widths] | None = None
    draws = 0
    for draws in range(1, DRAWS + 1):  # noqa: B007 - how many it took is told
        drawn = {name: chain.draw(found.alpha[name], generator, found.form) for name, chain in found.chains.items()}
        widths = found.allowed(drawn)
        cost = found.cost(widths)
        if best is None or abs(cost - target) < best[0]:
            best = (abs(cost - target), widths)
        if not is_missed(found.demand.dense, cost, ratio):
            break
    assert best is not None
    return _allocation(found, best[1], ratio, {"sampling": "direct", "draws": draws})


def _nearest(found: Found, widths: Widths, ratio: float) -> Widths:
    """Returns the widths with some layers one step narrower, so that the cost is nearest to what is wanted."""
    target = wanted(found.demand.dense, ratio)
    step = found.options.round_to
    means = found.means()
    narrower = found.allowed({name: max(1, widths[name] - step) for name in found.chains})
    crossed = [name for name in found.chains if narrower[name] < widths[name]]
    order = sorted(crossed, key=lambda name: _lead(means[name]))
    best, nearest = widths, abs(found.cost(widths) - target)
    current = widths
    for name in order:
        current = {**current, name: narrower[name]}
        distance = abs(found.cost(current) - target)
        if distance < nearest:
            best, nearest = current, distance
        if found.cost(current) < target:
            break
    return best


def _lead(mean: float) -> float:
    """Returns how far a mean is above the half at which it is rounded up."""
    return (mean + 0.5) % 1


def _allocation(found: Found, widths: Widths, ratio: float, details: dict[str, Any]) -> Allocation:
    kept = {name: list(range(width)) for name, width in widths.items()}
    options = found.options.model_dump(include={"min_channels", "max_ratio", "round_to"})
    limits = ", ".join(f"{name}={value}" for name, value in options.items())
    reason = f"the chains stand for no network nearer to it ({limits}); what is pinned or protected stays too"
    return Allocation(kept=kept, target=found.demand.target(ratio, kept, reason), details={"search": details})
