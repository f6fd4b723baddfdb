"""`--checkpoint` and `--trust-checkpoint` before anything runs."""

import json
from types import SimpleNamespace

import pytest

from harness.execution.run import RunOutcome

GRID = ("--methods", "l1", "--ratios", "0.5", "--no-controls")


@pytest.fixture(autouse=True)
def in_a_folder_with_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pth").write_bytes(b"weights")
    (tmp_path / "link.pth").symlink_to("w.pth")
    yield
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".yaml") == ["link.pth", "w.pth"]


@pytest.fixture
def settings(monkeypatch):
    """What a run is told, in place of the run."""
    told = []

    def carry_out(plan, layout, settings, console):
        told.append((plan, settings))
        return RunOutcome(records=[SimpleNamespace(status="interrupted")], interrupted=True)

    monkeypatch.setattr("harness.execution.run.carry_out", carry_out)
    return told


@pytest.mark.parametrize("models", [(), ("--models", "unet")])
def test_the_one_model_is_loaded_and_not_trained(bench, models):
    result = bench("plan", *GRID, *models, "--checkpoint", "w.pth", "--json")
    (cell,) = json.loads(result.output)["cells"]
    assert cell["stages"][0]["label"] == f"load {models[1] if models else 'residual_fcn'}"


def test_the_flag_is_stronger_than_the_file(bench, tmp_path):
    file = tmp_path / "b.yaml"
    file.write_text("models: [{name: unet, checkpoint: nowhere.pth}]")
    assert bench("plan", file, *GRID).exit_code == 2
    assert bench("plan", file, *GRID, "--checkpoint", "w.pth").exit_code == 0


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--checkpoint", "nowhere.pth"], ["nowhere.pth", "there is no such file"]),
        (
            ["--checkpoint", "w.pth", "--models", "unet,residual_fcn"],
            ["--checkpoint w.pth", "2 models", "models: [{name: unet, checkpoint: w.pth}, ...]"],
        ),
    ],
)
def test_mistakes(bench, command, flags, expected):
    result = bench(command, *GRID, *flags)
    assert result.exit_code == 2
    assert all(text in result.output for text in expected), result.output


def test_to_trust_what_no_model_uses_is_a_mistake(bench):
    result = bench("run", *GRID, "--trust-checkpoint", "w.pth")
    assert result.exit_code == 2
    assert "--trust-checkpoint w.pth: no model of the benchmark uses it" in result.output
    result = bench("run", *GRID, "--checkpoint", "w.pth", "--trust-checkpoint", "other.pth")
    assert result.exit_code == 2
    assert "It uses" in result.output


def test_nothing_is_trusted_that_was_not_said_to_be(bench, settings, tmp_path):
    bench("run", *GRID, "--checkpoint", "w.pth")
    bench("run", *GRID, "--checkpoint", "w.pth", "--trust-checkpoint", tmp_path / "link.pth")
    (plan, plain), (_, trusting) = settings
    assert plan.stages[0].checkpoint == tmp_path / "w.pth"
    assert plain.trusted == frozenset()
    assert trusting.trusted == {tmp_path / "w.pth"}


def backbone(path, **keys):
    entry = ", ".join(f"{key}: {value}" for key, value in {"backbone_checkpoint": path, **keys}.items())
    return ("--set", f"models=[{{name: resnet50_seg, {entry}}}]")


def test_a_backbone_can_be_trusted_too(bench, settings, tmp_path):
    bench("run", *GRID, *backbone("w.pth"), "--trust-checkpoint", "link.pth")
    ((plan, trusting),) = settings
    assert trusting.trusted == {tmp_path / "w.pth"} == {plan.stages[0].foreign_weights}
    assert {stage.foreign_weights for stage in plan.stages[1:]} == {None}


def test_a_backbone_that_is_not_read_cannot_be_trusted(bench, tmp_path):
    (tmp_path / "w.pth").rename(tmp_path / "other.pth")
    (tmp_path / "w.pth").write_bytes(b"others")
    both = backbone("w.pth", checkpoint="other.pth")
    result = bench("run", *GRID, *both, "--trust-checkpoint", "w.pth")
    assert result.exit_code == 2
    assert "no model of the benchmark uses it" in result.output
    (tmp_path / "other.pth").unlink()
