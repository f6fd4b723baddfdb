"""What importing the suites takes."""

import subprocess
import sys
from importlib import import_module

import pytest

import harness.testing


def test_importing_the_suites_imports_no_torch():
    program = "import sys, harness.testing; assert not {'torch', 'mmengine', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_pytest_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("harness.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'compression-bench\[test\]'"):
        import_module("harness.testing")


def test_every_check_says_why_it_is_there():
    suites = [getattr(harness.testing, name) for name in harness.testing.__all__]
    checks = [getattr(suite, name) for suite in suites for name in dir(suite) if name.startswith("test_")]
    assert len(checks) > 30
    assert [check.__qualname__ for check in checks if not check.__doc__] == []
