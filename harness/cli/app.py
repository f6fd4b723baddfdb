"""The Typer application and the exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.check import check
from harness.cli.commands.compress import compress
from harness.cli.commands.curves import curves
from harness.cli.commands.datasets import datasets_app
from harness.cli.commands.doctor import doctor
from harness.cli.commands.evaluate import evaluate
from harness.cli.commands.list import list_plugins
from harness.cli.commands.measure import measure
from harness.cli.commands.plan import plan
from harness.cli.commands.recover import recover
from harness.cli.commands.report import report
from harness.cli.commands.run import run
from harness.cli.commands.show import show
from harness.cli.commands.status import status
from harness.cli.commands.train import train
from harness.cli.commands.why import why
from harness.cli.group import BenchGroup

_EPILOG = """Try: bench run --methods fpgm,l1 --ratios 0.2,0.5

Exit codes: 0 all good, 1 some cell failed, 2 a mistake in the command or a file, 130 interrupted."""

# Plain help: rich would cost as much to import as everything else here together.
app = typer.Typer(
    name="bench",
    cls=BenchGroup,
    help="Which compression method, at which setting, on which model - and is it really faster?",
    epilog=_EPILOG,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command(name="check")(check)
app.command(name="run")(run)
app.command(name="train")(train)
app.command(name="compress")(compress)
app.command(name="recover")(recover)
app.command(name="evaluate")(evaluate)
app.command(name="measure")(measure)
app.command(name="plan")(plan)
app.command(name="status")(status)
app.command(name="why")(why)
app.command(name="report")(report)
app.command(name="show")(show)
app.command(name="curves")(curves)
app.command(name="list")(list_plugins)
app.add_typer(datasets_app, name="datasets")
app.command(name="doctor")(doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bench {version('compression-bench')}")
        raise typer.Exit


@app.callback()
def _bench(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass
