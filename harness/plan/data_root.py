"""The folder that `--data-root` names, checked against the data set that is said to lie there. Without torch."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.registry import DatasetDescriptor, Plugin

ROOT = "root"
"""The option that says it, of every data set that lies on disk."""


def has_root(plugin: Plugin[DatasetDescriptor]) -> bool:
    """Returns whether the data set lies in a folder of the user's."""
    return ROOT in plugin.descriptor.options.model_fields


def data_root(root: Path, plugin: Plugin[DatasetDescriptor]) -> Path:
    """Returns the folder, absolute.

    Args:
        root: The folder; relative to the working directory.
        plugin: The data set that lies there.

    Raises:
        UserError: The data set has no option `root`, or there is no such folder.
    """
    if not has_root(plugin):
        message = f"--data-root: data set {plugin.name} has no option `{ROOT}`: it lies in no folder"
        raise UserError(message, "Leave the flag out, or name another data set.")
    folder = root.expanduser().absolute()
    if not folder.is_dir():
        message = f"--data-root: there is no folder {root}"
        raise UserError(message, "Name the folder of the data set; `bench datasets verify` says how it must look.")
    return folder
