"""`bench doctor` with probes that answer what the test says."""

import json
import subprocess

import pytest
from installation import install

from harness.cli import examination

HEALTHY = {"torch": "2.13.0", "cuda": None, "threads": 2, "gpus": ["Big GPU"], "ops": True}


@pytest.fixture
def machine(monkeypatch):
    """A healthy machine; its fields are what the probes find."""

    class Machine:
        torch = HEALTHY
        versions = {"onedl-mmengine": "0.10", "onedl-mmcv": "2.3", "onedl-mmsegmentation": "1.4", "mmdet": "3.0"}
        broken = {}

        @classmethod
        def run(cls, code, *targets):
            if targets:
                found = [cls.broken.get(target) for target in targets]
                return subprocess.CompletedProcess([], 0, "".join(f"FOUND{json.dumps(error)}\n" for error in found), "")
            if cls.torch is None:
                stderr = "Traceback ...\nModuleNotFoundError: No module named 'torch'"
                return subprocess.CompletedProcess([], 1, "", stderr)
            return subprocess.CompletedProcess([], 0, "FOUND" + json.dumps(cls.torch), "")

    monkeypatch.setattr(examination, "_run", Machine.run)
    monkeypatch.setattr(examination, "_version", Machine.versions.get)
    return Machine


def finding(what):
    (found,) = [found for found in examination.examine() if found.what == what]
    return found


def test_a_healthy_machine_ends_with_0(bench, machine):
    result = bench("doctor", "--json")
    findings = json.loads(result.output)
    assert result.exit_code == 0, result.output
    assert {found["state"] for found in findings} == {"ok"}
    assert {"torch", "mmcv operations", "mmseg", "methods fpgm", "tasks segmentation"} <= {f["what"] for f in findings}


def test_without_torch_it_ends_with_1_and_says_how_to_install_it(bench, machine):
    machine.torch = None
    result = bench("doctor")
    assert result.exit_code == 1
    assert finding("torch").found == "ModuleNotFoundError: No module named 'torch'"
    assert "pip install torch" in finding("torch").advice


def test_a_cpu_without_compiled_operations_is_noted_and_not_broken(bench, machine):
    machine.torch = {**HEALTHY, "gpus": [], "ops": False}
    assert bench("doctor").exit_code == 0
    assert finding("devices").state == "note"
    operations = finding("mmcv operations")
    assert (operations.state, operations.found) == ("note", "not compiled")
    assert "pip install --no-build-isolation --no-cache-dir onedl-mmcv==2.3.6" in operations.advice


def test_two_lines_of_openmmlab_are_one_too_many(bench, machine, monkeypatch):
    monkeypatch.setattr(examination, "_version", {**machine.versions, "mmcv": "2.1"}.get)
    assert bench("doctor").exit_code == 1
    found = finding("mmcv")
    assert (found.state, found.found) == ("broken", "onedl-mmcv 2.3, mmcv 2.1")
    assert "uninstall one" in found.advice


def test_what_is_absent_is_broken_only_if_it_is_needed(machine, monkeypatch):
    monkeypatch.setattr(examination, "_version", {}.get)
    assert finding("mmseg").state == "broken"
    assert finding("mmdet").state == "note"


def test_what_is_there_and_does_not_import_is_broken(machine):
    machine.broken = {"mmcv:__version__": "ImportError: libGL.so.1"}
    assert (finding("mmcv").state, finding("mmcv").found) == ("broken", "ImportError: libGL.so.1")


def test_broken_plugins_are_named_and_harm_no_other(bench, machine, monkeypatch, tmp_path):
    source = (
        "from harness.registry import MethodDescriptor\n"
        "HOLLOW = MethodDescriptor(name='hollow', summary='', family='pruning',\n"
        "                          implementation='invented_hollow:Gone')\n"
    )
    points = {"hollow": "invented_method:HOLLOW", "absent": "invented_nowhere:X"}
    install(tmp_path, "bench-broken", {"bench.methods": points}, invented_method=source)
    monkeypatch.syspath_prepend(str(tmp_path))
    machine.broken = {"invented_hollow:Gone": "ModuleNotFoundError: No module named 'invented_hollow'"}
    assert bench("doctor").exit_code == 1
    hollow, absent = finding("methods hollow"), finding("methods absent")
    assert (hollow.state, absent.state) == ("broken", "broken")
    assert "bench-broken 1.0: ModuleNotFoundError: No module named 'invented_hollow'" in hollow.found
    assert "invented_nowhere" in absent.found
    assert absent.advice == "Mend or uninstall bench-broken."
    assert finding("methods fpgm").state == "ok"


def test_an_import_that_ends_python_costs_only_itself(monkeypatch, tmp_path):
    (tmp_path / "invented_crash.py").write_text("import os, sys\nprint('the end', file=sys.stderr)\nos._exit(3)\n")
    (tmp_path / "invented_fault.py").write_text("1 / 0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    targets = ["json:dumps", "invented_crash:X", "invented_fault:X", "json:nothing", "json:loads"]
    assert examination._import_errors(targets) == {
        "json:dumps": None,
        "invented_crash:X": "importing it ended Python (the end)",
        "invented_fault:X": "ZeroDivisionError: division by zero",
        "json:nothing": "AttributeError: module 'json' has no attribute 'nothing'",
        "json:loads": None,
    }
