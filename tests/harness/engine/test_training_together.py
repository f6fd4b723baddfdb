"""Two processes on the CPU train one network."""

import json
import os
from pathlib import Path

import pytest
import torch
from cells import make_stage
from small_members import make_network
from small_training import Rates, run

from harness.engine.freezing import FreezeHook
from harness.engine.handover import train_elsewhere
from harness.errors import BenchError
from harness.execution.training_processes import train_in_processes
from harness.plan.job import StageJob
from harness.spec.budget import TrainingBudget

TRAIN = make_stage("train", "train")
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(SUPPORT)]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def budget(**more):
    sgd = {"type": "SGD", "lr": 0.1, "momentum": 0.9}
    given = {"iterations": 8, "batch_size": 8, "optimizer": sgd, "schedule": {"type": "constant"}, **more}
    return TrainingBudget.model_validate(given)


def together(model, asked, work, progress=lambda *told: None, **more):
    """Returns the outcome, and what each process has seen."""
    label = json.dumps({"budget": asked.model_dump(mode="json"), **more})
    job = StageJob(fields=TRAIN.fields, identity="together", label=label, inputs={}, work=work, root=work)

    def launch(devices, trained):
        train_in_processes(job, devices, trained, progress, "small_members")

    outcome = train_elsewhere(model, asked.processes, work, launch)
    return outcome, [json.loads((work / f"seen-{rank}.json").read_text()) for rank in range(asked.processes)]


def assert_equal(model, expected, tolerance):
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=tolerance, msg=lambda m, n=name: n + m)


def test_two_processes_train_as_one_does(tmp_path):
    """With everything that sees gradients or losses: accumulated and clipped gradients, a plateau, frozen weights."""
    schedule = {"type": "plateau", "window": 2, "patience": 0, "gamma": 0.5}
    asked = budget(accumulate=2, clip_norm=1.0, schedule=schedule, activation_checkpointing=["body.0"])
    alone, rates = make_network(plain=True), Rates()
    expected = run(alone, asked, tmp_path / "alone", [rates, FreezeHook(["body.1.*"], 4)])
    model = make_network(plain=True)
    told = []
    processes = asked.model_copy(update={"processes": 2})
    outcome, seen = together(
        model, processes, tmp_path / "work", lambda *what: told.append(what), plain=True, frozen=4
    )  # fmt: skip
    assert len(set(rates.found)) > 1  # the plateau was met
    assert seen[0]["rates"] == seen[1]["rates"] == pytest.approx(rates.found)
    assert seen[0]["losses"] == seen[1]["losses"]
    assert_equal(model, alone, 1e-6)
    assert outcome.final_loss == pytest.approx(expected.final_loss)
    assert (outcome.iterations, outcome.continued_from) == (4, 0)
    assert told == [(8, 8, f"loss {expected.final_loss:.3f}")]
    left = {path.name for path in (tmp_path / "work").iterdir()}
    assert "curves-0" in left  # only process 0 writes
    assert "curves-1" not in left
    assert not any(name.endswith((".pth", ".sha256")) for name in left)


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(tmp_path):
    """With dropout and batch normalisation, of which each process has its own."""
    asked, kept = budget(iterations=14, processes=2), str(tmp_path / "work")
    whole, continued = make_network(plain=False), make_network(plain=False)
    expected, seen = together(whole, asked, tmp_path / "whole", plain=False, kept_at=10, kept_in=kept)
    outcome, again = together(continued, asked, tmp_path / "work", plain=False)
    assert outcome.continued_from == 9
    assert outcome.final_loss == expected.final_loss
    assert_equal(continued, whole, 0)
    assert seen[0]["statistics"] == seen[1]["statistics"] == [whole.body[1].running_mean.tolist()]
    for rank in (0, 1):
        assert again[rank]["losses"] == seen[rank]["losses"][outcome.continued_from :]


def test_an_error_in_a_process_ends_the_training(tmp_path):
    asked = budget(processes=2)
    with pytest.raises(BenchError) as raised:
        together(make_network(plain=True), asked, tmp_path / "work", plain=True, fails_at=3)
    assert raised.value.message == "process 1 of the training: ArithmeticError"
