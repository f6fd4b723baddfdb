"""What the quick commands may import."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
sys.argv = ["bench", *sys.argv[1:]]
from harness.cli import main
try:
    main()
except SystemExit as end:
    code = end.code or 0
print("MODULES" + json.dumps([code, sorted(sys.modules)]))
"""


def modules_of(*arguments, cwd):
    result = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True, cwd=cwd
    )
    output, _, found = result.stdout.partition("MODULES")
    code, modules = json.loads(found)
    assert code == 0, result.stderr
    assert output.strip()
    return set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["train", "--help"],
        ["check", "--help"],
        ["list"],
        ["list", "methods", "--json"],
        ["plan", "--methods", "fpgm,l1", "--ratios", "0.2,0.5"],
    ],
)
def test_query_commands_import_no_torch(arguments, tmp_path):
    modules = modules_of(*arguments, cwd=tmp_path)
    assert not {"torch", "mmengine", "mmseg", "mmcv"} & modules


def test_report_imports_no_torch(tmp_path, results):
    modules = modules_of("report", str(results), cwd=tmp_path)
    assert not {"torch", "mmengine"} & modules


@pytest.mark.parametrize("arguments", [["status"], ["why", "l1@0.5+finetune"]])
def test_status_and_why_import_no_torch(tmp_path, run_folder, arguments):
    modules = modules_of(*arguments, str(run_folder.layout.root), cwd=tmp_path)
    assert not {"torch", "mmengine", "mmseg", "mmcv"} & modules


def test_help_imports_nothing_heavy(tmp_path):
    modules = modules_of("--help", cwd=tmp_path)
    assert not {"pydantic", "rich", "yaml", "numpy", "tabulate"} & modules
