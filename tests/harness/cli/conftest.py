import pytest
from records import make_record
from typer.testing import CliRunner

from harness.store.layout import Layout
from harness.store.record import write_record


@pytest.fixture
def results(tmp_path):
    """A results folder with four cells, one of them failed."""
    folder = tmp_path / "results" / "demo"
    for record in (
        make_record("fpgm@0.5+finetune"),
        make_record("l1@0.2+finetune", ratio=0.2, after=0.59),
        make_record("l1@0.5+finetune", status="failed"),
        make_record("random@0.5+finetune", role="control", after=0.5),
    ):
        write_record(Layout(folder), record)
    return folder


@pytest.fixture
def bench():
    """Runs the command line in this process."""
    from harness.cli.app import app

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run
