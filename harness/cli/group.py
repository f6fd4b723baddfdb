"""The command group: how mistakes and interruptions end a command."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from harness.cli.exits import INTERRUPTED, USER_MISTAKE
from harness.errors import BenchError


class BenchGroup(TyperGroup):
    """A user's mistake ends a command with a message and code 2, Ctrl-C with code 130; neither with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was named."""
        try:
            return super().invoke(ctx)
        except BenchError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(USER_MISTAKE) from error
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from error
