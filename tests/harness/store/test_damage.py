"""What was damaged on disk is found, named and moved out of the way; it is never deleted and never believed."""

import json

import pytest
from cells import complete, make_stage

from harness.store.aside import set_aside
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.sealed import write_sealed
from harness.store.stage import (
    damaged_files,
    find_failure,
    find_stage,
    publish_failure,
    read_stage,
    read_stage_file,
    set_aside_if_damaged,
)

STAGE, OTHER = make_stage("train", "train model"), make_stage("train", "train another model")
KEY = (STAGE.kind, STAGE.identity)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


@pytest.fixture
def folder(layout):
    complete(layout, STAGE)
    return layout.stage(*KEY)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[max(raw.find(b"train model"), 0)] ^= 4
    path.write_bytes(raw)


def newer(path):
    content = json.loads(path.read_text())
    del content["checksum"]
    write_sealed(path, {**content, "schema_version": 3})


def another(path):
    """As if the folder of another stage had been renamed."""
    content = json.loads(path.read_text())
    del content["checksum"]
    write_sealed(path, {**content, "identity": OTHER.identity, "label": OTHER.label})


def lacks_a_field(path):
    content = json.loads(path.read_text())
    del content["checksum"], content["label"]
    write_sealed(path, content)


DOCUMENTS = {
    "cut off": (cut, "is not JSON"),
    "flipped": (flip, "checksum does not fit"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "a list": (lambda path: path.write_text("[]"), "another program's file"),
    "an object": (lambda path: path.write_text('{"name": "x"}'), "another program's file"),
    "newer": (newer, "is of schema version 3; this version of bench reads up to 2"),
    "another's": (another, "belongs to another stage (train another model)"),
    "a field is missing": (lacks_a_field, "label: Field required"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read (Is a directory"),
}
WEIGHTS = {
    "missing": (lambda path: path.unlink(), "model/weights.bin is missing"),
    "short": (cut, "model/weights.bin has 44 bytes, not 64"),
    "long": (lambda path: path.write_bytes(bytes(65)), "model/weights.bin has 65 bytes, not 64"),
}
FLIPPED_WEIGHTS = "model/weights.bin was changed after it was written: its checksum does not fit"


def parameters(damages):
    return pytest.mark.parametrize(("damage", "problem"), damages.values(), ids=list(damages))


@parameters(DOCUMENTS)
def test_a_damaged_stage_file_is_no_stage(layout, folder, damage, problem):
    damage(folder / "stage.json")
    found = find_stage(layout, *KEY)
    assert found.file is None
    assert found.problem.startswith(f"{folder / 'stage.json'}: ")
    assert problem in found.problem
    assert read_stage(layout, *KEY) is None


@parameters(WEIGHTS)
def test_a_stage_without_what_it_made_is_no_stage(layout, folder, damage, problem):
    damage(folder / "model" / "weights.bin")
    assert find_stage(layout, *KEY) == (None, f"{folder}: {problem}")


def test_flipped_weights_are_found_by_whoever_reads_them(layout, folder):
    stage = read_stage(layout, *KEY)
    assert damaged_files(layout, stage) == ""
    flip(folder / "model" / "weights.bin")
    assert find_stage(layout, *KEY) == (stage, ""), "lengths alone are judged at first"
    assert damaged_files(layout, stage) == f"{folder}: {FLIPPED_WEIGHTS}"
    (folder / "model" / "weights.bin").unlink()
    assert damaged_files(layout, stage) == f"{folder}: model/weights.bin is missing"


def test_a_folder_without_a_stage_file_is_no_stage(layout, folder):
    (folder / "stage.json").unlink()
    assert find_stage(layout, *KEY) == (None, f"{folder}: has no stage.json")


def test_files_that_others_put_there_are_no_damage(layout, folder):
    (folder / "model" / "notes.txt").write_text("mine")
    stage, problem = find_stage(layout, *KEY)
    assert stage is not None
    assert (problem, damaged_files(layout, stage)) == ("", "")


@parameters({**DOCUMENTS, "no stage file": (lambda path: path.unlink(), "has no stage.json")})
def test_a_damaged_stage_is_set_aside_with_the_reason_and_its_files(layout, folder, damage, problem):
    damage(folder / "stage.json")
    said = set_aside_if_damaged(layout, *KEY)
    assert problem in said
    assert find_stage(layout, *KEY) == (None, "")
    kept, reason = sorted(layout.aside.iterdir(), key=lambda path: len(path.name))
    assert kept.name == f"stages-{folder.name}-1"
    assert (kept / "model" / "weights.bin").read_bytes() == STAGE.identity.encode()
    assert reason.name == f"{kept.name}.reason.txt"
    assert reason.read_text() == f"stages/{folder.name}: {said}\n"


def test_a_second_damaged_one_gets_another_number(layout):
    for number in (1, 2, 3):
        complete(layout, STAGE, number=number)
        (layout.stage(*KEY) / "stage.json").write_text(str(number))
        assert set_aside_if_damaged(layout, *KEY)
    name = layout.stage(*KEY).name
    kept = {number: (layout.aside / f"stages-{name}-{number}" / "stage.json").read_text() for number in (1, 2, 3)}
    assert kept == {1: "1", 2: "2", 3: "3"}
    assert len(list(layout.aside.glob("*.reason.txt"))) == 3


def test_what_is_whole_or_not_there_stays_where_it_is(layout, folder):
    assert set_aside_if_damaged(layout, *KEY) == ""
    assert set_aside_if_damaged(layout, OTHER.kind, OTHER.identity) == ""
    assert read_stage(layout, *KEY) is not None
    assert not layout.aside.exists()


def test_any_file_below_the_folder_can_be_set_aside(layout):
    path = layout.record("a cell")
    path.parent.mkdir(parents=True)
    path.write_text("x")
    target = set_aside(layout, path, "why")
    assert (target.parent, target.read_text()) == (layout.aside, "x")
    assert not path.exists()
    assert target.name == f"cells-{path.parent.name}-record.json-1"


def fail(layout):
    failure = Failure(kind="oom", message="too big")
    publish_failure(layout, layout.work(*KEY), *KEY, STAGE.label, failure)
    return layout.failure(*KEY) / "failure.json"


@parameters(DOCUMENTS)
def test_a_damaged_failure_is_no_failure_and_set_aside(layout, damage, problem):
    path = fail(layout)
    damage(path)
    found = find_failure(layout, *KEY)
    assert found.file is None
    assert found.problem.startswith(f"{path}: ")
    assert problem in found.problem
    assert set_aside_if_damaged(layout, *KEY) == found.problem
    assert find_failure(layout, *KEY) == (None, "")
    (reason,) = layout.aside.glob("failures-*.reason.txt")
    assert found.problem in reason.read_text()


def test_a_stage_and_its_failure_may_both_be_damaged(layout, folder):
    path = fail(layout)
    for damaged in (folder / "stage.json", path):
        cut(damaged)
    assert set_aside_if_damaged(layout, *KEY).startswith(str(folder / "stage.json"))
    assert len(list(layout.aside.glob("*.reason.txt"))) == 2


@parameters(DOCUMENTS)
def test_a_file_that_nobody_asked_for_by_name_is_passed_over_when_it_is_damaged(layout, folder, damage, problem):
    path = folder / "stage.json"
    assert read_stage_file(path).label == STAGE.label
    damage(path)
    found = read_stage_file(path)
    assert found is None or found.identity == OTHER.identity


def test_there_is_nothing_to_read_where_nothing_is(tmp_path):
    assert read_stage_file(tmp_path / "stage.json") is None
