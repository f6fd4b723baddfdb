"""Stage `prepare`: the expensive part of a compressor, shared by its settings."""

from __future__ import annotations

from typing import Any

from harness.engine.context import StageContext
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import load_input
from harness.engine.stages.state import save_state
from harness.engine.workbench import Workbench, load_compressor


def run_prepare(bench: Workbench) -> dict[str, Any]:
    """Lets the method prepare on the input model and stores its state."""
    compressor = load_compressor(bench)
    model = load_input(bench, "model").model
    with seeded(derive_seed(bench.seed, "prepare")):
        context = StageContext(bench)
        state = compressor.prepare(model, context)
    save_state(bench.job.work / "state", state)
    return {"tensors": len(state.tensors), "iterations": context.iterations or None}
