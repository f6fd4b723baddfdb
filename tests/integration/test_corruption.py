"""What was damaged, moved or made read-only is named precisely, set aside, and costs no more than its own stage."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from chaos import comparable_records, complete_stages, stored_files

from harness.store.layout import Layout
from harness.store.record import read_record, read_records
from harness.store.sealed import write_sealed

METHODS = ("--methods", "fpgm,l1", "--ratios", "0.5")
NEW_CELL = ("--pipelines", "fpgm@0.5,l1@0.5,fpgm@0.5+none")


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def empty(path):
    path.write_bytes(b"")


def flip_digit(path):
    """Makes another digit of the first one of the figure that people read."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b'"mIoU": 0.') + len(b'"mIoU": 0.')
    raw[at] = ord("9") if raw[at] != ord("9") else ord("8")
    path.write_bytes(raw)


def flip_byte(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def make_foreign(path):
    path.write_text('{"name": "another program", "version": 3}')


def make_newer(path):
    content = json.loads(path.read_text())
    del content["checksum"]
    write_sealed(path, {**content, "schema_version": 99})


DAMAGES = {
    "evaluate fpgm@0.5": ("stage.json", cut, "is not JSON"),
    "evaluate finetune after fpgm@0.5": ("stage.json", flip_digit, "its checksum does not fit"),
    "evaluate baseline": ("stage.json", empty, "is empty"),
    "measure fpgm@0.5+finetune": ("stage.json", make_foreign, "another program's file"),
    "evaluate l1@0.5": ("stage.json", make_newer, "is of schema version 99; this version of bench reads up to 2"),
    "recover finetune after l1@0.5": ("model/weights.safetensors", Path.unlink, "model/weights.safetensors is missing"),
    "prepare l1": ("state/state.safetensors", cut, "state/state.safetensors has "),
}
UNSEEN = (
    "compress fpgm@0.5",
    "model/weights.safetensors",
    "was changed after it was written: its checksum does not fit",
)
"""Found only by whoever starts from it: planning reads no weights."""


def stage_folders(results):
    found = {}
    for path in results.glob("stages/*/stage.json"):
        found[json.loads(path.read_text())["label"]] = path.parent
    return found


def started(results):
    """When each stage that is complete was made."""
    return {name: json.loads(text)["started"] for name, text in complete_stages(results).items()}


@pytest.fixture
def damaged(own_grid):
    """A folder with every damage at once, and what it was before."""
    bench, results = own_grid
    folders = stage_folders(results)
    before = {
        "records": comparable_records(results),
        "stages": {label: (folder / "stage.json").read_bytes() for label, folder in folders.items()},
        "files": stored_files(results),
        "records_on_disk": {path: path.read_bytes() for path in sorted(results.glob("cells/*/record.json"))},
    }
    for label, (file, damage, _) in DAMAGES.items():
        damage(folders[label] / file)
    flip_byte(folders[UNSEEN[0]] / UNSEEN[1])
    newer, truncated = before["records_on_disk"]
    make_newer(newer)
    cut(truncated)
    cut(results / "run.json")
    make_foreign(results / "summary.json")
    return bench, results, folders, before


def test_every_damage_is_named_set_aside_and_costs_its_own_stage(damaged, tiny_file):
    bench, results, folders, before = damaged
    _is_named_by_plan_status_and_why(bench, results, folders, tiny_file)
    damages = {label: (folders[label] / file, why) for label, (file, _, why) in DAMAGES.items()}
    contents = {label: path.read_bytes() for label, (path, _) in damages.items() if path.exists()}

    output = bench("run", tiny_file, *NEW_CELL, "--out", results)

    after = stage_folders(results)
    again = {label for label, raw in before["stages"].items() if (after[label] / "stage.json").read_bytes() != raw}
    assert again == {*DAMAGES, UNSEEN[0]}
    assert set(after) - set(before["stages"]) == {"measure fpgm@0.5+none"}
    assert output.count("] start ") == len(again) + 1
    _is_set_aside(results, {**{label: why for label, (_, why) in damages.items()}, UNSEEN[0]: UNSEEN[2]}, folders)
    for label, raw in contents.items():
        kept = results / "aside" / f"stages-{folders[label].name}-1" / DAMAGES[label][0]
        assert kept.read_bytes() == raw, "as it was found"

    records = comparable_records(results)
    assert {name: record for name, record in records.items() if name in before["records"]} == before["records"]
    assert {record["status"] for record in records.values()} == {"complete"}
    files = stored_files(results)
    assert {name: files[name] for name in before["files"]} == before["files"], "what ran again is what was lost"
    assert json.loads((results / "summary.json").read_text())["summary_stats"]["completed"] == 3
    assert "Nothing to do" in bench("run", tiny_file, *NEW_CELL, "--out", results)
    assert "warning" not in bench("status", results)


def _is_named_by_plan_status_and_why(bench, results, folders, tiny_file):
    plan = json.loads(bench("plan", tiny_file, *METHODS, "--out", results, "--json"))
    assert plan["stages_to_run"] == len(DAMAGES)
    reasons = {cell["cell"]: cell["reason"] for cell in plan["cells"]}
    assert all("stale: damaged: " in reason and str(results) in reason for reason in reasons.values())
    status = bench("status", results)
    told = [line for line in status.splitlines() if line.startswith("warning: ")]
    assert len(told) == 2
    assert "is of schema version 99" in told[0]
    assert "is not JSON" in told[1]
    explained = "".join(bench("why", cell, results) for cell in reasons)
    for label, (file, _, why) in DAMAGES.items():
        path = folders[label] / file if file == "stage.json" else f"{folders[label]}: {file}"
        line = next(line for line in explained.splitlines() if line.startswith(f"{label}: stale: damaged: "))
        assert str(path) in line, label
        assert why in line, label
    report = bench("report", results)
    assert "record.json: is of schema version 99" in report
    assert "Traceback" not in explained + status + report


def _is_set_aside(results, reasons, folders):
    aside = results / "aside"
    for label, why in reasons.items():
        name = f"stages-{folders[label].name}-1"
        assert (aside / name).is_dir(), label
        assert why in (aside / f"{name}.reason.txt").read_text(), label
    records = sorted(aside.glob("cells-*-record.json-1"))
    assert len(records) == 2
    for path, why in zip(records, ("is of schema version 99", "is not JSON"), strict=True):
        assert why in Path(f"{path}.reason.txt").read_text()
    assert len(list(aside.iterdir())) == 2 * (len(reasons) + len(records))


def test_a_benchmark_file_that_cannot_be_read_hides_no_record(own_grid):
    bench, results = own_grid
    (results / "benchmark.yaml").write_text("name: [unclosed")
    status = bench("status", results)
    assert "2 cells: 2 complete" in status
    assert "warning: what the last run asked for cannot be planned today: " in status
    assert str(results / "benchmark.yaml") in status
    assert "fpgm" in bench("report", results)


def test_stages_from_before_checksums_are_believed(own_grid, tiny_file):
    bench, results = own_grid
    before = started(results)
    for path in results.glob("stages/*/stage.json"):
        content = json.loads(path.read_text())
        for key in ("checksum", "subject", "files"):
            del content[key]
        path.write_text(json.dumps({**content, "schema_version": 1}))
    assert "Nothing to do" in bench("run", tiny_file, *METHODS, "--out", results)
    output = bench("run", tiny_file, *NEW_CELL, "--out", results)
    assert output.count("] start ") == 1
    assert {name: when for name, when in started(results).items() if name in before} == before
    assert not (results / "aside").exists()


ODD_NAME = """-it's a "folder" $HOME `x` ü/[red]日本 & co"""


def test_a_moved_folder_with_an_odd_name_is_like_any_other(own_grid, tiny_file, tmp_path):
    bench, results = own_grid
    bench = type(bench)(tmp_path)
    (tmp_path / ODD_NAME).parent.mkdir()
    results.rename(tmp_path / ODD_NAME)
    before = started(tmp_path / ODD_NAME)
    flip_byte(stage_folders(tmp_path / ODD_NAME)[UNSEEN[0]] / UNSEEN[1])
    output = bench("run", tiny_file, *NEW_CELL, "--out", ODD_NAME)
    assert output.count("] start ") == 2
    assert f"set aside: {ODD_NAME}/stages/compress-" in output
    assert f"Results: {ODD_NAME}" in output
    assert set(before) <= set(started(tmp_path / ODD_NAME))
    report = bench("report", "--", ODD_NAME)
    assert report.startswith(Path(ODD_NAME).name)
    assert "none" in report
    status = bench("status", "--", ODD_NAME)
    assert "3 cells: 3 complete" in status
    assert ODD_NAME in status
    why = bench("why", "--", "fpgm@0.5+none", ODD_NAME)
    assert f"in {ODD_NAME}/stages/" in why
    assert {path.name for path in tmp_path.iterdir()} == {Path(ODD_NAME).parent.name}, "nothing beside it"


def test_a_folder_below_a_file_cannot_be_written(tiny_file, tmp_path, own_grid):
    bench, _ = own_grid
    (tmp_path / "file").write_text("mine")
    output = bench("run", tiny_file, *METHODS, "--out", tmp_path / "file" / "results", expect=2)
    assert f"--out {tmp_path / 'file' / 'results'}: cannot be written" in output
    assert "Name another folder" in output
    assert (tmp_path / "file").read_text() == "mine"


def _obey_modes():
    """Root may write everywhere; without this capability (capabilities(7)) it may do what modes say."""
    drop_from_bounding_set, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


@pytest.fixture
def read_only(own_grid):
    """A read-only copy of the grid, and a way to run Python so that modes count."""
    _, results = own_grid
    everything = [results, *results.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)

    def python(code, *arguments):
        run = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], text=True, capture_output=True, cwd=results.parent,
            env={**os.environ, "COLUMNS": "200"}, check=False, preexec_fn=_obey_modes,
        )  # fmt: skip
        return run.returncode, run.stdout + run.stderr

    yield python, results
    for path in everything:
        path.chmod(path.stat().st_mode | 0o200)


def test_a_read_only_folder_is_read_and_not_written(read_only, tiny_file):
    python, results = read_only
    if python("import sys; open(sys.argv[1] + '/probe', 'w')", results)[0] == 0:
        (results / "probe").unlink()
        pytest.skip("modes do not keep this user from writing")
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    main = "from harness.cli import main; main()"
    for arguments in (
        ("report", results, "--columns", "pipeline"), ("status", results), ("why", "fpgm@0.5+finetune", results),
        ("plan", tiny_file, *METHODS, "--out", results),
    ):  # fmt: skip
        code, output = python(main, *arguments)
        assert (code, "fpgm@0.5+finetune" in output) == (0, True), output
    code, output = python(main, "run", tiny_file, *METHODS, "--out", results)
    assert code == 2
    assert f"--out {results}: cannot be written (Permission denied)" in output
    assert "Name another folder, or make this one writable." in output
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_records_of_the_grid_are_readable_one_by_one(grid):
    """So that the tests above damage something that was whole."""
    for path in grid[1].glob("cells/*/record.json"):
        assert read_record(path) in read_records(Layout(grid[1]))
