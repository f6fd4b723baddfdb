"""Where a run's results come from: command, version and state of the checkout."""

from __future__ import annotations

import subprocess
import sys
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
        "checkout": _checkout(Path(harness.__file__).parent),
        "hardware": hardware(),
    }


def _checkout(folder: Path) -> dict[str, Any] | None:
    """Returns commit and cleanliness of the git checkout that `folder` lies in; `None` for an installed package."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or _git(folder, "ls-files", "--error-unmatch", "errors.py") is None:
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
