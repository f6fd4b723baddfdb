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
_STEPS = 8

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
        exactly: Whether single layers become a step narrower or wider until that brings the cost no nearer.
    """
    widths = found.widths()
    if exactly:
        widths = _nearest(found, widths, ratio)
    details = {"sampling": "expected", "means": {name: round(mean, 3) for name, mean in found.means().items()}}
    miss = "no single step of one layer brings it nearer" if exactly else "fit=false takes the search as it ended"
    return _allocation(found, widths, ratio, details, miss)


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
    details = {"sampling": "direct", "draws": draws}
    return _allocation(found, best[1], ratio, details, f"none of {draws} drawn networks is nearer")


def _nearest(found: Found, widths: Widths, ratio: float) -> Widths:
    """Returns the widths changed by single steps of single layers, while that brings the cost nearer to the target.

    First layers that have just reached their width give it up again, the one with the smallest mean first, since
    several may have reached theirs at once; then whichever layer brings it nearest becomes a step narrower or wider.
    """
    target = wanted(found.demand.dense, ratio)

    def distance(of: Widths) -> Any:
        return abs(found.cost(of) - target)

    means = found.means()
    narrower = {name: _stepped(found, widths, name, -1) for name in found.chains}
    crossed = [name for name, changed in narrower.items() if changed != widths]
    best = current = widths
    for name in sorted(crossed, key=lambda name: _lead(means[name])):
        current = {**current, name: narrower[name][name]}
        best = min(best, current, key=distance)
    for _ in range(_STEPS):
        tried = [_stepped(found, best, name, direction) for name in found.chains for direction in (-1, 1)]
        nearest = min(tried, key=distance, default=best)
        if distance(nearest) >= distance(best):
            break
        best = nearest
    return best


def _stepped(found: Found, widths: Widths, name: str, direction: int) -> Widths:
    """Returns the widths with one layer a step wider or narrower, if its chain and the limits allow that."""
    chain = found.chains[name]
    width = min(max(widths[name] + direction * found.options.round_to, chain.widths[0]), chain.widths[-1])
    return found.allowed({**{each: widths[each] for each in found.chains}, name: width})


def _lead(mean: float) -> float:
    """Returns how far a mean is above the half at which it is rounded up."""
    return (mean + 0.5) % 1


def _allocation(found: Found, widths: Widths, ratio: float, details: dict[str, Any], miss: str) -> Allocation:
    kept = {name: list(range(width)) for name, width in widths.items()}
    options = found.options.model_dump(include={"min_channels", "max_ratio", "round_to"})
    limits = ", ".join(f"{name}={value}" for name, value in options.items())
    reason = f"{miss} ({limits}); what is pinned or protected stays too"
    return Allocation(kept=kept, target=found.demand.target(ratio, kept, reason), details={"search": details})
