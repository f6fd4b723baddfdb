"""`--data-root` and `--loader-workers`: where samples lie and who reads them."""

import json
from types import SimpleNamespace

import pytest

from harness.execution.run import RunOutcome

GRID = ("--methods", "l1", "--ratios", "0.5", "--no-controls", "--models", "resnet50_seg")


@pytest.fixture
def streets(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bench("datasets", "fixture", "camvid", "streets", "--samples", 2).exit_code == 0
    return tmp_path / "streets"


@pytest.fixture
def settings(monkeypatch):
    """What a run is told, in place of the run."""
    told = []

    def carry_out(plan, layout, settings, console):
        told.append((plan, settings))
        return RunOutcome(records=[SimpleNamespace(status="interrupted")], interrupted=True)

    monkeypatch.setattr("harness.execution.run.carry_out", carry_out)
    return told


def test_the_data_set_lies_where_the_flag_says(bench, streets, settings):
    bench("run", *GRID, "--datasets", "camvid", "--data-root", "streets")
    ((plan, _),) = settings
    assert plan.stages[0].paths["dataset"] == {"root": str(streets)}


def test_the_flag_wins_over_the_file_and_leaves_its_other_options(bench, streets, settings, tmp_path):
    (tmp_path / "b.yaml").write_text("datasets: [{name: camvid, root: nowhere, height: 48}]\n")
    bench("run", tmp_path / "b.yaml", *GRID, "--data-root", "streets")
    ((plan, _),) = settings
    assert plan.stages[0].paths["dataset"] == {"root": str(streets)}
    assert plan.stages[0].fields.parameters["dataset"]["options"]["height"] == 48


def test_plan_takes_it_too(bench, streets):
    result = bench("plan", *GRID, "--datasets", "camvid", "--data-root", "streets", "--json")
    assert len(json.loads(result.output)["cells"]) == 1


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), "--data-root: it is about one data set, and the benchmark names none"),
        (("--datasets", "camvid,cityscapes"), "the benchmark names camvid, cityscapes"),
        (("--datasets", "digits"), "--data-root: data set digits has no option `root`"),
    ],
)
def test_a_data_root_that_fits_nothing(bench, streets, flags, told):
    result = bench("plan", *GRID, *flags, "--data-root", "streets")
    assert result.exit_code == 2
    assert told in result.output


def test_a_folder_that_is_not_there(bench, streets):
    result = bench("plan", *GRID, "--datasets", "camvid", "--data-root", "street")
    assert (result.exit_code, "--data-root: there is no folder street" in result.output) == (2, True)


def test_processes_that_read_samples(bench, settings):
    bench("run", "--methods", "l1", "--ratios", "0.5", "--loader-workers", "3")
    bench("run", "--methods", "l1", "--ratios", "0.5")
    assert [settings.loader_workers for _, settings in settings] == [3, 0]
