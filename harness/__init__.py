"""Compression Bench: which compression method, at which setting, on which model, and what does it buy?

`harness.load(path)` gives the model of an artifact, a stage or a cell as a live `torch.nn.Module`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from torch import nn

__all__ = ["load"]


def load(path: str | PathLike[str]) -> nn.Module:
    """Returns the model of an artifact in eval mode on the CPU, bit-identical to the one that was saved.

    Args:
        path: An artifact (the folder with `model.json`), a stage's folder, or a cell's folder or `record.json`:
            for a cell, the model at the end of its pipeline.

    Raises:
        UserError: There is no model at `path`, or it cannot be read.
        ShapeMismatchError: Its weights do not fit its description.

    Example:
        >>> model = harness.load("results/demo/cells/residual_fcn__digits__fpgm@0.5+finetune__seed0")  # doctest: +SKIP
    """
    from harness.engine.loading import load_anything

    return load_anything(path)
