"""How a run ends: expected failures are no reason for a red exit code, expected failures that pass are."""

import io

import pytest
import typer
from cells import make_plan_of
from records import make_record
from rich.console import Console

from harness.cli.conclusion import conclude, expectations_of
from harness.errors import UserError
from harness.execution.run import RunOutcome
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.record import write_record

PLAN = make_plan_of(["l1@0.2+finetune", "l1@0.5+finetune"])


def end(tmp_path, file, statuses, kinds=(), **given):
    """Returns the exit code and what was printed; `kinds` are those of the first cells' failures."""
    records = [
        make_record(str(planned.cell.pipeline), status=status).model_copy(update={"cell": planned.cell.name})
        for planned, status in zip(PLAN.cells, statuses, strict=True)
    ]
    for index, kind in enumerate(kinds):
        records[index] = records[index].model_copy(update={"failure": Failure(kind=kind, message="no")})
    for record in records:
        write_record(Layout(tmp_path), record)
    output = io.StringIO()
    expectations = expectations_of(file, PLAN)
    outcome = RunOutcome(records, executed=list(PLAN.stages), **given)
    code = 0
    try:
        conclude(outcome, PLAN, expectations, tmp_path, Console(file=output, width=200), forced=False)
    except typer.Exit as error:
        code = error.exit_code
    return code, output.getvalue()


@pytest.fixture
def known(tmp_path):
    file = tmp_path / "known.yaml"
    file.write_text("- {pipeline: l1@0.5+finetune, kind: oom, reason: needs a larger machine}\n")
    return file


def test_without_a_file_every_failure_is_red(tmp_path):
    code, output = end(tmp_path, None, ["complete", "failed"])
    assert code == 1
    assert "1 of 2 cells failed" in output
    assert "expected" not in output


@pytest.mark.parametrize(
    ("kinds", "offered"), [(("config_error", "config_error"), False), (("config_error", "oom"), True)]
)
def test_what_every_run_tries_again_needs_no_flag(tmp_path, kinds, offered):
    output = end(tmp_path, None, ["failed", "failed"], kinds)[1]
    assert ("--retry all" in output) == offered
    assert ("every run tries them again" in output) != offered


def test_an_expected_failure_is_not(tmp_path, known):
    code, output = end(tmp_path, known, ["complete", "failed"])
    assert code == 0
    assert "failed (oom) as expected: needs a larger machine" in output


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (["complete", "complete"], "passed, but was expected to fail"),
        (["failed", "failed"], "l1@0.2+finetune__seed0 failed (oom), not as expected"),
    ],
)
def test_it_is_strict(tmp_path, known, statuses, said):
    code, output = end(tmp_path, known, statuses)
    assert code == 1
    assert said in output


def test_an_entry_that_no_cell_answers_to_is_a_mistake(tmp_path):
    file = tmp_path / "known.yaml"
    file.write_text("- {ratio: 0.9, reason: too much}\n")
    with pytest.raises(UserError, match=r"known\.yaml:1"):
        expectations_of(file, PLAN)


def test_an_interrupted_run_says_how_to_go_on(tmp_path):
    code, output = end(tmp_path, None, ["complete", "interrupted"], interrupted=True)
    assert code == 130
    assert "1 of 2 cells are complete" in output
    assert "goes on where this one stopped" in output
