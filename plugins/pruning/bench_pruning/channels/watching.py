"""Runs a model's forward passes and lets rules see each operation and module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench_pruning.channels import modes
from bench_pruning.channels.rules import modules, operations
from bench_pruning.channels.rules.call import Call
from bench_pruning.channels.rules.contraction import AttentionScales

if TYPE_CHECKING:
    from torch import nn

    from bench_pruning.channels.copying import Lent
    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.modules import ModuleRule


STATISTICS = ("running_mean", "running_var")
"""Arguments that operations may write to without saying so."""


class Watching(TorchDispatchMode):
    """Applies the rule of every ATen operation to a flow.

    Args:
        flow: The labels.
        lent: Parameters that are not the watched network's own.
    """

    def __init__(self, flow: ChannelFlow, lent: Lent) -> None:
        super().__init__()
        self._flow = flow
        self._lent = lent

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation, then its rule."""
        del types
        for tensor in _written(func, args, kwargs or {}):
            self._lent.save(tensor)
        result = func(*args, **(kwargs or {}))
        if not self._flow.skipped:
            call = Call(func, args, kwargs or {}, result)
            self._flow.use(call.tensors)
            if call.outputs:
                operations.rule_of(call.name)(self._flow, call)
        return result


@contextmanager
def watched(model: nn.Module, flow: ChannelFlow, lent: Lent, unfollowed: Collection[str] = ()) -> Iterator[None]:
    """Follows labels through the forward passes in the block; nothing of it stays behind.

    Args:
        model: The network.
        flow: The labels.
        lent: Parameters that are not the network's own; what the block does to them is undone at its end.
        unfollowed: Paths of modules that nothing is followed in.
    """
    rules = modules.installed_rules().by_class
    handles: list[Any] = []
    try:
        for path, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            rule = modules.UNFOLLOWED if path in unfollowed else modules.rule_of(module, rules)
            enter, leave = _hooks(flow, path, rule)
            handles.append(module.register_forward_pre_hook(enter, prepend=True))
            handles.append(module.register_forward_hook(leave, with_kwargs=True))
        with torch.no_grad(), modes.unfused(), AttentionScales(flow), Watching(flow, lent):
            yield
    finally:
        lent.restore()
        for handle in handles:
            handle.remove()


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """Yields the tensors that an operation writes to, statistics of normalisation included, of which none is said."""
    names = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    for argument in func._schema.arguments:
        marked = argument.alias_info is not None and argument.alias_info.is_write
        if marked or argument.name in STATISTICS:
            yield from _tensors(given.get(argument.name))


def _hooks(flow: ChannelFlow, path: str, rule: ModuleRule | None) -> tuple[Callable[..., None], Callable[..., None]]:
    def enter(module: nn.Module, args: Any) -> None:
        del module
        flow.running.append(path)
        flow.reading.append(args)
        flow.skipped += rule is not None and rule.opaque

    def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        flow.skipped -= rule is not None and rule.opaque
        if rule is not None and not flow.skipped:
            visit = modules.Visit(module, path, _tensors((args, kwargs)), _tensors(output))
            rule.apply(flow, visit)
        flow.running.pop()
        flow.reading.pop()

    return enter, leave


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
