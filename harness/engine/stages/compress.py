"""Stage `compress`: one setting of a compressor, checked before anything is believed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.engine.artifact import with_transforms
from harness.engine.checks import check_compression, check_reload, require_passed
from harness.engine.context import StageContext
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import MODEL_FOLDER, load_input, save_output
from harness.engine.stages.state import load_state
from harness.engine.workbench import Workbench, load_compressor
from harness.registry import State
from harness.spec.setting import setting_from_json


def run_compress(bench: Workbench) -> dict[str, Any]:
    """Compresses a private copy of the input model, checks the result and stores it."""
    compressor = load_compressor(bench)
    context = StageContext(bench)
    source = load_input(bench, "model")
    state = load_state(bench.job.inputs["state"] / "state") if "state" in bench.job.inputs else State()
    with seeded(derive_seed(bench.seed, "compress")):
        compression = compressor.compress(
            load_input(bench, "model").model, setting_from_json(bench.parameters["setting"]), state, context
        )
    model = compression.model.to(bench.device).eval()
    checks = [*compression.checks, *check_compression(source.model, model, context, compression.achieved)]
    size = save_output(bench, with_transforms(source.file, compression.transforms), model)
    images = context.example_images()
    checks.append(check_reload(model, bench.job.work / MODEL_FOLDER, bench.registry, images, context))
    for check in checks:
        bench.logger.info("check %s: %s %s", check.name, check.verdict, check.detail)
    require_passed(checks)
    return {
        "size": size,
        "achieved": compression.achieved,
        "checks": [asdict(check) for check in checks],
        "details": compression.details,
    }
