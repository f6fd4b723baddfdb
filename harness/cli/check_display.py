"""What people see while models are checked: a live row in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from harness.execution.messages import ProgressMessage
from harness.plan.model_check import ModelCheckJob
from harness.store.model_check import ModelCheck


class CheckDisplay:
    """Shows which model is checked and how far it is; a context manager.

    Args:
        console: Where to: the answer itself goes elsewhere.
        jobs: What is checked.
    """

    def __init__(self, console: Console, jobs: Sequence[ModelCheckJob]) -> None:
        self._console = console
        self._total = len(jobs)
        self._finished = 0
        self._progress: Progress | None = None
        if console.is_terminal:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TimeElapsedColumn(),
                TextColumn("{task.fields[text]}"),
                console=console,
                transient=True,
            )
            self._row = self._progress.add_task("starting", total=None, text="")

    def __enter__(self) -> CheckDisplay:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def progressed(self, job: ModelCheckJob, message: ProgressMessage) -> None:
        """A worker has told how far it is."""
        if self._progress is not None:
            name = f"[{self._finished + 1}/{self._total}] {job.model}"
            text = escape(message.text)
            self._progress.update(
                self._row, description=escape(name), total=message.total, completed=message.done, text=text
            )

    def finished(self, answer: ModelCheck) -> None:
        """The answer for one model is there; with several models it is told at once."""
        self._finished += 1
        if self._total > 1:
            line = f"[{self._finished}/{self._total}] {answer.model}: {answer.verdict}  {answer.seconds:.0f} s"
            style = "red" if answer.status == "fails" else None
            self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
