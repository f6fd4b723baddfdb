"""A config file of one's own as a model: `path/to/config.py`."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".py"


def is_config_path(name: str) -> bool:
    """Returns whether a model's name is the path of a Python config; a member of a zoo has `::` in it.

    Example:
        >>> [is_config_path(name) for name in ("configs/mine.py", "mmseg::fcn/fcn_r50.py", "unet")]
        [True, False, False]
    """
    return name.endswith(SUFFIX) and "::" not in name


def config_path_below(name: str, folder: Path) -> str:
    """Returns the path with `folder` in front if it is relative; any other name as it is."""
    return str(folder.absolute() / Path(name).expanduser()) if is_config_path(name) else name
