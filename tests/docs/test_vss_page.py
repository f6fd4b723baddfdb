"""What the page of the VSS benchmark tells people to type exists."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from harness.cli.app import app
from harness.spec.pipeline import parse_pipeline

PAGE = (Path(__file__).parents[2] / "docs" / "vss.md").read_text(encoding="utf-8")
HERE = [row.rpartition(" | ")[2] for row in PAGE.splitlines() if row.startswith("| ") and row.count(" | ") == 2]
FLAGS = sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(HERE))))
COMMANDS = sorted(set(re.findall(r"`?bench ([a-z]+)", PAGE)))


def test_the_table_has_been_found():
    assert len(HERE) > 40
    assert {"--data-root", "--oracle-samples", "--loader-workers", "--checkpoint"} <= set(FLAGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists(command):
    assert command in get_command(app).commands


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_exists(flag):
    commands = [get_command(app).commands[name] for name in ("run", "report", "recover", "evaluate", "list")]
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    assert flag in known


def test_pipelines_can_be_read():
    written = re.findall(r"--pipelines '?([^'`\s]+)", PAGE)
    assert "fpgm@0.3(steps=3)" in written
    for text in written:
        parse_pipeline(text, "docs/vss.md")
