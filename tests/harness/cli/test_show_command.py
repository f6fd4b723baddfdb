import json

import pytest
from test_startup import modules_of

from harness.cli.commands import show as command
from harness.errors import UserError
from harness.execution import pictures
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage
from harness.plan.hardware import available_cores
from harness.store.artifact import ModelBase, ModelFile, write_model_file
from harness.store.failure import Failure

LOW, HIGH = (f"residual_fcn__digits__l1@{ratio}+finetune__seed0" for ratio in (0.2, 0.5))


class Workers:
    """Answers jobs as a worker would, without one."""

    def __init__(self, answer):
        self.answer = answer
        self.jobs = []
        self.closed = False

    def submit(self, job):
        self.jobs.append(job)

    def wait(self, timeout):
        return [_Event(message) for message in self.answer(self.jobs[-1])]

    def close(self):
        self.closed = True


class _Event:
    def __init__(self, message):
        self.message = message


def painting(job):
    names = [f"{job.split or 'test'}_{number}.png" for number in job.images or range(job.samples)]
    job.answer.write_text(json.dumps(names))
    return [ProgressMessage(done=1, total=1, text="painting"), DoneMessage()]


def failing(kind, message="it failed", hint="own hint"):
    def answer(job):
        (job.work / pictures.LOG).write_text("a traceback")
        return [FailedMessage(failure=Failure(kind=kind, message=message, hint=hint))]

    return answer


@pytest.fixture
def workers(monkeypatch):
    """Puts the answers of `Workers` in the place of a worker process."""
    made = Workers(painting)
    paint = pictures.paint
    monkeypatch.setattr(pictures, "paint", lambda job, told: paint(job, told, lambda: made))
    return made


@pytest.fixture
def complete_folder(run_folder):
    """A run whose cells are complete, their artifacts with a description."""
    run_folder.complete(*run_folder.cells)
    for cell in run_folder.cells:
        for point in cell.points:
            folder = run_folder.layout.stage(point.made.kind, point.made.identity) / "model"
            write_model_file(folder, ModelFile(base=ModelBase(task="segmentation", name="x", config={})))
    return run_folder


def test_pictures_are_told_by_their_paths(bench, complete_folder, workers):
    root = complete_folder.layout.root
    result = bench("show", "l1@0.5", root)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(root / "pictures" / HIGH / f"test_{number}.png") for number in range(4)]
    assert result.stderr == ""
    assert workers.closed


def test_the_worker_is_told_what_the_record_and_the_flags_say(bench, complete_folder, workers, tmp_path):
    layout = complete_folder.layout
    arguments = ("--images", "7, 3,7", "--split", "val", "--out", tmp_path / "out", "--device", "cpu")
    assert bench("show", LOW, layout.root, *arguments).exit_code == 0
    (job,) = workers.jobs
    cell = complete_folder.cells[0]
    baseline, last = cell.points[0].made, cell.points[-1]
    assert job.models == {
        "baseline": layout.stage("train", baseline.identity) / "model",
        "l1@0.2+finetune": layout.stage("recover", last.made.identity) / "model",
    }
    assert job.fields == last.evaluated.fields
    assert (job.cell, job.images, job.split, job.device) == (LOW, (7, 3), "val", "cpu")
    assert job.out == tmp_path / "out"
    assert job.stage.fields.plugins["dataset"]["source"] is None


def test_a_deterministic_cell_is_painted_with_one_thread(bench, complete_folder, workers):
    bench("show", LOW, complete_folder.layout.root)
    complete_folder.ask(methods=["l1"], ratios=[0.2], deterministic=True)
    complete_folder.complete(*complete_folder.cells)
    for point in complete_folder.cells[0].points:
        folder = complete_folder.layout.stage(point.made.kind, point.made.identity) / "model"
        write_model_file(folder, ModelFile(base=ModelBase(task="segmentation", name="x", config={})))
    bench("show", LOW, complete_folder.layout.root)
    assert [job.threads for job in workers.jobs] == [available_cores(), 1]


def test_what_each_class_lost_is_a_picture_too(bench, complete_folder, workers):
    layout = complete_folder.layout
    from cells import complete

    for point in complete_folder.cells[0].points:
        complete(layout, point.evaluated, metrics={"mIoU": 0.5, "IoU.road": 0.9, "IoU.sky": 0.4})
    complete_folder.record()
    file = layout.pictures / LOW / "iou_drops.png"
    assert bench("show", LOW, layout.root, "--samples", "1").stdout.splitlines()[1:] == [str(file)]
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "1", "--samples", "2"], "--samples: --images says already which samples are shown"),
        (["--images", "one"], "--images: 'one' is no list of numbers"),
        (["--images", "-1"], "--images: '-1' is no list of numbers"),
        (["--images", ","], "--images: ',' is no list of numbers"),
        (["--device", "gpu"], "--device: 'gpu' is not a device"),
    ],
)
def test_mistakes_in_flags(bench, complete_folder, workers, arguments, message):
    result = bench("show", LOW, complete_folder.layout.root, *arguments)
    assert result.exit_code == 2
    assert f"error: {message}" in result.stderr
    assert workers.jobs == []


def test_a_cell_without_a_record_and_one_that_failed_cannot_be_shown(bench, run_folder, workers):
    result = bench("show", LOW, run_folder.layout.root)
    assert result.exit_code == 2
    assert f"error: {LOW}: the cell is never run, and only complete ones can be shown" in result.stderr
    run_folder.fail(run_folder.cells[1].points[1].made)
    run_folder.record()
    result = bench("show", HIGH, run_folder.layout.root)
    assert result.exit_code == 2
    assert f"error: {HIGH}: the cell is failed, and only complete ones can be shown" in result.stderr
    assert f"bench why '{HIGH}' {run_folder.layout.root}" in result.stderr
    assert workers.jobs == []


