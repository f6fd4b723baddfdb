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
    from collections.abc import Iterator, Mapping, Sequence

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
class _Members:
    """Classes of labels that are cut at the same places, in the order of the channels that they are.

    Attributes:
        roots: Each class's label [channels].
        owners: Numbers of places, ascending [entries]; a place where a class has several indices comes as often.
        indices: Each class's index at each entry [channels, entries].
        first: The entry of the first filter that makes the channels.
        pinned: Why they must stay.
        mixing: What mixes them.
    """

    roots: NDArray[np.int64]
    owners: NDArray[np.int64]
    indices: NDArray[np.int64]
    first: int
    pinned: str | None
    mixing: str | None

    @property
    def position(self) -> tuple[int, int]:
        """Place and index of the first filter that makes a channel."""
        return int(self.owners[self.first]), int(self.indices[0, self.first])


def groups_of(model: nn.Module, flow: ChannelFlow) -> tuple[tuple[ChannelGroup, ...], CostModel]:
    """Returns the channel groups, in the model's order, and the MACs of what the flow counted."""
    places, labels = _places(model, flow)
    names: dict[str, int] = {}
    groups, prunable = [], {}
    for members in sorted(_members(flow, places, labels), key=lambda found: found.position):
        group = _group(members, places, names)
        groups.append(group)
        if group.pinned_reason is None:
            prunable[group.name] = members.roots
    return tuple(groups), _costs(flow, prunable)


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


def _members(flow: ChannelFlow, places: Sequence[_Place], labels: Sequence[NDArray[np.int64]]) -> Iterator[_Members]:
    """Yields the classes of which some layer makes the channels, those that are alike together."""
    if not places:
        return
    roots = flow.classes.find(np.concatenate(labels))
    owner = np.repeat(np.arange(len(places)), [len(ids) for ids in labels])
    index = np.concatenate([np.arange(len(ids)) for ids in labels])
    roles = np.array([place.role for place in places])
    made = np.zeros(len(flow.classes), dtype=bool)
    made[roots[np.isin(roles, layers.PRODUCING)[owner]]] = True
    wanted = made[roots]
    roots, owner, index = roots[wanted], owner[wanted], index[wanted]
    order = np.argsort(roots, kind="stable")  # so that places and indices ascend within each class
    roots, owner, index = roots[order], owner[order], index[order]
    bounds = np.flatnonzero(np.diff(roots, prepend=-1, append=-1))
    pins, mixing = flow.classes.pins(), flow.classes.mixing()
    alike: dict[tuple[bytes, str | None, str | None], list[int]] = defaultdict(list)
    for start, end, root in zip(bounds[:-1].tolist(), bounds[1:].tolist(), roots[bounds[:-1]].tolist(), strict=True):
        alike[owner[start:end].tobytes(), pins.get(root), mixing.get(root)].append(start)
    for (owners, pinned, mixed), starts in alike.items():
        entries = np.frombuffer(owners, dtype=owner.dtype)
        first = _first(roles[entries].tolist())
        found = index[np.array(starts)[:, None] + np.arange(len(entries))]
        channels = np.argsort(found[:, first], kind="stable")
        yield _Members(roots[starts][channels], entries, found[channels], first, pinned, mixed)


def _first(roles: list[Role]) -> int:
    """Returns the position of the first filter that makes a channel."""
    if "producer" in roles:
        return roles.index("producer")
    return next(position for position, role in enumerate(roles) if role in layers.PRODUCING)


def _group(members: _Members, places: Sequence[_Place], names: dict[str, int]) -> ChannelGroup:
    first = places[members.position[0]]
    name = first.module or first.parameter
    names[name] = names.get(name, 0) + 1
    slots = []
    bounds = np.flatnonzero(np.diff(members.owners, prepend=-1, append=-1)).tolist()
    for start, end in zip(bounds[:-1], bounds[1:], strict=True):
        indices = members.indices[:, start:end].ravel()
        order = np.argsort(indices)
        at = places[int(members.owners[start])]
        slots.append(
            ParameterSlot(
                module=at.module,
                parameter=at.parameter,
                dim=at.dim,
                role=at.role,
                indices=tuple(indices[order].tolist()),
                channels=tuple((order // (end - start)).tolist()),
            )
        )
    size = len(members.roots)
    return ChannelGroup(
        name=name if names[name] == 1 else f"{name}#{names[name]}",
        size=size,
        slots=tuple(slots),
        pinned_reason=members.pinned or (DEPENDENT if size == 1 else None),
        mixing=members.mixing,
    )


def _costs(flow: ChannelFlow, groups: Mapping[str, NDArray[np.int64]]) -> CostModel:
    """Returns what the flow counted, as products of widths.

    Args:
        flow: The labels.
        groups: The label of each channel, of every group that can be pruned.
    """
    names, sizes = list(groups), [len(roots) for roots in groups.values()]
    group_of = np.full(len(flow.classes), -1)
    for number, roots in enumerate(groups.values()):
        group_of[roots] = number

    def width(ids: NDArray[np.int64]) -> Width:
        owners = group_of[flow.classes.find(ids)]
        numbers, counts = np.unique(owners[owners >= 0], return_counts=True)
        found = list(zip(numbers.tolist(), counts.tolist(), strict=True))
        if any(count % sizes[number] for number, count in found):
            message = "a product has different numbers of indices for the channels of one group"
            raise TraceError(message, "This is a defect of the channel engine; please report the model.")
        each = tuple((names[number], count // sizes[number]) for number, count in found)
        return Width(int((owners < 0).sum()), each)

    terms = (CostTerm(product.coefficient, tuple(map(width, product.factors))) for product in flow.products)
    return CostModel(tuple(terms)).merged()
