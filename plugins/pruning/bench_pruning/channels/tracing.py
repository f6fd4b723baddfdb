"""Finds a model's channel groups by following its autograd graph.

This is the only module that knows Torch-Pruning, and of it only the dependency graph is used: which layers
are joined and at which index offsets. What that library would guess (an unknown operation counts as
element-wise, a bare parameter is cut at its last dimension) is pinned here instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch_pruning import DependencyGraph

from bench_pruning.channels import layers, operations
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot, Trace
from bench_pruning.channels.modes import restored_flags, set_traceable
from bench_pruning.channels.observation import Observation
from bench_pruning.channels.validation import pin_conflicts, slot_obstacle
from harness.errors import BenchError, TraceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.registry.task import Task

PASSED_ON = (BenchError, torch.cuda.OutOfMemoryError, MemoryError)
"""Errors that say more than that the trace failed."""


def trace(model: nn.Module, task: Task, images: torch.Tensor) -> Trace:
    """Returns the channel groups of a model.

    The model's flags, hooks and weights are afterwards what they were.

    Args:
        model: The network.
        task: Its `forward` runs all heads, auxiliary ones included.
        images: Normalised images [N, 3, H, W].

    Raises:
        TraceError: The forward pass fails or its graph cannot be analysed.
    """
    observation = Observation()
    with restored_flags(model), torch.enable_grad(), torch.random.fork_rng(devices=_devices(images)):
        try:
            graph = _dependency_graph(model, task, images, observation)
            groups = pin_conflicts(model, _Tracer(graph, model, observation).groups())
        except PASSED_ON:
            raise
        except Exception as error:
            message = f"the channels of {type(model).__name__} cannot be followed: {error!r}"
            raise TraceError(message, "An operation of the model is not supported by the tracer.") from error
    executed = set(observation.layers.values())
    unreached = [
        path
        for path, module in model.named_modules()
        if isinstance(module, layers.CHANNEL_LAYERS) and module not in executed
    ]
    return Trace(groups=tuple(groups), unreached=tuple(unreached))


def _dependency_graph(model: nn.Module, task: Task, images: torch.Tensor, observation: Observation) -> DependencyGraph:
    failures: list[Exception] = []

    def forward(network: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
        # The caller has just called `eval()`, and must get an answer: it would leave its hooks behind.
        set_traceable(network)
        try:
            with observation.hooks(network):
                return observation.finish(_checked(task.forward(network, inputs)))
        except Exception as error:
            failures.append(error)
            return []

    graph = DependencyGraph().build_dependency(model, images, forward_fn=forward, verbose=False)
    for error in failures:
        if isinstance(error, PASSED_ON):
            raise error
        where = f"`{observation.running[-1]}`" if any(observation.running) else type(model).__name__
        message = f"the forward pass failed in {where} while tracing: {error!r}"
        raise TraceError(message, "Tracing runs the task's forward with training branches.") from error
    return graph


def _checked(outputs: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    for index, output in enumerate(outputs):
        if output.grad_fn is None:
            message = f"output {index} of the model does not depend on any parameter"
            raise TraceError(message, "The model detaches it or computes it under no_grad.")
    return outputs


class _Tracer:
    """Turns the dependency graph of one forward pass into channel groups."""

    def __init__(self, graph: DependencyGraph, model: nn.Module, observation: Observation) -> None:
        self.graph = graph
        self.model = model
        self.paths = {module: path for path, module in model.named_modules()}
        self.final = observation.output_layers()
        self.obstacles = {node: self._obstacle(node, observation) for node in graph.module2node.values()}
        for node, reason in self.obstacles.items():
            if reason is not None:
                # A group that touches the node is pinned, so what lies behind it does not matter.
                node.dependencies.clear()

    def groups(self) -> list[ChannelGroup]:
        """Returns all groups, named after their first layer in the model's order."""
        groups = []
        covered: set[Any] = set()
        for root in self.model.modules():
            if root not in self.graph.module2node or not isinstance(root, layers.CHANNEL_LAYERS):
                continue
            if root not in covered:
                items = self._items(root, range(_width(root)))
                covered |= {node.module for node, outgoing, _ in items if outgoing}
                groups.append(self._group(root, items))
        return groups

    def _group(self, root: nn.Module, items: list[_Item]) -> ChannelGroup:
        slots = tuple(slot for item in items for slot in self._slots(item))
        reason = self._reason(items) or slot_obstacle(self.model, slots, _width(root))
        if reason is None and not self._separable(root, items):
            reason = "its channels depend on each other"
        return ChannelGroup(name=self.paths[root], size=_width(root), slots=slots, pinned_reason=reason)

    def _items(self, root: nn.Module, channels: Sequence[int]) -> list[_Item]:
        """Returns what is removed with the channels of `root`: (node, outgoing, {index: channel})."""
        function = self.graph.get_pruner_of_module(root).prune_out_channels
        items = []
        for item in self.graph.get_pruning_group(root, function, list(channels)):
            outgoing = self.graph.is_out_channel_pruning_fn(item.dep.handler)
            indices = dict(zip(item.idxs, item.root_idxs, strict=True))
            items.append((item.dep.target, outgoing, indices))
        return items

    def _slots(self, item: _Item) -> list[ParameterSlot]:
        node, outgoing, indices = item
        if node.module not in self.paths or self.obstacles[node] is not None:
            return _named_only(self.paths.get(node.module), item)
        return [
            ParameterSlot(
                module=self.paths[node.module],
                parameter=name,
                dim=dim,
                role=layers.role(node.module, outgoing=outgoing),
                indices=tuple(sorted(indices)),
                channels=tuple(indices[index] for index in sorted(indices)),
            )
            for name, dim in layers.channel_parameters(node.module, outgoing=outgoing)
        ]

    def _reason(self, items: list[_Item]) -> str | None:
        for node, outgoing, _ in items:
            if outgoing and node.module in self.final:
                return "it reaches an output of the network"
        return next((self.obstacles[node] for node, _, _ in items if self.obstacles[node]), None)

    def _separable(self, root: nn.Module, items: list[_Item]) -> bool:
        """Returns whether single channels take from every layer what the whole group says they take."""
        whole = {(node, outgoing): indices for node, outgoing, indices in items}
        for channel in {0, _width(root) // 2, _width(root) - 1}:
            alone = {(node, outgoing): set(found) for node, outgoing, found in self._items(root, [channel])}
            expected = {
                key: {index for index, owner in indices.items() if owner == channel} for key, indices in whole.items()
            }
            if alone != {key: indices for key, indices in expected.items() if indices}:
                return False
        return True

    def _obstacle(self, node: Any, observation: Observation) -> str | None:
        if isinstance(node.module, nn.Parameter):
            return "a bare parameter is combined with its channels"
        if node.module in self.paths:
            reason = layers.obstacle(node.module)
            return f"`{self.paths[node.module]}`: {reason}" if reason else None
        inside = node.grad_fn is None or node.grad_fn in observation.inner
        return None if inside else operations.obstacle(node.grad_fn)


_Item = tuple[Any, bool, dict[int, int]]


def _named_only(path: str | None, item: _Item) -> list[ParameterSlot]:
    """Returns a slot that only names the layer, so that a pinned group can tell which layers it pins."""
    node, outgoing, indices = item
    if path is None or not outgoing or not isinstance(node.module, layers.CHANNEL_LAYERS):
        return []
    (name, dim), *_ = layers.channel_parameters(node.module, outgoing=True)
    role = layers.role(node.module, outgoing=True)
    pairs = sorted(indices.items())
    return [
        ParameterSlot(
            module=path,
            parameter=name,
            dim=dim,
            role=role,
            indices=tuple(index for index, _ in pairs),
            channels=tuple(channel for _, channel in pairs),
        )
    ]


def _width(layer: nn.Module) -> int:
    width = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    assert isinstance(width, int)
    return width


def _devices(images: torch.Tensor) -> list[torch.device]:
    return [images.device] if images.device.type == "cuda" else []
