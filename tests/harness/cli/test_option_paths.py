"""Options that are paths: relative to the file that they are written in, and in no identity."""

import json
import shutil

import pytest

from harness.cli.planning import plan_of
from harness.engine.workbench import open_workbench
from harness.plan.job import StageJob

GRID = {"methods": "l1", "ratios": "0.5", "controls": []}


@pytest.fixture
def folder(bench, tmp_path, monkeypatch):
    """A folder beside the working directory, with a benchmark file, a data set and weights in it."""
    folder = tmp_path / "grids"
    folder.mkdir()
    assert bench("datasets", "fixture", "camvid", folder / "data", "--samples", 2).exit_code == 0
    (folder / "w.pth").write_bytes(b"weights")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


@pytest.fixture
def plan(folder):
    def make(datasets="[{name: camvid, root: data}]", *assignments):
        file = folder / "b.yaml"
        models = "models: [{name: resnet50_seg, backbone_checkpoint: w.pth}]"
        file.write_text(f"{models}\ndatasets: {datasets}\n")
        made, _ = plan_of(file, GRID, list(assignments), out=None, device="cpu", limit=None, disabled=())
        return made

    return make


def test_in_a_file_they_are_relative_to_the_file(plan, folder):
    made = plan()
    train, *others = made.stages
    assert train.paths == {
        "dataset": {"root": str(folder / "data")},
        "model": {"backbone_checkpoint": str(folder / "w.pth")},
    }
    assert {str(stage.paths) for stage in others} == {str({"dataset": {"root": str(folder / "data")}})}
    assert [choice.options["root"] for choice in made.benchmark.datasets] == [str(folder / "data")]


def test_in_a_flag_they_are_relative_to_the_working_directory(plan, folder):
    shutil.move(folder / "data", folder.parent / "elsewhere" / "data")
    made = plan("[digits]", "datasets=[{name: camvid, root: data}]")
    assert made.stages[0].paths["dataset"] == {"root": str(folder.parent / "elsewhere" / "data")}
    assert made.stages[0].paths["model"] == {"backbone_checkpoint": str(folder / "w.pth")}


def test_a_moved_data_set_is_the_same_and_another_one_is_not(plan, folder):
    before = plan()
    shutil.move(folder / "data", folder / "moved")
    after = plan("[{name: camvid, root: moved}]")
    assert [stage.identity for stage in before.stages] == [stage.identity for stage in after.stages]
    assert str(folder) not in json.dumps([stage.fields.model_dump(mode="json") for stage in after.stages])
    next((folder / "moved" / "train").glob("*.png")).unlink()
    next((folder / "moved" / "trainannot").glob("*.png")).unlink()
    assert plan("[{name: camvid, root: moved}]").stages[0].identity != after.stages[0].identity


def test_a_worker_finds_the_files(plan, folder, tmp_path):
    stage = plan().stages[0]
    job = StageJob(
        fields=stage.fields, identity=stage.identity, label="x", inputs={}, work=tmp_path, root=tmp_path, device="cpu",
        paths={role: dict(paths) for role, paths in stage.paths.items()},
    )  # fmt: skip
    bench = open_workbench(StageJob.model_validate_json(job.model_dump_json()), lambda done, total, text: None)
    assert bench.dataset.options.root == folder / "data"
