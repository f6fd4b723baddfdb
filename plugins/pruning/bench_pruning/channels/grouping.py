"""From labels to channel groups: classes that are cut at the same places make one group."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.channels import layers
from bench_pruning.channels.costs import CostModel, CostTerm, Width
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.channels.labels import DEPENDENT
from harness.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.groups import Role


@dataclass(frozen=True)
class _Place:
    """One dimension of one parameter, buffer or attribute."""

    module: str
    parameter: str
    dim: int
    role: Role


@dataclass(frozen=True)
class _Class:
    """Labels that go together: their indices at each place, and why they must stay."""

    root: int
    indices: tuple[tuple[int, tuple[int, ...]], ...]
    pinned: str | None
    mixing: str | None

    @property
    def signature(self) -> tuple[object, ...]:
        counts = tuple((place, len(indices)) for place, indices in self.indices)
        return (counts, self.pinned, self.mixing)


def groups_of(model: nn.Module, flow: ChannelFlow) -> tuple[tuple[ChannelGroup, ...], CostModel]:
    """Returns the channel groups, in the model's order, and the MACs of what the flow counted."""
    places, labels = _places(model, flow)
    members: dict[tuple[object, ...], list[_Class]] = defaultdict(list)
    for found in _classes(flow, places, labels):
        members[found.signature].append(found)
    ordered = sorted(members.values(), key=lambda classes: _first(classes[0], places))
    names: dict[str, int] = {}
    groups, group_of_root = [], {}
    for classes in ordered:
        group = _group(classes, places, names)
        groups.append(group)
        if group.pinned_reason is None:
            group_of_root.update(dict.fromkeys((found.root for found in classes), group.name))
    return tuple(groups), _costs(flow, group_of_root)


def _places(model: nn.Module, flow: ChannelFlow) -> tuple[list[_Place], list[NDArray[np.int64]]]:
    """Returns all places that have labels, in the model's order, and their labels."""
    modules = dict(model.named_modules())
    order = {path: position for position, path in enumerate(modules)}
    kernels = flow.kernels
    found = []
    for (name, dim), ids in flow.parameters.items():
        path, _, parameter = name.rpartition(".")
        own = layers.role(modules[path], parameter, dim)
        role = kernels.get((name, dim), own) if own == "parameter" else own
        found.append((order[path], _Place(path, parameter, dim, role), ids))
    found.sort(key=lambda item: item[0])
    return [place for _, place, _ in found], [ids for *_, ids in found]


def _classes(flow: ChannelFlow, places: Sequence[_Place], labels: Sequence[NDArray[np.int64]]) -> Iterable[_Class]:
    """Yields the classes of which some layer makes the channels."""
    if not places:
        return
    roots = flow.classes.find(np.concatenate(labels))
    owner = np.repeat(np.arange(len(places)), [len(ids) for ids in labels])
    index = np.concatenate([np.arange(len(ids)) for ids in labels])
    producing = np.array([place.role in layers.PRODUCING for place in places])
    made = np.unique(roots[producing[owner]])
    wanted = np.isin(roots, made)
    roots, owner, index = roots[wanted], owner[wanted], index[wanted]
    order = np.lexsort((index, owner, roots))
    roots, owner, index = roots[order], owner[order], index[order]
    bounds = np.flatnonzero(np.diff(roots, prepend=-1, append=-1))
    pins, mixing = flow.classes.pins(), flow.classes.mixing()
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        root = int(roots[start])
        at: dict[int, list[int]] = defaultdict(list)
        for place, position in zip(owner[start:end].tolist(), index[start:end].tolist(), strict=True):
            at[place].append(position)
        indices = tuple((place, tuple(positions)) for place, positions in at.items())
        yield _Class(root, indices, pins.get(root), mixing.get(root))


def _first(found: _Class, places: Sequence[_Place]) -> tuple[int, int]:
    """Returns place and index of the first filter that makes a channel."""
    for wanted in (("producer",), layers.PRODUCING):
        for place, indices in found.indices:
            if places[place].role in wanted:
                return place, indices[0]
    raise AssertionError


def _group(classes: list[_Class], places: Sequence[_Place], names: dict[str, int]) -> ChannelGroup:
    classes = sorted(classes, key=lambda found: _first(found, places))
    first, _ = _first(classes[0], places)
    name = places[first].module or places[first].parameter
    names[name] = names.get(name, 0) + 1
    slots = []
    for position, (place, _) in enumerate(classes[0].indices):
        pairs = sorted((i, channel) for channel, found in enumerate(classes) for i in found.indices[position][1])
        at = places[place]
        slots.append(
            ParameterSlot(
                module=at.module,
                parameter=at.parameter,
                dim=at.dim,
                role=at.role,
                indices=tuple(index for index, _ in pairs),
                channels=tuple(channel for _, channel in pairs),
            )
        )
    return ChannelGroup(
        name=name if names[name] == 1 else f"{name}#{names[name]}",
        size=len(classes),
        slots=tuple(slots),
        pinned_reason=classes[0].pinned or (DEPENDENT if len(classes) == 1 else None),
        mixing=classes[0].mixing,
    )


def _costs(flow: ChannelFlow, group_of_root: Mapping[int, str]) -> CostModel:
    def width(ids: NDArray[np.int64]) -> Width:
        counts: dict[str, int] = defaultdict(int)
        fixed = 0
        for root in flow.classes.find(ids).tolist():
            if root in group_of_root:
                counts[group_of_root[root]] += 1
            else:
                fixed += 1
        return Width(fixed, tuple((name, count) for name, count in counts.items()))

    sizes: dict[str, int] = defaultdict(int)
    for name in group_of_root.values():
        sizes[name] += 1

    def per_channel(found: Width) -> Width:
        if any(count % sizes[name] for name, count in found.groups):
            message = "a product has different numbers of indices for the channels of one group"
            raise TraceError(message, "This is a defect of the channel engine; please report the model.")
        return Width(found.fixed, tuple((name, count // sizes[name]) for name, count in found.groups))

    terms = (
        CostTerm(product.coefficient, tuple(per_channel(width(ids)) for ids in product.factors))
        for product in flow.products
    )
    return CostModel(tuple(terms)).merged()
