"""`bench train`, `compress`, `recover`, `evaluate` and `measure`."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer.main
from cells import complete

from harness.cli.app import app
from harness.execution.run import RunOutcome
from harness.execution.states import read_states
from harness.plan.goal import stages_towards
from harness.store.failure import Failure
from harness.store.layout import Layout

COMMANDS = ("train", "compress", "recover", "evaluate", "measure")
GRID = ("--methods", "l1", "--ratios", "0.5", "--no-controls")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def pretended(monkeypatch):
    """What commands ask for, in place of its being carried out: all stages up to the goal become complete."""
    seen = SimpleNamespace(asked=[], fail=None, interrupted=False)

    def carry_out(plan, layout, settings, console):
        seen.asked.append((plan, settings))
        wanted = stages_towards(settings.goal, plan.stages)
        for stage in () if seen.interrupted else wanted:
            if stage.kind == seen.fail:
                break
            complete(layout, stage)
        states = read_states(plan.stages, layout)
        for stage in wanted:
            if stage.kind == seen.fail:
                states.set(stage, "failed", Failure(kind="oom", message="too big", hint="Less.", log="x/stage.log"))
        return RunOutcome(records=[], executed=list(wanted), interrupted=seen.interrupted, states=states)

    monkeypatch.setattr("harness.execution.run.carry_out", carry_out)
    return seen


def flags_of(name):
    return {text for flag in typer.main.get_command(app).commands[name].params for text in flag.opts}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_are_those_of_a_run(command):
    assert flags_of(command) - {"--json"} == flags_of("run") - {"--expect-failures", "--dry-run"}
    assert "--json" in flags_of(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_it_does_with_an_example(bench, command):
    output = bench(command, "--help").output
    assert f"Example: bench {command} --models" in output
    assert "--protocol seed|corrected" in output


def test_the_commands_stand_in_the_order_of_the_work(bench):
    lines = bench("--help").output.splitlines()
    found = [line.split()[0] for line in lines if line.startswith("  ") and line.split()[:1]]
    listed = [name for name in found if name in ("run", *COMMANDS, "plan", "report")]
    assert listed == ["run", *COMMANDS, "plan", "report"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_goes_as_far_as_its_name(bench, pretended, command):
    result = bench(command, *GRID, "--json", "--workers", "2", "--timeout", "9", "--fail-fast")
    assert result.exit_code == 0, result.output
    ((plan, settings),) = pretended.asked
    assert settings.goal == command
    assert (settings.workers, settings.timeout, settings.fail_fast) == (2, 9.0, True)
    content = json.loads(result.stdout)
    assert (content["command"], content["results"], content["interrupted"]) == (command, "results/adhoc", False)
    labels = [stage["label"] for stage in content["stages"]]
    assert labels == [stage.label for stage in stages_towards(command, plan.stages)]
    assert {stage["state"] for stage in content["stages"]} == {"complete"}


def test_the_table_shows_figures_and_where_models_lie(bench, pretended):
    output = bench("compress", *GRID).output
    assert "channels -50.0%, params -50.0%, MACs -75.0%, 0.05 k params, 0.25 k MACs" in output
    (artifact,) = Path("results/adhoc/stages").glob("compress-*/model")
    assert str(artifact.relative_to("results/adhoc")) in output
    assert "70 iterations" in output
    assert "Results: results/adhoc" in output
    assert "latency x0.500 [0.400, 0.600], faster on cpu" in bench("measure", *GRID).output


def test_80_columns_show_every_folder_whole(bench, pretended, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = bench(
        "recover", *GRID, "--models", "residual_fcn,unet", "--pipelines", "l1@0.5+finetune"
    ).output.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.strip() for line in lines if line.rstrip().endswith("seed 0")] == [
        f"{model} · digits · seed 0" for model in ("residual_fcn", "unet")
    ]
    folders = {f"stages/{path.parent.name}/model" for path in Path("results/adhoc").glob("stages/*/model")}
    listed = {line.split()[0] for line in lines if line.startswith("  stages/")}
    assert len(listed) == 6
    assert listed <= folders
    assert any(line.split()[1:] == ["recover", "finetune", "after", "l1@0.5"] for line in lines)


def test_the_primary_metric_comes_first(bench, pretended):
    bench("train")
    (plan, _) = pretended.asked[0]

    complete(Layout(Path("results/adhoc")), plan.baselines[0].evaluated, metrics={"pixel_accuracy": None, "mIoU": 0.25})
    pretended.fail, pretended.interrupted = "none", True
    assert "mIoU 0.25, pixel_accuracy undefined, on test" in bench("train").output


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_baselines_need_no_method(bench, pretended, command):
    result = bench(command, "--models", "unet", "--json")
    assert [stage["label"] for stage in json.loads(result.stdout)["stages"]] == ["train unet", "evaluate baseline"]


@pytest.mark.parametrize("command", ["run", "compress", "recover", "measure"])
def test_the_others_need_one(bench, command):
    result = bench(command, "--models", "unet")
    assert result.exit_code == 2
    assert "names no method and no pipeline" in result.output


def test_a_stage_of_later_commands_cannot_be_forced(bench, pretended):
    result = bench("compress", *GRID, "--force", "measure")
    assert result.exit_code == 2
    assert "--force measure: `bench compress` comes to no such stage here" in result.output
    assert "Its stages are: train, prepare, compress." in result.output
    assert bench("compress", *GRID, "--force", "compress,all").exit_code == 0
    assert pretended.asked[0][1].force is not None


def test_a_failure_is_told_and_ends_with_1(bench, pretended):
    pretended.fail = "prepare"
    result = bench("compress", *GRID)
    assert result.exit_code == 1
    assert "prepare l1 (residual_fcn · digits · seed 0) failed: oom: too big\n  Less.\n" in result.output
    assert "log: results/adhoc/x/stage.log" in result.output
    assert "prepare l1 failed" in result.output
    stages = json.loads(bench("compress", *GRID, "--json").stdout)["stages"]
    assert [(stage["state"], stage["blocked_by"]) for stage in stages] == [
        ("complete", None),
        ("failed", None),
        ("blocked", "prepare l1"),
    ]
    assert stages[1]["failure"]["kind"] == "oom"


def test_an_interruption_ends_with_130(bench, pretended):
    pretended.interrupted = True
    result = bench("compress", *GRID)
    assert result.exit_code == 130
    assert "Interrupted: the same command goes on where this one stopped." in result.output
    assert "never run" in result.output


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_protocol_has_a_flag(bench, command):
    more = ("--json",) if command == "plan" else ("--dry-run",)
    wrong = bench(command, *GRID, "--protocol", "original", *more)
    assert wrong.exit_code == 2
    assert "--protocol: 'original' is not one of seed, corrected" in wrong.output
    assert bench(command, *GRID, "--protocol", "seed", *more).exit_code == 0


def test_the_protocol_reaches_cells_and_baselines(bench, pretended):
    flags = ("--pipelines", "l1@0.5+none", "--no-controls", "--protocol", "seed")
    (cell,) = json.loads(bench("plan", *flags, "--json").output)["cells"]
    assert cell["cell"] == "residual_fcn__digits__l1@0.5+none__seed__seed0"
    bench("train", "--protocol", "seed")
    assert pretended.asked[0][0].benchmark.protocol == "seed"
