"""What a training leaves for its picture: the losses and the learning rate of every iteration, thinned out.

They come from mmengine's message hub, which keeps every iteration and is in the checkpoints, so that the curve of a
training which was interrupted is whole and says nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from numpy.typing import NDArray

from harness.store.curve import Curve, write_curve

POINTS = 200
"""As many as a picture can show, at most; each is the mean over its iterations."""

_PREFIX = "train/"
_RATE = "lr"


class CurveHook(Hook):
    """Writes the curve behind the last iteration.

    Args:
        folder: The training's logs.
    """

    priority = "LOWEST"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @master_only  # type: ignore[untyped-decorator]
    def after_train(self, runner: Runner) -> None:
        """Reads the message hub."""
        scalars: Mapping[str, Any] = runner.message_hub.log_scalars
        noted = {key.removeprefix(_PREFIX): buffer.data[0] for key, buffer in scalars.items() if _PREFIX in key}
        curve = thinned(noted, int(runner.iter))
        if curve is not None:
            write_curve(self._folder, curve)


def thinned(noted: Mapping[str, NDArray[Any]], iterations: int) -> Curve | None:
    """Returns the curve of what was noted in each iteration; `None` if no loss was that is finite throughout.

    What is not finite, or was not noted in every iteration, is left out.

    Args:
        noted: Values [N] by name, of the last N iterations.
        iterations: How many there were in all.
    """
    total = noted.get("loss")
    if total is None or len(total) == 0:
        return None
    whole = {name: values for name, values in noted.items() if len(values) == len(total)}
    length = -(-len(total) // POINTS)
    spans = [np.arange(begin, min(begin + length, len(total))) for begin in range(0, len(total), length)]
    means = {name: [float(np.mean(values[span])) for span in spans] for name, values in whole.items()}
    known = {name: values for name, values in means.items() if bool(np.isfinite(values).all())}
    losses = {name: values for name, values in known.items() if "loss" in name}
    if not losses:
        return None
    first = iterations - len(total) + 1
    return Curve(
        iterations=[first + int(span[-1]) for span in spans],
        learning_rate=known.get(_RATE, []),
        losses=losses,
    )


def log_interval(iterations: int) -> int:
    """Returns how many iterations lie between two lines of the log, and two points of a visualizer.

    About a hundred lines a training, and one every fifty iterations at least.

    Example:
        >>> [log_interval(iterations) for iterations in (20, 2000, 80000)]
        [1, 20, 50]
    """
    return max(1, min(50, iterations // 100))
