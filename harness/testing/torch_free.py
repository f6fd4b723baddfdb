"""What a plugin says of itself, found out in a process of its own: free of torch, and the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from harness.plan.identity import canonical_json
from harness.registry import Plugin, Registry, discover, validate_options
from harness.registry.descriptors import DatasetDescriptor, MethodDescriptor, ModelDescriptor
from harness.spec.setting import setting_from_json

_HEAVY = ("torch", "mmengine", "mmcv", "mmseg", "mmdet")
_TIMEOUT = 120
_PROGRAM = "from harness.testing.torch_free import main; main()"

Question = dict[str, Any]
"""Which plugin is asked about, as plain JSON: `group`, `task`, `name`, `options` and, for a method, `settings`."""


def find(registry: Registry, question: Question) -> tuple[Plugin[Any], str]:
    """Returns the plugin and, for a member of a zoo, which one."""
    name = question["name"]
    if question["group"] == "bench.methods":
        return registry.method(name), ""
    if question["group"] == "bench.datasets":
        return registry.dataset(question["task"], name), ""
    return registry.model(question["task"], name)


def statement(question: Question) -> dict[str, str]:
    """Returns all that identities state of a plugin but for its source, as canonical JSON by what it is."""
    plugin, member = find(discover(), question)
    options = validate_options(plugin, question["options"])
    descriptor = plugin.descriptor
    found: dict[str, Any] = {"options": options.model_dump(mode="json")}
    if isinstance(descriptor, MethodDescriptor):
        settings = [setting_from_json(setting) for setting in question["settings"]]
        found["prepare_key"] = [descriptor.prepare_key(setting, options) for setting in settings]
        found["passes"] = [list(descriptor.passes(setting, options)) for setting in settings]
    elif isinstance(descriptor, DatasetDescriptor):
        found["fingerprint"] = descriptor.fingerprint(options)
    elif isinstance(descriptor, ModelDescriptor):
        found["fingerprint"] = descriptor.fingerprint(member)
    return {key: canonical_json(value) for key, value in found.items()}


def ask(question: Question, hash_seed: int) -> dict[str, Any]:
    """Returns `statement` of a new process, and the heavy modules that were imported for it.

    Args:
        question: The plugin.
        hash_seed: The process's `PYTHONHASHSEED`, on which the order of sets of strings hangs.

    Returns:
        `statement`, `imported`, and `error`: what was raised, or `None`.
    """
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(question), capture_output=True, text=True, timeout=_TIMEOUT, check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip
    if done.returncode:
        return {"statement": {}, "imported": [], "error": done.stderr.strip()}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Answers the question on the standard input."""
    question: Mapping[str, Any] = json.loads(sys.stdin.read())
    answer: dict[str, Any] = {"statement": {}, "error": None}
    try:
        answer["statement"] = statement(dict(question))
    except Exception as error:  # a plugin may fail in any way
        answer["error"] = f"{type(error).__name__}: {error}"
    answer["imported"] = [name for name in _HEAVY if name in sys.modules]
    sys.stdout.write(json.dumps(answer) + "\n")
