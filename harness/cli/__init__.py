"""The command `bench`: one module a command; everything heavy is imported when a command runs."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console command."""
    from harness.cli.app import app

    app()
