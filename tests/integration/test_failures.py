"""What goes wrong in one cell stays in that cell, typed by its real cause and visible."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Bench
from faulty import METHODS, install
from PIL import Image

from harness.store.layout import Layout
from harness.store.record import read_records

RUN = [sys.executable, "-c", "from harness.cli import main; main()", "run"]
OOM_HINT = "Lower the batch size or --workers, then run again with --retry oom."
DATA_HINT = "--retry data_error"
GRID = f"""\
models: [residual_fcn, untraceable, unprunable]
datasets: [{{name: digits, size: 32}}, {{name: cropped, size: 32}}, {{name: pictures, root: PICTURES}}]
recovery: {{iterations: 2, batch_size: 4, optimizer: {{type: SGD, lr: 1.0e+38}}, schedule: {{type: constant}}}}
exclude:
  - {{model: [untraceable, unprunable], dataset: [cropped, pictures]}}
  - {{model: [untraceable, unprunable], method: [{", ".join(METHODS)}, finetune]}}
  - {{dataset: [cropped, pictures], method: [{", ".join(METHODS)}, finetune]}}
pipelines: [l1@0.5+none, PIPELINES]
"""
FAULTY = [f"{name}@0.5+none" for name in METHODS if name != "hangs"]


def write_grid(path, pictures, pipelines):
    text = TINY.replace("models: [residual_fcn]\n", "").replace("datasets: [{name: digits, size: 32}]\n", "")
    text = text.replace("recovery: {iterations: 2, batch_size: 4}\n", "")
    grid = GRID.replace("PICTURES", str(pictures)).replace("PIPELINES", ", ".join(pipelines))
    path.write_text(text + grid)
    return path


def write_pictures(root):
    """Six images with label maps; the third is cut off in the middle."""
    generator = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(6):
        Image.fromarray(generator.integers(0, 255, (32, 32, 3), np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(generator.integers(0, 2, (32, 32), np.uint8)).save(root / "masks" / f"{number}.png")
    broken = root / "images" / "2.png"
    broken.write_bytes(broken.read_bytes()[:1500])
    return broken


class Faults:
    """Two runs of one grid of faults: the second also has what hangs, and a limit."""

    def __init__(self, site, folder):
        self.folder = folder
        self.broken = write_pictures(folder / "a folder of pictures")
        pictures = self.broken.parents[1]
        self.ledger = folder / "ledger"
        os.environ["FAULTY_LEDGER"] = str(self.ledger)
        try:
            bench = Bench(folder, str(site))
            self.file = write_grid(folder / "faults.yaml", pictures, ["l1@0.5+finetune", *FAULTY])
            self.output = bench("run", self.file, "--out", "results", "--workers", 2, expect=1)
            self.tries = len(self.ledger.read_text().split())
            self.first = {path.parent.name: path.read_text() for path in self.stage_files()}
            # Of what can run into the limit only `hangs` is new.
            self.all = write_grid(folder / "all.yaml", pictures, ["l1@0.5+finetune", *FAULTY, "hangs@0.5+none"])
            self.limited = bench("run", self.all, "--out", "results", "--timeout", 60, expect=1)
            self.tries_of_both = len(self.ledger.read_text().split())
            self.plan = bench("plan", self.all, "--out", "results", "--json")
            self.report = bench("report", "results")
            self.status = json.loads(bench("status", "results", "--json"))
        finally:
            del os.environ["FAULTY_LEDGER"]
        self.records = {
            (record.model, record.dataset, record.pipeline): record
            for record in read_records(Layout(folder / "results"))
        }

    def stage_files(self):
        return (self.folder / "results").glob("stages/*/stage.json")

    def failure(self, pipeline, model="residual_fcn", dataset="digits"):
        return self.records[model, dataset, pipeline].failure


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def faults(site, tmp_path_factory):
    return Faults(site, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize(
    ("pipeline", "kind", "message", "hint"),
    [
        ("exits@0.5+none", "worker_lost", "the worker ended with exit code 7", "--retry worker_lost"),
        ("raises@0.5+none", "plugin_error", "ZeroDivisionError: by design", "a defect of the plugin"),
        ("not_finite@0.5+none", "plugin_error", "scores that are not finite", "must return one finite score"),
        ("allocates@0.5+none", "oom", "DefaultCPUAllocator: can't allocate memory", OOM_HINT),
        ("allocates_numpy@0.5+none", "oom", "Unable to allocate 8.00 GiB", OOM_HINT),
        ("terminates@0.5+none", "worker_lost", "the worker was ended from outside by SIGTERM", "--retry worker_lost"),
        ("hangs@0.5+none", "timeout", "the stage had not ended after 60 s", "Raise --timeout"),
        ("l1@0.5+finetune", "nan_loss", "at iteration 2 of 2", "Lower the learning rate"),
    ],
)
def test_a_fault_has_its_kind_its_message_and_a_hint(faults, pipeline, kind, message, hint):
    failure = faults.failure(pipeline)
    assert failure.kind == kind
    assert message in failure.message
    assert hint in failure.hint
    record = faults.records["residual_fcn", "digits", pipeline]
    assert record.status == ("failed" if kind == "nan_loss" else "blocked"), "preparations are shared by settings"
    assert record.missing["latency"]
    assert f"{failure.kind}: {failure.message.splitlines()[0]}" in faults.output + faults.limited
    (standing,) = [cell for cell in faults.status[0]["cells"] if cell["cell"] == record.cell]
    assert (standing["state"], kind in standing["reason"]) == (record.status, True)


@pytest.mark.parametrize(
    ("model", "kind", "message", "hint"),
    [
        ("untraceable", "trace_error", "the forward pass failed in `backbone` while tracing: ValueError: not enough",
         "The model fails so without being traced, too"),
        ("unprunable", "unsupported_op", "no channel of", "--protect PATTERN"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_pruned_train_and_fail_there(faults, model, kind, message, hint):
    failure = faults.failure("l1@0.5+none", model=model)
    assert (failure.kind, message in failure.message, hint in failure.hint) == (kind, True, True), failure
    record = faults.records[model, "digits", "l1@0.5+none"]
    assert record.baseline.metrics["mIoU"] is not None, "its baseline is there"


def test_a_data_set_of_the_wrong_shape(faults):
    failure = faults.failure("l1@0.5+none", dataset="cropped")
    assert failure.kind == "data_error"
    assert failure.message == (
        "data set cropped (train): sample 0 of the first batch (img_id 0): its label map is [1, 30, 32]; "
        "expected [1, 32, 32], the size of its image"
    )
    assert DATA_HINT in failure.hint
    assert faults.records["residual_fcn", "cropped", "l1@0.5+none"].failed_stage == "train residual_fcn"


def test_a_corrupt_image_is_named(faults):
    failure = faults.failure("l1@0.5+none", dataset="pictures")
    assert failure.kind == "data_error"
    assert failure.message.startswith(f"data set pictures (train): sample 2 ({faults.broken}, labels ")
    assert "failed to load image" in failure.message
    assert DATA_HINT in failure.hint
    assert "LoadImageFromFile" in failure.traceback or "transforms" in failure.traceback


def test_what_is_beside_the_faults_is_complete(faults):
    record = faults.records["residual_fcn", "digits", "l1@0.5+none"]
    assert record.status == "complete"
    statuses = {key: record.status for key, record in faults.records.items()}
    assert [key for key, status in statuses.items() if status == "complete"] == [
        ("residual_fcn", "digits", "l1@0.5+none")
    ]
    assert len(statuses) == 3 + len(METHODS) + 3
    after = {path.parent.name: path.read_text() for path in faults.stage_files()}
    assert {name: after[name] for name in faults.first} == faults.first, "nothing complete ran again"


def test_every_failure_has_a_hint_a_log_and_a_place_in_the_tables(faults):
    failures = [record.failure for record in faults.records.values() if record.failure]
    assert len(failures) == len(faults.records) - 1
    assert all(failure.hint for failure in failures)
    assert {failure.kind for failure in failures} == {
        "worker_lost", "plugin_error", "oom", "timeout", "nan_loss", "trace_error", "unsupported_op", "data_error"
    }  # fmt: skip
    assert f"{len(failures)} of {len(faults.records)} cells failed" in faults.limited
    assert all(f": {failure.kind}" in faults.report for failure in failures)
    log = faults.folder / "results" / faults.failure("raises@0.5+none").log
    assert "by design" in log.read_text()


def test_what_was_ended_from_outside_is_tried_three_times_and_by_the_next_run(faults):
    assert (faults.tries, faults.tries_of_both) == (3, 6)
    actions = {cell["cell"]: cell["action"] for cell in json.loads(faults.plan)["cells"]}
    assert {action for name, action in actions.items() if "terminates" in name} == {"run"}
    assert {action for name, action in actions.items() if "exits" in name} == {"skip"}


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, 256 << 10))


def test_a_full_disk_costs_the_stage_that_filled_it(own_grid, tiny_file):
    bench, results = own_grid
    command = [*RUN, str(tiny_file), "--pipelines", "l1@0.25+none,l1@0.5", "--out", str(results)]
    run = subprocess.run(
        command, cwd=bench.folder, text=True, capture_output=True, timeout=300, check=False, preexec_fn=limit_file_size
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    records = {record.pipeline: record for record in read_records(Layout(results))}
    failure = records["l1@0.25+none"].failure
    assert (failure.kind, records["l1@0.25+none"].failed_stage) == ("disk_full", "compress l1@0.25")
    assert "File too large" in failure.message
    assert "Free some space" in failure.hint
    assert {name: record.status for name, record in records.items() if name != "l1@0.25+none"} == {
        "fpgm@0.5+finetune": "complete",
        "l1@0.5+finetune": "complete",
    }
    assert list(Layout(results).root.glob("stages/*/*.tmp")) == []
    again = subprocess.run(
        [*command, "--retry", "disk_full"], cwd=bench.folder, text=True, capture_output=True, timeout=300, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert {record.status for record in read_records(Layout(results))} == {"complete"}


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_ends_cleanly_and_the_same_command_goes_on(tiny_file, tmp_path, ending):
    command = [
        *RUN, str(tiny_file), "--methods", "l1", "--ratios", "0.5", "--out", "results",
        "--set", "training.iterations=150",
    ]  # fmt: skip
    run = subprocess.Popen(
        command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    _wait_until_it_trains(tmp_path / "results")
    os.killpg(run.pid, ending) if ending == signal.SIGINT else run.terminate()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert "Interrupted" in output
    assert "goes on" in output
    assert "Traceback" not in output
    (record,) = read_records(Layout(tmp_path / "results"))
    assert record.status == "interrupted"
    assert record.missing["latency"] == "the run was interrupted"
    assert record.baseline.metrics is None
    summary = json.loads((tmp_path / "results" / "summary.json").read_text())
    assert [row["status"] for row in summary["results"]] == ["interrupted"]
    assert _workers_in(tmp_path) == []

    resumed = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=300, check=False)
    assert resumed.returncode == 0, resumed.stdout
    (record,) = read_records(Layout(tmp_path / "results"))
    assert record.status == "complete"
    (train,) = (tmp_path / "results" / "stages").glob("train-*/stage.json")
    assert json.loads(train.read_text())["result"]["continued_from"] > 0


def _wait_until_it_trains(results):
    """Waits for the training's first whole checkpoint, from which it can go on."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if list(results.glob("work/train-*/mmengine/**/iter_*.pth.sha256")):
            return
        time.sleep(0.2)
    pytest.fail("the training did not start")


def _workers_in(folder):
    """Processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
    return found
