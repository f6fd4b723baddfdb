"""One setting of a compressor, checked before anything is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from harness.engine.artifact import LoadedModel, with_transforms
from harness.engine.checks import check_compression, check_reload
from harness.engine.context import StageContext
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import MODEL_FOLDER, save_output
from harness.engine.workbench import Workbench
from harness.registry import Check, Compression, Compressor, State
from harness.spec.setting import Setting


@dataclass(frozen=True)
class CheckedCompression:
    """A compressed model that lies in the work folder as an artifact, and what its checks say.

    Attributes:
        compression: What the method made.
        size: Parameters, MACs with their input shape, bytes.
        checks: The verdicts of the method's own checks and of those that hold for every compressor.
    """

    compression: Compression
    size: dict[str, Any]
    checks: list[Check]


def compress_and_check(
    bench: Workbench, compressor: Compressor[Any], source: LoadedModel, model: nn.Module, setting: Setting | None,
    state: State,
) -> CheckedCompression:  # fmt: skip
    """Compresses, stores the artifact in `bench.job.work`, and checks it; a failed check is a verdict, not an error.

    Args:
        bench: The stage's surroundings.
        compressor: The method.
        source: The model before; left in eval mode.
        model: A private copy of it, which may be changed.
        setting: The point on the method's axis.
        state: What its `prepare` returned.
    """
    context = StageContext(bench)
    with seeded(derive_seed(bench.seed, "compress")):
        compression = compressor.compress(model, setting, state, context)
    made = compression.model.to(bench.device).eval()
    checks = [*compression.checks, *check_compression(source.model, made, context, compression.achieved)]
    size = save_output(bench, with_transforms(source.file, compression.transforms), made)
    images = context.example_images()
    checks.append(check_reload(made, bench.job.work / MODEL_FOLDER, bench.registry, images, context))
    return CheckedCompression(compression, size, checks)
