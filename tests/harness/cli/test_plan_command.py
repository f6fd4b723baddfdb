"""`bench plan`, `bench run --dry-run`, and how a run ends."""

import json
from types import SimpleNamespace

import pytest

from harness.execution.run import RunOutcome

GRID = ("--methods", "fpgm,l1", "--ratios", "0.2,0.5", "--no-controls")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


def test_the_plan_as_json(bench):
    content = json.loads(bench("plan", *GRID, "--json").output)
    assert content["results"] == "results/adhoc"
    assert (content["stages"], content["stages_to_run"]) == (24, 24)
    assert [cell["action"] for cell in content["cells"]] == ["run"] * 4
    assert content["cells"][0]["cell"] == "residual_fcn__digits__fpgm@0.2+finetune__seed0"


def test_limit_keeps_the_first_cells_and_their_stages(bench):
    whole = json.loads(bench("plan", *GRID, "--json").output)
    content = json.loads(bench("plan", *GRID, "--json", "--limit", "1").output)
    assert content["cells"] == whole["cells"][:1]
    assert content["stages"] == len(content["cells"][0]["stages"])


def test_every_grid_flag_reaches_the_plan(bench):
    flags = (
        "--task", "segmentation", "--models", "unet", "--datasets", "digits", "--methods", "l1", "--ratios", "0.3",
        "--controls", "random", "--seeds", "3", "--pipelines", "l2@0.4+none", "--set", "recovery.iterations=7",
        "--out", "elsewhere",
    )  # fmt: skip
    content = json.loads(bench("plan", *flags, "--json").output)
    assert {cell["cell"]: cell["role"] for cell in content["cells"]} == {
        "unet__digits__l1@0.3+finetune__seed3": "candidate",
        "unet__digits__random@0.3+finetune__seed3": "control",
        "unet__digits__l2@0.4+none__seed3": "candidate",
    }
    assert content["results"] == "elsewhere"


def test_the_oracle_is_asked_by_a_flag_and_not_with_zero_images(bench):
    def planned(*flags):
        content = json.loads(bench("plan", *GRID, "--json", *flags).output)
        return {(stage["kind"], stage["identity"]) for cell in content["cells"] for stage in cell["stages"]}

    plain = planned()
    asked = sorted(kind for kind, _ in planned("--oracle-samples", "4") - plain)
    assert asked == ["compare"] * 4 + ["oracle"]
    assert planned("--oracle-samples", "4") == planned("--set", "oracle.samples=4") > plain
    assert planned("--oracle-samples", "4", "--oracle-layers", "a,b") != planned("--oracle-samples", "4")
    assert planned("--oracle-samples", "0") == plain


def test_a_dry_run_shows_the_plan_and_does_nothing(bench):
    result = bench("run", *GRID, "--dry-run", "--limit", "2")
    assert result.exit_code == 0
    assert result.output == bench("plan", *GRID, "--limit", "2").output
    assert "13 of 13 stages to run" in result.output


BARE = GRID[:-1]


def test_automatic_controls_are_counted_and_said_how_to_leave_out(bench):
    result = bench("plan", *BARE)
    assert "9 cells: 4 candidates and 5 controls (--no-controls leaves these out).\n" in result.stdout
    roles = [cell["role"] for cell in json.loads(bench("plan", *BARE, "--json").stdout)["cells"]]
    assert roles == ["candidate"] * 4 + ["control"] * 5
    assert "control" not in bench("plan", *BARE, "--limit", "1").stdout
    one = bench("plan", "--methods", "l1", "--ratios", "0.5", "--controls", "random")
    assert "2 cells: 1 candidate and 1 control.\n" in one.stdout
    assert "controls" not in bench("plan", *GRID).output


def test_a_run_says_so_before_it_starts(bench, monkeypatch):
    outcome = RunOutcome(records=[SimpleNamespace(status="interrupted")], interrupted=True)
    monkeypatch.setattr("harness.execution.run.carry_out", lambda *arguments: outcome)
    assert bench("run", *BARE).output.startswith("9 cells: 4 candidates and 5 controls (--no-controls")
    assert "controls" not in bench("run", *GRID).output


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_control_that_is_switched_off_is_a_warning_and_not_in_the_output(bench, more):
    result = bench("plan", *BARE, "--disable", "random", *more)
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: control random (of fpgm, l1) is left out: method 'random' of bench-pruning 0.1.0 is disabled by "
        "--disable random\n"
    )
    assert "random" not in result.stdout


@pytest.mark.parametrize("command", ["run", "plan"])
def test_controls_and_none_are_a_contradiction(bench, command):
    result = bench(command, *GRID, "--controls", "random")
    assert result.exit_code == 2
    assert "--no-controls: --controls random asks for the opposite" in result.output


def test_no_controls_are_stronger_than_those_of_a_file(bench, tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text("methods: [l1]\nratios: [0.5]\ncontrols: [random]\n")
    shown = [json.loads(bench("plan", file, "--json", *flags).stdout) for flags in ((), ("--no-controls",))]
    file.unlink()
    assert [[cell["role"] for cell in plan["cells"]] for plan in shown] == [["candidate", "control"], ["candidate"]]


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_what_is_no_device_is_refused_at_once(bench, command, device):
    result = bench(command, *GRID, "--device", device)
    assert result.exit_code == 2
    assert f"--device: {device!r} is not a device" in result.output


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_what_is_a_device_is_not(bench, device):
    assert bench("plan", *GRID, "--device", device).exit_code == 0


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        ((), "The same command goes on"),
        (("--no-skip-existing",), "The same command begins anew; without --force (or --no-skip-existing)"),
        (("--force", "measure"), "The same command begins anew; without --force"),
    ],
)
def test_an_interrupted_run_says_how_to_go_on(bench, monkeypatch, flags, advice):
    records = [SimpleNamespace(status="complete"), SimpleNamespace(status="interrupted")]
    outcome = RunOutcome(records=records, interrupted=True)
    monkeypatch.setattr("harness.execution.run.carry_out", lambda *arguments: outcome)
    result = bench("run", *GRID, *flags)
    assert result.exit_code == 130
    assert "Interrupted: 1 of 2 cells are complete." in result.output
    assert advice in result.output


def identities(bench, *flags):
    content = json.loads(bench("plan", *GRID, "--limit", "1", "--json", *flags).output)
    return [stage["identity"] for stage in content["cells"][0]["stages"]]


def test_determinism_is_part_of_the_identity_and_has_a_flag(bench):
    usual = identities(bench)
    assert identities(bench, "--no-deterministic") == usual
    assert set(identities(bench, "--deterministic")).isdisjoint(usual)
    assert identities(bench, "--deterministic") == identities(bench, "--set", "deterministic=true")
