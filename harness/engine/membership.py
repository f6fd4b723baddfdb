"""A training as one of several processes: how it finds the others, and what it shares with them.

The processes are on one machine. What is shared in every iteration are the gradients (torch's DistributedDataParallel
averages them) and the losses; see `docs/design/parallel_training.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from harness.errors import UserError
from harness.plan.member import MemberJob


def devices_of(first: torch.device, processes: int) -> list[str]:
    """Returns the device of each process: `first` and the GPUs behind it, or the CPU for all.

    Raises:
        UserError: There are not that many.
    """
    if first.type == "cpu":
        return ["cpu"] * processes
    index = first.index or 0
    found = torch.cuda.device_count() - index if first.type == "cuda" else 1
    if found < processes:
        message = f"processes: {processes} were asked for, each on a GPU of its own; from {first} on there are {found}"
        raise UserError(message, "Lower training.processes and recovery.processes.")
    return [f"cuda:{index + rank}" for rank in range(processes)]


def join(member: MemberJob, device: torch.device) -> None:
    """Waits until all processes of the training are there.

    Nobody leaves: a process that failed and closed its connections would let others fail before its own error is
    known. All are ended by who has started them.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{member.meeting}",
        rank=member.rank,
        world_size=member.processes,
    )


def shared(model: nn.Module) -> nn.Module:
    """Returns `model` in mmengine's wrapper, whose weights begin as those of process 0 and get the mean gradients."""
    device = next(model.parameters()).device
    return MMDistributedDataParallel(  # type: ignore[no-any-return]
        model,
        device_ids=[device] if device.type == "cuda" else None,
        broadcast_buffers=False,
        find_unused_parameters=True,  # some may be frozen for a while
    )


def unwrapped(model: nn.Module) -> nn.Module:
    """Returns the network itself, whether `runner.model` is a wrapper or not."""
    return model.module if is_model_wrapper(model) else model  # type: ignore[return-value]


def loader_share(loader: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Returns the loader config of one process, with its part of each batch.

    mmengine's samplers give process r of n every n-th sample from the r-th on, so together they draw the batches that
    one process would.

    Args:
        loader: mmengine's config for whole batches.
        processes: How many share them.

    Raises:
        UserError: The loader makes its batches in a way of its own.
    """
    if "batch_sampler" in loader or "batch_size" not in loader:
        message = "processes: the data set's loader makes its batches itself, so that processes cannot share them"
        raise UserError(message, "Write processes: 1, or choose another data set.")
    return {**loader, "batch_size": loader["batch_size"] // processes}


class SharingHook(Hook):
    """Shares what gradients are not: the losses of every iteration, and statistics at every checkpoint and at the end.

    Each process normalises by the statistics of its own samples; their running means, which the network keeps, are
    averaged over the processes.

    Args:
        interval: Iterations between two checkpoints.
    """

    priority = "HIGHEST"  # before anybody looks at the losses, and before the checkpoint is written

    def __init__(self, interval: int) -> None:
        self._interval = interval

    def before_train(self, runner: Runner) -> None:
        """Makes sure that the processes do not all train on the same samples.

        Raises:
            UserError: The sampler knows nothing of several processes.
        """
        sampler = runner.train_dataloader.sampler
        if getattr(sampler, "world_size", 1) != runner.world_size:
            message = f"processes: each would train on the same samples: the data set's {type(sampler).__name__}"
            message += " knows nothing of several processes"
            raise UserError(message, "Write processes: 1, or choose another data set.")

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Replaces each loss by its mean over the processes."""
        del batch_idx, data_batch
        if outputs:
            means = torch.stack([value.detach().double().mean() for value in outputs.values()])
            _average(means)
            outputs.update(zip(outputs, means.unbind(), strict=True))
        if self.every_n_train_iters(runner, self._interval):
            self._average_statistics(runner)

    def after_train(self, runner: Runner) -> None:
        """Averages the statistics of the last iterations."""
        self._average_statistics(runner)

    def _average_statistics(self, runner: Runner) -> None:
        norms = [part for part in runner.model.modules() if isinstance(part, _NormBase) and part.training]
        for norm in norms:  # one that is frozen is in eval mode, and stays as it is to the bit
            for statistic in (norm.running_mean, norm.running_var):
                if statistic is not None:
                    _average(statistic)


def _average(tensor: torch.Tensor) -> None:
    torch.distributed.all_reduce(tensor)
    tensor /= torch.distributed.get_world_size()
