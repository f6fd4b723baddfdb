"""`bench check`: does compression work on my model?"""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import options


def check(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Names, mmseg::<zoo config>, or the path of a config file of your own (Python code, which is run).",
            show_default=False,
        ),
    ],
    methods: Annotated[
        str, typer.Option("--methods", help="Compressors, e.g. l1,fpgm(allocation=global) or l2@0.4.")
    ] = "l2",
    task: options.Task = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Data set whose classes and input size count; default: the task's demo."),
    ] = None,
    protect: options.Protect = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that one model may take.")] = 300,
    disable: options.Disable = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every pinned layer and note of every model.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check, in seconds and without training, whether compression works on models.

    Each is built with random weights on the CPU and traced, 30, 50 and 70 % of its channels are removed, and every
    smaller model passes the checks of a benchmark, its artifact's round trip included. Ends with 1 if a model fails.
    """
    import os
    import sys
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from harness.cli.check_display import CheckDisplay
    from harness.cli.check_report import print_checks
    from harness.cli.config_files import warn_of_code
    from harness.execution.model_check import check_models
    from harness.plan.model_check import plan_model_checks
    from harness.registry import discover
    from harness.spec.config_path import is_config_path
    from harness.spec.splitting import split_list
    from harness.store.model_check import CheckFile

    registry = discover(disabled=options.names_of(disable))
    with TemporaryDirectory(prefix="bench-check-") as folder:
        jobs = plan_model_checks(
            models,
            split_list(methods, "--methods"),
            registry,
            task=task,
            dataset=dataset,
            protect=options.patterns_of(protect),
            threads=1,  # images are small, and threads that wait for busy cores cost more than they save
            disabled=options.names_of(disable),
            work=Path(folder),
        )
        warn_of_code([model for model in models if is_config_path(model)])
        with CheckDisplay(Console(stderr=True), jobs) as display:
            found = []
            for answer in check_models(jobs, timeout, display.progressed):
                display.finished(answer)
                found.append(answer)
    status = "fails" if any(answer.status == "fails" for answer in found) else "works"
    if as_json:
        typer.echo(CheckFile(status=status, models=tuple(found)).model_dump_json(indent=2))
    else:
        # A file or a pipe has no width, and a table that is folded to 80 columns cannot be read.
        wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 240
        print_checks(Console(width=wide), found, verbose=verbose)
    if status == "fails":
        from harness.cli.exits import SOME_CELL_FAILED

        raise typer.Exit(SOME_CELL_FAILED)
