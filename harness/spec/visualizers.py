"""Where the curves of trainings may be written besides the logs: mmengine's visualizer backends, by short names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from harness.errors import UserError


@dataclass(frozen=True)
class Visualizer:
    """A backend.

    Attributes:
        backend: The name of mmengine's class.
        package: What has to be installed for it; empty for nothing.
    """

    backend: str
    package: str = ""


VISUALIZERS = {
    "local": Visualizer("LocalVisBackend"),
    "tensorboard": Visualizer("TensorboardVisBackend", "tensorboard"),
    "mlflow": Visualizer("MLflowVisBackend", "mlflow"),
    "aim": Visualizer("AimVisBackend", "aim"),
    "wandb": Visualizer("WandbVisBackend", "wandb"),
}


def require_visualizers(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names, each once, after a look whether they can be used here.

    Raises:
        UserError: There is no such visualizer, or what it needs is not installed.
    """
    for name in names:
        if name not in VISUALIZERS:
            message = f"--visualizer {name}: there is none of that name"
            raise UserError(message, f"Choose from {', '.join(VISUALIZERS)}.")
        package = VISUALIZERS[name].package
        if package and find_spec(package) is None:
            message = f"--visualizer {name}: the package {package} is not installed"
            raise UserError(message, f"Run: pip install {package}")
    return tuple(dict.fromkeys(names))
