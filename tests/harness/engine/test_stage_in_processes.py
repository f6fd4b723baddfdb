"""A whole stage whose training is done by two processes."""

import torch
from test_starting_a_baseline import job  # noqa: F401  (fixture)

from harness.engine.artifact import load_model
from harness.execution.worker import TorchEngine
from harness.registry import discover


def test_a_baseline_is_trained_by_two_processes(job, tmp_path):  # noqa: F811
    asked = job(freeze="*.bn1.*")
    training = {**asked.fields.parameters["training"], "iterations": 2, "batch_size": 4, "processes": 2}
    fields = asked.fields.model_copy(update={"parameters": {**asked.fields.parameters, "training": training}})
    told = []
    result = TorchEngine().run(asked.model_copy(update={"fields": fields}), lambda *what: told.append(what))
    assert (result["iterations"], result["continued_from"]) == (2, 0)
    assert result["process_peak_bytes"] > 100 << 20
    assert told == [(2, 2, f"loss {result['final_loss']:.3f}")]
    weights = load_model(tmp_path / "model", discover()).model.state_dict()
    assert weights["backbone.bn1.weight"].eq(1).all()  # frozen
    assert weights["backbone.bn1.num_batches_tracked"] == 0
    assert weights["backbone.layer1.0.bn2.num_batches_tracked"] == 2
    assert all(bool(torch.isfinite(value).all()) for value in weights.values() if value.is_floating_point())
    assert not list((tmp_path / "mmengine").rglob("*.pth"))
