"""`bench doctor`: is this installation healthy, and what to do if not."""

from __future__ import annotations

import typer

from harness.cli import options


def doctor(as_json: options.Json = False) -> None:
    """Examine the installation: versions, OpenMMLab line, compiled operations, devices, plugins.

    Ends with 1 if something is broken.
    """
    from harness.cli.examination import examine

    findings = examine()
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        styles = {"ok": "green", "note": "yellow", "broken": "red"}
        table = Table(header_style="bold")
        for title in ("", "what", "found", "what to do"):
            table.add_column(title, overflow="fold")
        for finding in findings:
            texts = (finding.state, finding.what, finding.found, finding.advice)
            table.add_row(*(Text(text) for text in texts), style=styles[finding.state] if finding.state != "ok" else "")
        Console().print(table)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)
