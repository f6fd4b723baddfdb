"""Self-checks before a number is believed.

The method adds what only it can check (a pruned model against the masked one); these hold for every compressor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from harness.engine.artifact import load_model
from harness.engine.context import StageContext
from harness.engine.costs import count_params
from harness.errors import CheckFailedError
from harness.exhaustion import exhausted
from harness.registry import Check, Registry

_SECOND_SIZE_STEP = 32
_FORWARD_ERRORS = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, AttributeError)
"""What a network raises whose shapes do not fit together."""


def check_compression(
    before: nn.Module, after: nn.Module, context: StageContext, achieved: Mapping[str, float]
) -> list[Check]:
    """Returns the verdicts on `after`, made from `before`; both are left in eval mode.

    Args:
        before: The model that was compressed.
        after: The compressed model.
        context: The stage's context.
        achieved: Reductions that the method claims.
    """
    before.eval()
    after.eval()
    height, width = context.meta.input_size
    other = (height + _SECOND_SIZE_STEP, width + _SECOND_SIZE_STEP)
    checks = [
        _same_shape("forward_at_input_size", before, after, context, (height, width)),
        _same_shape("forward_at_second_size", before, after, context, other),
        _fewer_params(before, after, achieved),
        _gradients_flow(before, after, context),
    ]
    before.eval()
    after.eval()
    return checks


def check_reload(
    model: nn.Module, folder: Path, registry: Registry, images: torch.Tensor, context: StageContext
) -> Check:
    """Returns whether the artifact in `folder` rebuilds `model` bit for bit, judged by `images` [N, 3, H, W]."""
    reloaded = load_model(folder, registry).model.to(images.device)
    with torch.no_grad():
        difference = (context.task.predict(model.eval(), images) - context.task.predict(reloaded, images)).abs().max()
    if float(difference) == 0.0:
        return Check(name="reload_equals_memory", verdict="pass", value=0.0)
    detail = "the artifact rebuilds a model with other outputs"
    return Check(name="reload_equals_memory", verdict="fail", detail=detail, value=float(difference))


def require_passed(checks: Sequence[Check]) -> None:
    """Raises if any check failed.

    Raises:
        CheckFailedError: It names every check that failed and why.
    """
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        lines = "; ".join(f"{check.name}: {check.detail}" for check in failed)
        message = f"the compressed model is not what it should be: {lines}"
        raise CheckFailedError(message, "The model was not used. `stage.log` has the details.")


def _same_shape(name: str, before: nn.Module, after: nn.Module, context: StageContext, size: tuple[int, int]) -> Check:
    images = context.example_images(batch_size=1, size=size)
    with torch.no_grad():
        try:
            expected = context.task.predict(before, images)
        except _FORWARD_ERRORS as error:
            _raise_if_exhausted(error)
            # The uncompressed model itself may take one input size only.
            detail = f"the uncompressed model does not take {size[0]}x{size[1]}: {error}"
            return Check(name=name, verdict="not_applicable", detail=detail.splitlines()[0])
        try:
            found = context.task.predict(after, images)
        except _FORWARD_ERRORS as error:
            _raise_if_exhausted(error)
            return Check(name=name, verdict="fail", detail=f"forward at {size[0]}x{size[1]}: {error}".splitlines()[0])
    if expected.shape != found.shape:
        detail = f"output {list(found.shape)} instead of {list(expected.shape)} at {size[0]}x{size[1]}"
        return Check(name=name, verdict="fail", detail=detail)
    if not bool(torch.isfinite(found).all()):
        return Check(name=name, verdict="fail", detail=f"output is not finite at {size[0]}x{size[1]}")
    return Check(name=name, verdict="pass")


def _raise_if_exhausted(error: Exception) -> None:
    """Memory that ran out says nothing about the model."""
    if exhausted(error):
        raise error


def _fewer_params(before: nn.Module, after: nn.Module, achieved: Mapping[str, float]) -> Check:
    name, difference = "parameters_fewer", count_params(before) - count_params(after)
    if difference > 0:
        return Check(name=name, verdict="pass", value=float(difference))
    if difference == 0 and any(reduction > 0 for reduction in achieved.values()):
        claims = ", ".join(f"{reduction:.1%} of {what}" for what, reduction in achieved.items())
        return Check(name=name, verdict="fail", detail=f"nothing was removed, but the method claims {claims}")
    if difference == 0:
        detail = "nothing was removed: the setting rounds to no parameter at all"
        return Check(name=name, verdict="not_applicable", detail=detail)
    detail = f"the compressed model has {-difference} parameters more"
    return Check(name=name, verdict="fail", detail=detail, value=float(difference))


def _gradients_flow(before: nn.Module, after: nn.Module, context: StageContext) -> Check:
    batch = next(context.calibration_batches(samples=2))
    expected = _with_gradient(before, batch, context)
    try:
        missing = sorted(expected - _with_gradient(after, batch, context))
    except _FORWARD_ERRORS as error:
        _raise_if_exhausted(error)
        return Check(name="gradients_flow", verdict="fail", detail=f"the training loss: {error}".splitlines()[0])
    if not expected:
        detail = "no gradient reaches any parameter of the uncompressed model"
        return Check(name="gradients_flow", verdict="not_applicable", detail=detail)
    if not missing:
        return Check(name="gradients_flow", verdict="pass", value=float(len(expected)))
    detail = f"no finite gradient reaches {', '.join(missing[:3])}" + (" ..." if len(missing) > 3 else "")
    return Check(name="gradients_flow", verdict="fail", detail=detail)


def _with_gradient(model: nn.Module, batch: object, context: StageContext) -> set[str]:
    """Names of parameters that a finite training loss reaches; BatchNorm statistics stay as they are."""
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train()
    try:
        context.loss(model, batch).backward()  # type: ignore[no-untyped-call]
        return {
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
        }
    finally:
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(statistics[name])
        model.eval()
