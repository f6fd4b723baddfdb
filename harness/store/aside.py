"""Setting aside: what cannot be believed is moved out of the way and kept, with the reason beside it."""

from __future__ import annotations

from pathlib import Path

from harness.store.atomic import write_text
from harness.store.layout import Layout


def set_aside(layout: Layout, path: Path, reason: str) -> Path:
    """Moves a file or folder of the results folder to `aside/` and returns its new place.

    Args:
        layout: The results folder.
        path: What is moved.
        reason: Written beside it.

    Raises:
        OSError: It cannot be moved.
    """
    relative = path.relative_to(layout.root)
    name = "-".join(relative.parts)
    layout.aside.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := layout.aside / f"{name}-{number}").exists():
        number += 1
    path.rename(target)
    write_text(target.with_name(f"{target.name}.reason.txt"), f"{relative}: {reason}\n")
    return target
