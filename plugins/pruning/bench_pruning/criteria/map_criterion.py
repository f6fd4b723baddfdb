"""The base of criteria that measure a channel's maps, one forward pass for all groups."""

from __future__ import annotations

import copy
import weakref
from abc import abstractmethod
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import torch

from bench_pruning.channels import modes
from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.criteria.feature_maps import maps_of, set_modes
from bench_pruning.criteria.viewing import UNSEEN, best_views, intercepted, views_of
from bench_pruning.method import PruningMethod, Statistics
from harness.errors import NonFiniteLossError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.criteria.viewing import Place, Views
    from harness.registry.context import Context


class MapCriterion(PruningMethod):
    """Scores a group by its maps, as the convolutions and linear layers that read it get them.

    So maps are measured behind normalisation and activation. Where several layers read a group, the mean over them
    counts; where none does (queries of attention), the results of the layers that make it. The network is in eval mode
    and runs its training loss, so that auxiliary heads take part; no gradients are taken.
    """

    @abstractmethod
    def measure(self, maps: torch.Tensor) -> torch.Tensor | None:
        """Returns what channels are worth, summed over the images, [C]; `None` if tokens and vectors say nothing.

        Args:
            maps: Maps of one group [N, C, P, ...] with one spatial axis at least; P > 1 where channels are tied or
                flattened, so that one of the group stands for several.
        """

    def declines(self, group: BoundGroup) -> str:
        """Returns why a group has no score: its maps are not to be seen."""
        return "" if views_of(group) else UNSEEN

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns each group's measure, the mean over the calibration images, then over the layers that read it, [C].

        Raises:
            NonFiniteLossError: A map has values that are not finite.
            UnsupportedOperationError: Of some group nothing was seen.
        """
        network = copied(model)
        set_modes(network)
        network.requires_grad_(False)
        devices = [context.device] if context.device.type == "cuda" else []
        with restored_randomness(context.seed, devices), modes.unfused(), torch.no_grad():
            first = next(context.calibration_batches())
            with modes.restored_buffers(network):
                views = best_views(network, groups, lambda: context.loss(network, copy.deepcopy(first)))
            return self._means(network, views, context)

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the mean of the measure, [C] in 64 bits.

        Raises:
            UnsupportedOperationError: The criterion measures maps of two axes, and the group has none.
        """
        if group.name not in statistics:
            message = f"{type(self).__name__} needs maps [H, W], but `{group.name}` is only seen as tokens or vectors"
            raise UnsupportedOperationError(message, "Use another criterion, such as activation or chip.")
        return statistics[group.name]

    def _means(self, network: nn.Module, views: dict[str, Views], context: Context) -> Statistics:
        sums: defaultdict[str, dict[Place, torch.Tensor]] = defaultdict(dict)
        counts: Counter[tuple[str, Place]] = Counter()
        measured = _Measured()

        def look(place: Place, layer: nn.Module, tensor: torch.Tensor) -> None:
            maps = maps_of(layer, tensor)
            for name, own in views.items():
                if place in own:
                    indices = own[place]
                    if not measured.knows(name, tensor, indices):
                        measured.note(name, tensor, indices, self._measured(name, maps[:, _index(indices, maps)]))
                    values = measured.values[name]
                    if values is not None:
                        sums[name][place] = sums[name][place] + values if place in sums[name] else values
                        counts[name, place] += len(maps)

        with intercepted(network, {place for own in views.values() for place in own}, look):
            for batch in context.calibration_batches():
                context.loss(network, batch)
        return {
            name: torch.stack([values / counts[name, place] for place, values in own.items()]).mean(0)
            for name, own in sums.items()
        }

    def _measured(self, name: str, maps: torch.Tensor) -> torch.Tensor | None:
        if not bool(torch.isfinite(maps).all()):
            message = f"the maps of `{name}` are not finite on the calibration images"
            raise NonFiniteLossError(message)
        values = self.measure(maps)
        return None if values is None else values.double().cpu()


class _Measured:
    """The last measure of each group, since several layers often read the same tensor."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[weakref.ref[torch.Tensor], int, tuple[tuple[int, ...], ...]]] = {}
        self.values: dict[str, torch.Tensor | None] = {}

    def knows(self, name: str, tensor: torch.Tensor, indices: tuple[tuple[int, ...], ...]) -> bool:
        """Returns whether the same channels of the same tensor, not written to since, were measured last."""
        reference, version, own = self._last.get(name, (None, 0, ()))
        return reference is not None and reference() is tensor and version == tensor._version and own == indices

    def note(
        self, name: str, tensor: torch.Tensor, indices: tuple[tuple[int, ...], ...], values: torch.Tensor | None
    ) -> None:
        """Notes a measure."""
        self._last[name] = weakref.ref(tensor), tensor._version, indices
        self.values[name] = values


def _index(indices: tuple[tuple[int, ...], ...], maps: torch.Tensor) -> torch.Tensor:
    return torch.tensor(indices, device=maps.device)
