"""Python configs as models: they are code, so they are named by hand and warned of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.errors import UserError
from harness.spec.config_path import is_config_path

if TYPE_CHECKING:
    from harness.spec.benchmark import Benchmark


def warn_of_code(models: Iterable[str]) -> None:
    """Says once, on the error stream, which of the models are files that are programs."""
    files = ", ".join(dict.fromkeys(model for model in models if is_config_path(model)))
    if files:
        text = f"warning: a Python config is code that runs with your rights; you have named: {files}"
        typer.echo(text, err=True)


def require_named(file: Path, stated: Benchmark, used: Benchmark, named: Iterable[str]) -> None:
    """Looks that every config file comes from the command line, not from a benchmark file that was handed on.

    Args:
        file: The benchmark file.
        stated: What it says.
        used: The benchmark with flags laid over it.
        named: Benchmark keys that flags have set.

    Raises:
        UserError: One comes from the file.
    """
    if "models" in named:
        return
    kept = {model.name for model in used.models}
    code = [model.name for model in stated.models if is_config_path(model.name) and model.name in kept]
    if code:
        message = f"{file}: models: {code[0]} is a Python config, which is code that runs"
        raise UserError(message, f"If you trust it, name it yourself: --models {','.join(code)}")
