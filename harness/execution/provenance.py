"""Where a run's results come from: command, version and state of the checkout."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import harness
from harness.plan.hardware import hardware


def run_provenance() -> dict[str, Any]:
    """Returns plain JSON: the command, bench's version, the checkout it runs from (if any), the hardware."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "bench": version("compression-bench"),
        "checkout": checkout(),
        "hardware": hardware(),
    }


@cache
def checkout(package: Path = Path(harness.__file__).parent) -> dict[str, Any] | None:
    """Returns commit and cleanliness of the git checkout that a package lies in; `None` for an installed one.

    Looked at once a process, which keeps running what it has imported.

    Args:
        package: The package's folder; it counts as checked out if its `errors.py` is under version control.
    """
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None or _git(package, "ls-files", "--error-unmatch", "errors.py") is None:
        return None
    status = _git(package, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
