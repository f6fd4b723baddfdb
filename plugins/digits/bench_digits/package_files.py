"""Where files lie that other packages ship in their wheels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def package_file(name: str) -> Path:
    """Returns where a file lies, without importing the package that ships it (scikit-learn takes a second).

    Args:
        name: Package and path inside it, e.g. `skimage/data/coffee.png`.

    Raises:
        ValueError: The package is not installed, or its version does not ship the file.
    """
    package, _, inner = name.partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = f"package {package} is not installed; digit scenes are made from files that it ships"
        raise ValueError(message)
    path = Path(spec.origin).parent / inner
    if not path.is_file():
        message = f"{path} is missing: this version of {package} does not ship it"
        raise ValueError(message)
    return path
