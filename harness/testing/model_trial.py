"""One model: built, run, stored and compressed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from harness.engine.artifact import load_model, save_model
from harness.engine.context import StageContext
from harness.engine.model_check.method import check_method
from harness.engine.model_check.subject import Subject, build_subject
from harness.engine.seeding import seeded
from harness.engine.workbench import Workbench, model_config
from harness.execution.model_check import check_failure
from harness.plan.drawing import prepare_key
from harness.plan.model_check import MethodTrial
from harness.spec.pipeline import parse_pipeline
from harness.spec.setting import setting_json
from harness.testing.surroundings import Surroundings
from harness.testing.tensors import differing


class ModelTrial:
    """A model of a task, built for a data set.

    Args:
        surroundings: Task, model and data set.
        work: A folder for files.
    """

    def __init__(self, surroundings: Surroundings, work: Path) -> None:
        self._surroundings = surroundings
        self._work = work

    @cached_property
    def bench(self) -> Workbench:
        """The surroundings of all stages."""
        return self._surroundings.workbench(self._work)

    @cached_property
    def subject(self) -> Subject:
        """The model in eval mode, with fresh weights."""
        return build_subject(self.bench)

    @cached_property
    def context(self) -> StageContext:
        """The door to images and batches."""
        return StageContext(self.bench)

    def config(self) -> dict[str, Any]:
        """Returns the model's config."""
        return model_config(self.bench)

    def weights(self, seed: int) -> dict[str, torch.Tensor]:
        """Returns parameters and buffers of a model that is built from a seed."""
        with seeded(seed):
            state: dict[str, torch.Tensor] = self.bench.task.build(self.config()).state_dict()
        return state

    def predict(self, images: int) -> torch.Tensor:
        """Returns the prediction of seeded images."""
        with torch.no_grad():
            return self.bench.task.predict(self.subject.source.model, self.context.example_images(images))

    def forward(self, images: int) -> list[torch.Tensor]:
        """Returns the raw outputs of seeded images."""
        with torch.no_grad():
            return self.bench.task.forward(self.subject.source.model, self.context.example_images(images))

    def finite(self, tensor: torch.Tensor) -> bool:
        """Returns whether all values are finite."""
        return bool(torch.isfinite(tensor).all())

    def gradients(self) -> tuple[torch.Tensor, list[str]]:
        """Returns the loss of a training batch, and the trainable parameters that get no finite gradient from it."""
        model = self.subject.private_copy().train()
        loss = self.context.loss(model, next(self.context.calibration_batches()))
        if loss.requires_grad:
            loss.sum().backward()  # type: ignore[no-untyped-call]
        trainable = [(name, part.grad) for name, part in model.named_parameters() if part.requires_grad]
        return loss.detach(), [name for name, grad in trainable if grad is None or not self.finite(grad)]

    def differences_of_artifact(self) -> list[str]:
        """Returns in what the model from its artifact differs: weights, and its prediction."""
        folder, source = self._work / "artifact", self.subject.source
        save_model(folder, source.file, source.model)
        loaded = load_model(folder, self.bench.registry).model.to(self.bench.device)
        images = self.context.example_images()
        with torch.no_grad():
            outputs = [self.bench.task.predict(model, images) for model in (source.model, loaded)]
        weights = differing(source.model.state_dict(), loaded.state_dict())
        return [*weights, *differing({"prediction": outputs[0]}, {"prediction": outputs[1]})]

    def compress(self, text: str) -> str:
        """Returns why a compressor, written with its setting, does not work on the model; empty if it does.

        Raises:
            UserError: There is no such compressor.
        """
        (call,) = parse_pipeline(text, "compressor").steps[0].calls
        descriptor = self._surroundings.choices.describe(call.name)
        bench = self._surroundings.workbench(self._work, call)
        trial = MethodTrial(
            text=text, fields=bench.job.fields, has_prepare=descriptor.has_prepare,
            settings=(setting_json(call.setting),),
            keys=(prepare_key(call, self._surroundings.choices.method(call))[0],),
        )  # fmt: skip
        failure = check_method(bench, trial, self.subject, check_failure).failure
        return f"{failure.kind}: {failure.message}" if failure else ""