def test_a_record_of_a_cell_that_did_not_come_to_its_end_is_told_in_words(bench, run_folder, workers):
    run_folder.record()
    result = bench("show", LOW, run_folder.layout.root)
    assert result.exit_code == 2
    assert "the cell is never run, and only" in result.stderr


@pytest.mark.parametrize("below", [(), ("deeper",)])
def test_a_wrong_folder_is_told_before_the_worker_starts(bench, complete_folder, workers, tmp_path, below):
    (tmp_path / "afile").touch()
    out = tmp_path.joinpath("afile", *below)
    result = bench("show", LOW, complete_folder.layout.root, "--out", out)
    assert result.exit_code == 2
    assert f"error: --out {out}: not a folder, or not below one" in result.stderr
    assert workers.jobs == []


def test_data_that_have_moved_are_found_with_a_flag(bench, run_folder, workers, tmp_path):
    bench("datasets", "fixture", "camvid", tmp_path / "streets", "--samples", 2)
    run_folder.ask(methods=["l1"], ratios=[0.2], datasets=[{"name": "camvid", "root": str(tmp_path / "streets")}])
    (cell,) = run_folder.cells
    run_folder.complete(cell)
    for point in cell.points:
        folder = run_folder.layout.stage(point.made.kind, point.made.identity) / "model"
        write_model_file(folder, ModelFile(base=ModelBase(task="segmentation", name="x", config={})))
    root, moved = run_folder.layout.root, tmp_path / "moved"
    assert bench("show", "l1@0.2", root).exit_code == 0
    assert workers.jobs[-1].paths == {"root": str(tmp_path / "streets")}
    (tmp_path / "streets").rename(moved)
    result = bench("show", "l1@0.2", root)
    assert result.exit_code == 2
    assert "where data set camvid lies is not known: what the last run asked for cannot be planned" in result.stderr
    assert "Give --data-root FOLDER." in result.stderr
    result = bench("show", "l1@0.2", root, "--data-root", moved)
    assert (result.exit_code, result.stderr) == (0, "")
    assert workers.jobs[-1].paths == {"root": str(moved)}
    result = bench("show", "l1@0.2", root, "--data-root", tmp_path / "nowhere")
    assert (result.exit_code, "--data-root: there is no folder" in result.stderr) == (2, True)
    run_folder.ask(methods=["l1"], ratios=[0.2])
    assert "camvid lies is not known: the last run did not ask for it" in bench("show", cell.cell.name, root).stderr


def test_a_data_set_that_lies_in_no_folder_has_no_other_place(bench, complete_folder, workers, tmp_path):
    result = bench("show", LOW, complete_folder.layout.root, "--data-root", tmp_path)
    assert result.exit_code == 2
    assert "--data-root: data set digits has no option `root`" in result.stderr


def test_a_model_or_an_evaluation_that_is_gone_is_named(bench, complete_folder, workers):
    layout, point = complete_folder.layout, complete_folder.cells[0].points[-1]
    model = layout.stage("recover", point.made.identity) / "model" / "model.json"
    model.unlink()
    result = bench("show", LOW, layout.root)
    assert result.exit_code == 2
    assert f"the model behind finetune is gone: there is no {model}" in result.stderr
    (layout.stage("evaluate", point.evaluated.identity) / "stage.json").unlink()
    assert f"the stage that evaluated it is gone from {layout.stages}" in bench("show", LOW, layout.root).stderr


def test_other_data_than_the_cell_was_evaluated_on_is_told(bench, complete_folder, workers, monkeypatch):
    monkeypatch.setattr(pictures, "changed_data", lambda job, registry: True)
    result = bench("show", LOW, complete_folder.layout.root)
    assert result.exit_code == 0
    assert "warning: data set digits is not today what the cell was evaluated on" in result.stderr


def test_data_are_compared_by_their_fingerprint(complete_folder, workers, bench):
    from harness.registry import discover

    assert bench("show", LOW, complete_folder.layout.root).exit_code == 0
    (job,) = workers.jobs
    assert not pictures.changed_data(job, discover())
    fields = job.fields.model_copy(update={"dataset": "another"})
    assert pictures.changed_data(job.model_copy(update={"fields": fields}), discover())


@pytest.mark.parametrize(
    ("kind", "hint", "kept"),
    [
        ("unsupported_op", "own hint", False),
        ("config_error", "own hint", False),
        ("plugin_error", "pictures.log", True),
    ],
)
def test_a_worker_that_fails_ends_the_command_and_keeps_its_log_where_it_is_named(
    bench, complete_folder, workers, kind, hint, kept
):
    workers.answer = failing(kind)
    result = bench("show", LOW, complete_folder.layout.root)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {LOW}: it failed\n  ")
    assert hint in result.stderr
    log = complete_folder.layout.pictures / LOW / pictures.LOG
    assert log.exists() == kept
    assert workers.closed


def test_cells_are_named_like_those_of_why(bench, complete_folder, workers):
    result = bench("show", "l1", complete_folder.layout.root)
    assert result.exit_code == 2
    assert "'l1' is a part of 2 cells" in result.stderr


def test_numbers_of_images_keep_their_order():
    assert command._numbers("7, 3 ,7") == (7, 3)
    assert command._numbers(None) == ()
    with pytest.raises(UserError):
        command._numbers("")


def test_the_command_line_imports_no_torch(complete_folder, tmp_path):
    modules = modules_of("show", "--help", cwd=tmp_path)
    assert not {"torch", "mmengine", "matplotlib", "numpy"} & modules
