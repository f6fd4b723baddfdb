"""Setting aside: what cannot be believed is moved out of the way and kept, with the reason beside it."""

from __future__ import annotations

from pathlib import Path

from harness.store.atomic import write_text
from harness.store.layout import Layout


def set_aside(layout: Layout, path: Path, reason: str) -> Path | None:
    """Moves a file or folder of the results folder to `aside/`.

    Args:
        layout: The results folder.
        path: What is moved.
        reason: Written beside it.

    Returns:
        Its new place; `None` if it is gone already, by another process most likely.

    Raises:
        OSError: It cannot be moved.
    """
    relative = path.relative_to(layout.root)
    name = "-".join(relative.parts)
    layout.aside.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := layout.aside / f"{name}-{number}").exists():
        number += 1
    try:
        path.rename(target)
    except FileNotFoundError:
        return None
    write_text(target.with_name(f"{target.name}.reason.txt"), f"{relative}: {reason}\n")
    return target
