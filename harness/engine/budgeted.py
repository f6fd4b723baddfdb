"""One training under a budget, as the stages `train` and `recover` do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from harness.engine.first_batch import FirstBatchHook, open_loader
from harness.engine.handover import hand_over, train_elsewhere
from harness.engine.seeding import derive_seed
from harness.engine.training import TrainingOutcome, train
from harness.engine.workbench import Workbench
from harness.registry import LoaderRequest
from harness.spec.budget import TrainingBudget
from harness.spec.visualizers import VISUALIZERS
from harness.store.layout import Layout


def train_under(
    bench: Workbench,
    model: nn.Module,
    budget: TrainingBudget,
    purpose: str,
    hooks: Sequence[Any] = (),
    folder: str = "",
) -> TrainingOutcome:
    """Trains `model` in place on the training split; all methods see the same samples in the same order.

    Args:
        bench: The stage's surroundings.
        model: On the stage's device.
        budget: How long and how.
        purpose: Part of the seed, so that a recovery repeats neither the baseline's samples nor an earlier pass's.
        hooks: mmengine hooks that a recovery adds.
        folder: Where checkpoints are kept below those of the stage, which may have several trainings.

    Raises:
        UserError: Several processes are asked for, and there are not enough GPUs, or nothing starts processes here.
        TrainingHandedOver: This is one of these processes, and the training is done.
    """
    work = bench.job.work / "mmengine" / folder
    member = bench.member if budget.processes > 1 else None
    if budget.processes > 1 and member is None:
        return train_elsewhere(model, budget.processes, work, bench.launch)
    request = LoaderRequest(
        split="train",
        batch_size=budget.batch_size,
        seed=derive_seed(bench.seed, f"{purpose}-data"),
        shuffle=True,
        iterations=budget.iterations,
    )
    outcome = train(
        model,
        loader=open_loader(bench, request),
        budget=budget,
        seed=derive_seed(bench.seed, purpose),
        scope=bench.scope,
        name=bench.job.identity + folder,
        work=work,
        progress=bench.progress,
        hooks=[FirstBatchHook(bench, request), *hooks],
        visualizers=_visualizers(bench, folder),
        member=member,
    )
    if member is not None:
        hand_over(model, outcome, member)
    return outcome


def _visualizers(bench: Workbench, folder: str) -> list[dict[str, Any]]:
    """Returns mmengine's configs of the visualizer backends that the run asks for, each with a folder of its own."""
    root = Layout(bench.job.root).visualization(bench.job.fields.kind, bench.job.identity) / folder
    return [{"type": VISUALIZERS[name].backend, "save_dir": str(root / name)} for name in bench.job.visualizers]
