"""Costs: parameters and MACs of any choice of channels, as integers, without building it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from harness.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup


@dataclass(frozen=True)
class Width:
    """A dimension whose size depends on the channels that are kept.

    Attributes:
        fixed: Indices that always stay.
        groups: (group name, indices that each of its channels has here).
    """

    fixed: int
    groups: tuple[tuple[str, int], ...] = ()

    def count(self, kept: Mapping[str, int]) -> int:
        """Returns the size of the dimension where `kept[name]` channels of each group stay."""
        return self.fixed + sum(multiplicity * kept[name] for name, multiplicity in self.groups)


@dataclass(frozen=True)
class CostTerm:
    """A product: the coefficient times all widths. Nothing in it is negative."""

    coefficient: int
    widths: tuple[Width, ...] = ()

    def count(self, kept: Mapping[str, int]) -> int:
        """Returns the value where `kept[name]` channels of each group stay."""
        return self.coefficient * prod(width.count(kept) for width in self.widths)


@dataclass(frozen=True)
class CostModel:
    """A sum of terms; it never grows when a channel goes."""

    terms: tuple[CostTerm, ...]

    def count(self, kept: Mapping[str, int]) -> int:
        """Returns the exact cost where `kept[name]` channels of each group stay."""
        return sum(term.count(kept) for term in self.terms)

    def merged(self) -> CostModel:
        """Returns the same costs with equal products added, which leaves few terms of a deep network."""
        coefficients: Counter[tuple[Width, ...]] = Counter()
        for term in self.terms:
            coefficient, widths = _canonical(term)
            coefficients[widths] += coefficient
        terms = (CostTerm(coefficient, widths) for widths, coefficient in coefficients.items())
        return CostModel(tuple(term for term in terms if term.coefficient))

    def fixing(self, kept: Mapping[str, int]) -> CostModel:
        """Returns the costs where the numbers of kept channels of some groups are settled, e.g. of pinned ones."""

        def fixed(width: Width) -> Width:
            settled = Width(width.fixed, tuple(pair for pair in width.groups if pair[0] in kept)).count(kept)
            return Width(settled, tuple(pair for pair in width.groups if pair[0] not in kept))

        terms = (CostTerm(term.coefficient, tuple(map(fixed, term.widths))) for term in self.terms)
        return CostModel(tuple(terms)).merged()

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON data.

        A term is `[coefficient, width, ...]`, a width `[fixed, group, multiplicity, ...]` with groups as positions
        in the list of their names.
        """
        names = sorted({name for term in self.terms for width in term.widths for name, _ in width.groups})
        position = {name: index for index, name in enumerate(names)}

        def flat(width: Width) -> list[int]:
            return [width.fixed, *(value for name, many in width.groups for value in (position[name], many))]

        terms = [[term.coefficient, *map(flat, term.widths)] for term in self.terms]
        return {"groups": names, "terms": terms}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CostModel:
        """Inverse of `to_json`."""
        names = data["groups"]

        def width(flat: list[int]) -> Width:
            return Width(flat[0], tuple((names[i], many) for i, many in zip(flat[1::2], flat[2::2], strict=True)))

        return cls(tuple(CostTerm(term[0], tuple(map(width, term[1:]))) for term in data["terms"]))


def width_costs(widths: Mapping[str, int]) -> CostModel:
    """Returns the number of channels of some groups.

    Args:
        widths: How many channels of a layer each channel of a group stands for, by the group's name.
    """
    return CostModel(tuple(CostTerm(1, (Width(0, (pair,)),)) for pair in widths.items()))


def parameter_costs(model: nn.Module, groups: Iterable[ChannelGroup]) -> CostModel:
    """Returns the number of parameters, a shared one counted once; buffers do not count.

    Args:
        model: The model before surgery.
        groups: The groups that may shrink.

    Raises:
        PluginError: The channels of a group have different numbers of indices along one dimension.
    """
    # A shared parameter has several names, and slots may use any of them.
    parameters = dict(model.named_parameters(remove_duplicate=False))
    claims: dict[tuple[int, int], dict[int, tuple[str, int]]] = {}
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group.name] = group.size
        for slot in group.slots:
            if slot.tensor in parameters:
                claimed = claims.setdefault((id(parameters[slot.tensor]), slot.dim), {})
                owners = ((group.name, channel) for channel in slot.channels)
                claimed.update(zip(slot.indices, owners, strict=True))

    def widths(name: str, parameter: nn.Parameter) -> tuple[Width, ...]:
        dimensions = enumerate(parameter.shape)
        return tuple(_width(name, size, claims.get((id(parameter), dim), {}), sizes) for dim, size in dimensions)

    terms = (CostTerm(1, widths(name, parameter)) for name, parameter in model.named_parameters())
    return CostModel(tuple(terms)).merged()


def _width(parameter: str, size: int, claims: Mapping[int, tuple[str, int]], sizes: Mapping[str, int]) -> Width:
    """Returns the width of one dimension, of which `claims` says the (group, channel) of each index."""
    indices = Counter(claims.values())
    groups = dict.fromkeys(name for name, _ in indices)
    for name in groups:
        counts = {indices[name, channel] for channel in range(sizes[name])}
        if len(counts) > 1:
            found = f"have between {min(counts)} and {max(counts)} indices each in `{parameter}`"
            message = f"the channels of the group `{name}` {found}"
            raise PluginError(message, "The rules of the trace must give all channels of a group the same number.")
    return Width(size - len(claims), tuple((name, indices[name, 0]) for name in groups))


def _canonical(term: CostTerm) -> tuple[int, tuple[Width, ...]]:
    """Returns coefficient and widths so that equal products look alike; constant widths join the coefficient."""
    coefficient, widths = term.coefficient, []
    for width in term.widths:
        multiplicities: Counter[str] = Counter()
        for name, multiplicity in width.groups:
            multiplicities[name] += multiplicity
        groups = tuple(sorted((name, many) for name, many in multiplicities.items() if many))
        if groups:
            widths.append(Width(width.fixed, groups))
        else:
            coefficient *= width.fixed
    return coefficient, tuple(sorted(widths, key=lambda width: (width.groups, width.fixed)))
