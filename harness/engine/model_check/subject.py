"""The model that is checked: built as a baseline would be, with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from harness.engine.artifact import LoadedModel
from harness.engine.costs import count_macs, count_params
from harness.engine.seeding import derive_seed, seeded
from harness.engine.workbench import Workbench, model_config
from harness.exhaustion import exhausted
from harness.registry.copying import private_copy
from harness.store.artifact import ModelBase, ModelFile


@dataclass(frozen=True)
class Subject:
    """A model before compression.

    Attributes:
        source: The model in eval mode, and what rebuilds it.
        params: Its parameters.
        macs: Its multiply-accumulates, for one image of the input size; `None` if its inference fails.
    """

    source: LoadedModel
    params: int
    macs: int | None

    def private_copy(self) -> nn.Module:
        """Returns a copy that may be changed.

        Raises:
            UnsupportedOperationError: The model holds something that cannot be copied.
        """
        return private_copy(self.source.model)


def build_subject(bench: Workbench) -> Subject:
    """Returns the model of the trial with weights from its own initialisation, as `train` begins with.

    Artifacts are rebuilt from another seed, so that a weight which does not come from the file is found out.
    """
    config = model_config(bench)
    with seeded(derive_seed(bench.seed, "weights")):
        model = bench.task.build(config).to(bench.device).eval()
    base = ModelBase(task=bench.parameters["task"], name=bench.parameters["model"]["name"], config=config)
    source = LoadedModel(model, ModelFile(base=base))
    return Subject(source, count_params(model), _macs(bench, model))


def _macs(bench: Workbench, model: nn.Module) -> int | None:
    height, width = bench.meta.input_size
    try:
        return count_macs(model, bench.task, torch.zeros((1, 3, height, width), device=bench.device))
    except Exception as error:  # the method's trace runs into the same, and names the module
        if exhausted(error):
            raise
        bench.logger.warning("inference fails: %r", error)
        return None
