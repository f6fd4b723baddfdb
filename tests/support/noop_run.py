"""`noop_run.py FOLDER CELLS WORKERS`: a whole run of cells whose stages compute nothing, as a process of its own."""

import sys
from functools import partial
from pathlib import Path

from cells import make_plan_of
from rich.console import Console

from harness.execution.local import LocalExecutor
from harness.execution.run import RunSettings, carry_out
from harness.store.layout import Layout


def main(folder, cells, workers):
    plan = make_plan_of(f"l1@0.{number:05}+finetune" for number in range(1, cells + 1))
    outcome = carry_out(
        plan,
        Layout(Path(folder)),
        RunSettings(workers=workers),
        Console(width=200),
        make_executor=partial(LocalExecutor, module="noop_worker"),
    )
    sys.exit(1 if outcome.failed else 130 if outcome.interrupted else 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
