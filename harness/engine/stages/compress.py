"""Stage `compress`: one setting of a compressor, checked before anything is believed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.engine.checks import require_passed
from harness.engine.stages.checked_compression import compress_and_check
from harness.engine.stages.models import load_input
from harness.engine.stages.state import load_state
from harness.engine.workbench import Workbench, load_compressor
from harness.registry import State
from harness.spec.setting import setting_from_json


def run_compress(bench: Workbench) -> dict[str, Any]:
    """Compresses a private copy of the input model, checks the result and stores it."""
    compressor = load_compressor(bench)
    source = load_input(bench, "model")
    state = load_state(bench.job.inputs["state"] / "state") if "state" in bench.job.inputs else State()
    setting = setting_from_json(bench.parameters["setting"])
    made = compress_and_check(bench, compressor, source, load_input(bench, "model").model, setting, state)
    for check in made.checks:
        bench.logger.info("check %s: %s %s", check.name, check.verdict, check.detail)
    require_passed(made.checks)
    return {
        "size": made.size,
        "achieved": made.compression.achieved,
        "checks": [asdict(check) for check in made.checks],
        "details": made.compression.details,
    }
