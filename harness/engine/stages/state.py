"""The state that `prepare` hands to `compress`: JSON and safetensors, no pickle."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from harness.registry import State
from harness.store.atomic import write_json


def save_state(folder: Path, state: State) -> None:
    """Writes a state into `folder`, which is created."""
    folder.mkdir(parents=True)
    write_json(folder / "state.json", state.data)
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.tensors.items()}
    save_file(tensors, folder / "state.safetensors")


def load_state(folder: Path) -> State:
    """Reads what `save_state` wrote."""
    data = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return State(tensors=load_file(folder / "state.safetensors"), data=data)
