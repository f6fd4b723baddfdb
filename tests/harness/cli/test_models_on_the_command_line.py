"""`--protect`, and config files as models."""

import json

import pytest

GRID = ("--methods", "l1", "--ratios", "0.5", "--json")


def cells(result):
    return json.loads(result.stdout)["cells"]


def test_protect_may_be_repeated_and_may_list(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = bench("plan", *GRID, "--protect", "backbone,*.attention", "--protect", "neck")
    assert "l1@0.5(protect=backbone,*.attention,neck)+finetune" in result.stdout
    assert result.exit_code == 0


def test_protect_over_a_file(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("protect: backbone\n")
    assert "protect=backbone," in bench("plan", "mine.yaml", *GRID).stdout
    assert "protect=neck," in bench("plan", "mine.yaml", *GRID, "--protect", "neck").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--seeds", "1"), 2),
        (("--models", "own.py"), 0),
        (("--set", "models=own.py"), 0),
        (("--models", "unet"), 0),
    ],
)
def test_a_config_file_must_be_named_by_hand(bench, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')")
    (tmp_path / "mine.yaml").write_text("models: [own.py]\n")
    result = bench("plan", "mine.yaml", *GRID, *arguments)
    assert result.exit_code == code, result.output
    if code:
        assert "own.py is a Python config, which is code that runs" in result.output
        assert f"--models {tmp_path / 'own.py'}" in result.output
