"""Bias compensation: what a removed channel contributed as a constant moves into the layers that read it.

A channel whose normalisation has scale 0 still is its shift behind the activation, such as `relu(beta)`; a layer that
reads it adds `sum_k W[:, c, k] * relu(beta_c)` at every pixel. That sum is kept as a bias, so that a removal costs what
the channel varies by and not its constant too (SIRFP, DCFP: `resize_subnet_bias`).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from bench_pruning.channels import modes
from bench_pruning.readings import KINDS, Reading, Readings, observed

if TYPE_CHECKING:
    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup
    from harness.registry.task import Task

CONSTANT = 1e-5
"""How much a constant may vary, relative to itself: interpolation rounds."""

UNSUITED = "it does not make the same of a constant at every pixel"
UNREACHED = "no forward pass in eval mode runs it"
FOREIGN = "its forward is not that of a torch layer with its weight"
BARE = "it has no bias, and no batch normalisation that reads its output alone and nothing else"


@dataclass(kw_only=True)
class Compensation:
    """What was compensated.

    Attributes:
        absorbed: By layer, how many removed inputs were constant; its bias, or the mean of the batch normalisation
            behind it, holds now what they contributed.
        left: By layer, why this was not done for all of its removed inputs.
    """

    absorbed: dict[str, int] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON data."""
        return asdict(self)


@torch.no_grad()
def compensate(
    dense: nn.Module, groups: Sequence[ChannelGroup], kept: Mapping[str, list[int]], task: Task, images: torch.Tensor
) -> Compensation:
    """Moves the constants of channels that are about to be removed into the layers that read them.

    The constants are those of a copy whose removed channels have no filters and no scale (normalisation weight), but
    all their biases and shifts; no data is needed. They are read off inside the maps, away from padded borders, and
    what is not constant there over two unlike images is left alone. A layer's bias takes them or, where it has none,
    the running mean of a batch normalisation that alone reads its output and reads nothing else. No shape changes.

    With zero padding, pixels at the border saw less of the constant than the bias now adds. Where no pixel sees the map
    with its whole kernel (wide dilations), the bias is the mean over all pixels of what was contributed.

    The result of the surgery is not what `masked_equals_physical` compares with: the masked network has zeros in place
    of the constants.

    Args:
        dense: The model before surgery, changed in place; from then on it is of use for that surgery only.
        groups: The groups to shrink.
        kept: Kept channels by group name.
        task: Its `predict` and `forward` are run on the copy, in eval mode and on the CPU.
        images: Normalised images [N, 3, H, W]; noise will do, in the size that the model is used with.
    """
    columns = _removed_columns(groups, kept)
    suited = [path for path in columns if isinstance(dense.get_submodule(path), KINDS)]
    result = Compensation(left={path: UNSUITED for path in columns if path not in suited})
    if not suited:
        return result
    silent = copy.deepcopy(dense).cpu()
    _silence(silent, groups, kept)
    modes.set_inference(silent)
    unlike = torch.cat([images, -images]).cpu()
    with observed(silent, suited) as readings, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task.predict(silent, unlike)
        task.forward(silent, unlike)
    for path in suited:
        _absorb(dense, path, columns[path], readings, result)
    return result


def _removed_columns(groups: Iterable[ChannelGroup], kept: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Returns, by layer, the indices of removed channels along the dimension of its weight that reads them."""
    columns: dict[str, set[int]] = defaultdict(set)
    for group in groups:
        staying = frozenset(kept[group.name])
        for slot in group.slots:
            removed = slot.removed(staying)
            if slot.role == "consumer" and removed:
                columns[slot.module].update(removed)
    return {path: sorted(found) for path, found in columns.items()}


def _silence(model: nn.Module, groups: Iterable[ChannelGroup], kept: Mapping[str, list[int]]) -> None:
    """Takes from the removed channels what makes them vary, and leaves them their constants."""
    for group in groups:
        staying = frozenset(kept[group.name])
        for slot in group.slots:
            module = model.get_submodule(slot.module)
            filters = slot.role == "producer" and slot.parameter != "bias"
            scale = slot.role == "norm" and slot.parameter == "weight"
            # Without a weight that could be zero, the scale is zero where the variance is infinite.
            variance = slot.role == "norm" and slot.parameter == "running_var" and module.weight is None
            if filters or scale or variance:
                removed = torch.tensor(slot.removed(staying), dtype=torch.long)
                getattr(module, slot.parameter).index_fill_(slot.dim, removed, torch.inf if variance else 0)


def _absorb(model: nn.Module, path: str, columns: list[int], readings: Readings, result: Compensation) -> None:
    layer: Any = model.get_submodule(path)
    calls = readings.of[path]
    if not calls or any(call.foreign for call in calls):
        result.left[path] = FOREIGN if calls else UNREACHED
        return
    if layer.bias is None and not _are_followed(calls, readings):
        result.left[path] = BARE
        return
    absorbed = set(columns)
    for vector, sign, reading in _absorbers(model, layer, calls):
        constants = _constants(reading, columns, layer.weight.shape[1])
        absorbed &= set(constants)
        vector.add_(_offset(layer, constants, reading).to(vector), alpha=sign)
    if absorbed:
        result.absorbed[path] = len(absorbed)
    if len(absorbed) < len(columns):
        result.left[path] = f"{len(columns) - len(absorbed)} of {len(columns)} removed inputs are not constant"


def _are_followed(calls: Sequence[Reading], readings: Readings) -> bool:
    """Whether each output goes to a batch normalisation, and these see nothing else."""
    followers = [call.follower for call in calls]
    return all(path is not None and readings.normalized[path] == followers.count(path) for path in followers)


def _absorbers(model: nn.Module, layer: Any, calls: Sequence[Reading]) -> Iterator[tuple[torch.Tensor, int, Reading]]:
    """Yields each vector that can take a constant, its sign there, and what is read in the calls that use it."""
    if layer.bias is not None:
        yield layer.bias, 1, Reading.merged(calls)
        return
    for path in dict.fromkeys(call.follower for call in calls):
        normalization: Any = model.get_submodule(path or "")
        yield normalization.running_mean, -1, Reading.merged([call for call in calls if call.follower == path])


def _constants(reading: Reading, columns: Iterable[int], width: int) -> dict[int, torch.Tensor]:
    """Returns, of the columns that are constant in every group of the layer, the value in each, [groups]."""
    low, high = reading.low.reshape(-1, width), reading.high.reshape(-1, width)
    constant = (high - low <= CONSTANT * torch.maximum(low.abs(), high.abs())).all(dim=0)
    return {column: low[:, column] for column in columns if constant[column]}


def _offset(layer: Any, constants: Mapping[int, torch.Tensor], reading: Reading) -> torch.Tensor:
    """Returns what the constants add to each output, [outputs]: `sum_c sum_k W[:, c, k] * constant_c`."""
    weight = layer.weight.detach().cpu().double().reshape(*layer.weight.shape[:2], -1)
    offset = torch.zeros(len(weight), dtype=torch.float64)
    for column, values in constants.items():
        per_output = values.repeat_interleave(len(weight) // len(values))
        offset += weight[:, column] @ reading.taps * per_output
    return offset
