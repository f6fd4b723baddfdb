import pytest
import yaml
from cells import complete_cell
from records import make_record
from typer.testing import CliRunner

from harness.execution.records import RecordKeeper
from harness.execution.states import read_states
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark_file import load_benchmark
from harness.store.atomic import write_text
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.record import write_record
from harness.store.stage import publish_failure


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


class RunFolder:
    """A results folder as a run of installed plugins leaves it, its stages computed by nobody."""

    def __init__(self, root, **keys):
        self.layout = Layout(root)
        self.ask(methods=["l1"], ratios=[0.2, 0.5], **keys)

    def ask(self, **keys):
        """Notes what the last run was asked for; no controls unless they are."""
        write_text(self.layout.benchmark, yaml.safe_dump({"controls": [], **keys}))

    @property
    def cells(self):
        return make_plan(load_benchmark(self.layout.benchmark), discover()).cells

    def complete(self, *cells):
        for cell in cells:
            complete_cell(self.layout, cell)
        self.record()

    def record(self):
        plan = make_plan(load_benchmark(self.layout.benchmark), discover())
        RecordKeeper(plan, self.layout, read_states(plan.stages, self.layout), print).write_all()

    def fail(self, stage):
        failure = Failure(kind="oom", message="too big")
        publish_failure(
            self.layout, self.layout.work(stage.kind, stage.identity), stage.kind, stage.identity, stage.label, failure
        )

    def content(self):
        return {path: (path.stat().st_mtime_ns, path.is_dir()) for path in self.layout.root.parent.rglob("*")}


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A run of two cells in `results/demo`, nothing of it complete yet; the terminal is wide."""
    monkeypatch.setenv("COLUMNS", "250")
    return RunFolder(tmp_path / "results" / "demo")


@pytest.fixture
def another_run_folder(run_folder):
    """A second one beside the first."""
    return RunFolder(run_folder.layout.root.with_name("other"))
