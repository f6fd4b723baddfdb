"""Processes that train the network of `small_training` together; the stage's label says how, as JSON."""

from __future__ import annotations

import json
import shutil

import torch
from mmengine.hooks import Hook
from small_training import Rates, network, run
from torch import nn

from harness.engine.freezing import FreezeHook
from harness.engine.handover import TrainingHandedOver, hand_over
from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.process import serve
from harness.plan.member import MemberJob
from harness.spec.budget import TrainingBudget


class Outputs(Hook):
    """Notes what comes out of each iteration, and may make process 1 raise, or process 0 keep checkpoints."""

    def __init__(self, fails_at=None, kept_at=None, kept_in=None):
        self.losses = []
        self.fails_at, self.kept_at, self.kept_in = fails_at, kept_at, kept_in

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs["loss"]))
        if runner.iter + 1 == self.fails_at and runner.rank == 1:
            raise ArithmeticError
        if runner.iter + 1 == self.kept_at and runner.rank == 0:
            shutil.copytree(runner.work_dir, self.kept_in, ignore=lambda folder, names: set(names) - found(names))


def found(names):
    return {name for name in names if name.startswith("iter_")}


def make_network(plain):
    model = network()
    if plain:  # without what depends on how samples are grouped, and on random numbers
        model.body = nn.Sequential(model.body[0], nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1))
    return model


def train_share(member, progress):
    asked = json.loads(member.stage.label)
    torch.set_num_threads(1)
    model = make_network(asked["plain"])
    if member.rank and asked["plain"]:
        model.body[0].weight.data.zero_()  # all begin as process 0 does
    outputs = Outputs(asked.get("fails_at"), asked.get("kept_at"), asked.get("kept_in"))
    rates = Rates()
    freeze = [FreezeHook(["body.1.*"], asked["frozen"])] if asked.get("frozen") else []
    curves = [{"type": "LocalVisBackend", "save_dir": str(member.stage.work / f"curves-{member.rank}")}]
    outcome = run(
        model, TrainingBudget.model_validate(asked["budget"]), member.stage.work, [outputs, rates, *freeze], curves,
        member=member, progress=progress,
    )  # fmt: skip
    statistics = [part.running_mean.tolist() for part in model.modules() if isinstance(part, nn.BatchNorm1d)]
    seen = {"losses": outputs.losses, "rates": rates.found, "statistics": statistics}
    member.trained.with_name(f"seen-{member.rank}.json").write_text(json.dumps(seen))
    hand_over(model, outcome, member)


def answer(line, report):
    try:
        train_share(MemberJob.model_validate_json(line), report)
    except TrainingHandedOver:
        return DoneMessage()
    except Exception as error:
        return FailedMessage(failure=failure_of(error))


if __name__ == "__main__":
    serve(answer)
