"""The findings of `bench doctor`.

What may crash on import (torch, OpenMMLab, plugin implementations) is imported in a subprocess.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

State = Literal["ok", "note", "broken"]

_LINES = {
    "mmengine": ("onedl-mmengine", "mmengine"),
    "mmcv": ("onedl-mmcv", "mmcv", "mmcv-lite"),
    "mmseg": ("onedl-mmsegmentation", "mmsegmentation"),
    "mmdet": ("onedl-mmdetection", "mmdet"),
}
_OPTIONAL = {"mmdet"}
_TIMEOUT = 120

_BUILD_OPERATIONS = (
    "Enough for segmentation; detection needs them. With torch, ninja and a compiler there, this builds them in about "
    "7 minutes: pip install --no-build-isolation --no-cache-dir onedl-mmcv==2.3.6"
)

_PROBE = """
import json, warnings
warnings.filterwarnings("ignore")
import torch
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "threads": torch.get_num_threads(),
         "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]}
try:
    import mmcv._ext
    found["ops"] = True
except ImportError:
    found["ops"] = False
print("FOUND" + json.dumps(found))
"""

_IMPORT = """
import importlib, json, sys, warnings
warnings.filterwarnings("ignore")
for target in sys.argv[1:]:
    module, _, name = target.partition(":")
    try:
        getattr(importlib.import_module(module), name)
        error = None
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    print("FOUND" + json.dumps(error), flush=True)
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: `ok`, `note` (works, but know it) or `broken`.
        what: What was looked at.
        found: What was found.
        advice: What to do, empty if nothing.
    """

    state: State
    what: str
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Returns everything worth knowing about the installation."""
    return [*_python(), *_torch(), *_openmmlab(), *_plugins()]


def _python() -> Iterator[Finding]:
    supported = (3, 10) <= sys.version_info[:2] <= (3, 12)
    advice = "" if supported else "Use Python 3.10, 3.11 or 3.12."
    yield Finding(
        "ok" if supported else "note",
        "Python",
        f"{platform.python_version()} on {platform.platform()}",
        advice,
    )
    yield Finding("ok", "compression-bench", version("compression-bench"))


def _torch() -> Iterator[Finding]:
    probe = _run(_PROBE)
    if probe.returncode or "FOUND" not in probe.stdout:
        yield Finding("broken", "torch", _last_line(probe.stderr), "Install it: pip install torch==2.13.0")
        return
    found: dict[str, Any] = json.loads(probe.stdout.partition("FOUND")[2])
    yield Finding("ok", "torch", f"{found['torch']}, {found['threads']} threads")
    gpus = ", ".join(found["gpus"])
    advice = "" if gpus else "Runs on the CPU. For a GPU, install a CUDA build of torch and NVIDIA's driver."
    yield Finding("ok" if gpus else "note", "devices", gpus or "cpu only", advice)
    if found["ops"]:
        yield Finding("ok", "mmcv operations", "compiled")
    else:
        yield Finding("note", "mmcv operations", "not compiled", _BUILD_OPERATIONS)


def _openmmlab() -> Iterator[Finding]:
    errors = _import_errors([f"{module}:__version__" for module in _LINES])
    for module, distributions in _LINES.items():
        installed = [(name, found) for name in distributions if (found := _version(name))]
        if not installed:
            state: State = "note" if module in _OPTIONAL else "broken"
            yield Finding(state, module, "not installed", f"pip install {distributions[0]}")
            continue
        line = "OneDL" if installed[0][0].startswith("onedl-") else "upstream"
        shown = ", ".join(f"{name} {found}" for name, found in installed)
        if len(installed) > 1:
            yield Finding("broken", module, shown, "Two lines share one import name: uninstall one of them.")
            continue
        error = errors[f"{module}:__version__"]
        if error:
            yield Finding("broken", module, error, f"{shown} does not import: install it again.")
        else:
            yield Finding("ok", module, f"{shown} ({line})")


def _plugins() -> Iterator[Finding]:
    from harness.registry import GROUPS, discover

    registry = discover()
    entries = [(group, entry) for group in GROUPS for entry in registry.entries(group)]
    errors = _import_errors([entry.descriptor.implementation for _, entry in entries if entry.descriptor is not None])
    for group, entry in entries:
        what = f"{group.removeprefix('bench.')} {entry.name}"
        error = entry.error if entry.descriptor is None else errors[entry.descriptor.implementation]
        source = f"{entry.distribution} {entry.version}"
        if error:
            yield Finding("broken", what, f"{source}: {error}", f"Mend or uninstall {entry.distribution}.")
        else:
            yield Finding("ok", what, source)


def _import_errors(targets: list[str]) -> dict[str, str | None]:
    """Returns why each `module:name` cannot be imported, `None` for those that can.

    All are imported in one subprocess; where one of them kills it, the next subprocess goes on behind that one.
    """
    errors: dict[str, str | None] = {}
    rest = list(dict.fromkeys(targets))
    while rest:
        probe = _run(_IMPORT, *rest)
        lines = [line for line in probe.stdout.splitlines() if line.startswith("FOUND")]
        errors.update({target: json.loads(line[5:]) for target, line in zip(rest, lines, strict=False)})
        if len(lines) < len(rest):
            errors[rest[len(lines)]] = f"importing it ended Python ({_last_line(probe.stderr)})"
        rest = rest[len(lines) + 1 :]
    return errors


def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_TIMEOUT} s")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
