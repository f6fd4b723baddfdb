"""What people see of a run: a live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from harness.execution.estimate import Estimator
from harness.execution.messages import ProgressMessage
from harness.execution.states import StageStates
from harness.plan.stage import Stage

_LINE_SECONDS = 30.0
"""How often a running stage tells how far it is where there is no terminal."""
_FIRST_REPORT = 10  # iterations; a first report of more comes from a training that is continued


class RunDisplay:
    """Shows overall and per-stage progress; a context manager.

    Args:
        console: Where to.
        states: Where the stages stand.
        estimator: Judges how long the rest takes; learns from what finishes.
        workers: Stages at once.
        clock: Seconds since some moment.
    """

    def __init__(
        self,
        console: Console,
        states: StageStates,
        estimator: Estimator,
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._estimator = estimator
        self._states = states
        self._workers = workers
        self._clock = clock
        self._started: dict[Stage, float] = {}
        self._told: dict[Stage, float] = {}
        self._first: dict[Stage, tuple[float, int]] = {}
        self._total = states.count("waiting")
        self._finished = 0
        self._rows: dict[Stage, TaskID] = {}
        self._progress = _progress(console) if console.is_terminal else None
        if self._progress is not None:
            self._overall = self._progress.add_task("[bold]all stages", total=self._total, text="")

    def __enter__(self) -> RunDisplay:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            for row in self._rows.values():
                self._progress.remove_task(row)
            self._progress.stop()

    def started(self, stage: Stage) -> None:
        """A stage has been handed to a worker."""
        self._started[stage] = self._told[stage] = self._clock()
        if self._progress is not None:
            self._rows[stage] = self._progress.add_task(f"  {escape(_name(stage))}", total=None, text="")
        else:
            self._line(f"start  {_name(stage)}")

    def progressed(self, stage: Stage, message: ProgressMessage) -> None:
        """A stage has told how far it is."""
        since, first = self._first.setdefault(stage, self._beginning(stage, message))
        left = _left(self._clock() - since, message, first)
        if self._progress is not None:
            text = f"{escape(message.text)}  {left}"
            self._progress.update(self._rows[stage], total=message.total, completed=message.done, text=text)
        elif self._clock() - self._told[stage] >= _LINE_SECONDS:
            self._told[stage] = self._clock()
            parts = (f"       {_name(stage)}", f"{message.done}/{message.total}", message.text, left)
            self._line("  ".join(part for part in parts if part))

    def _beginning(self, stage: Stage, message: ProgressMessage) -> tuple[float, int]:
        """A training that is continued starts in the middle; its pace is judged from there."""
        continued = message.done > _FIRST_REPORT
        return (self._clock(), message.done) if continued else (self._started[stage], 0)

    def finished(self, stage: Stage, states: StageStates) -> None:
        """A stage has become complete or failed, here or in another process on the results folder."""
        started = self._started.pop(stage, None)
        self._told.pop(stage, None)
        self._first.pop(stage, None)
        self._finished += 1
        failed = states[stage] == "failed"
        if started is None:
            how = "tried by another process" if failed else "done by another process"
        else:
            how = f"{self._clock() - started:.1f} s"
            if not failed:
                self._estimator.learn(stage.kind, self._clock() - started, stage.share)
        line = f"{'FAILED' if failed else 'done  '} {_name(stage)}  {how}"
        if failed and (failure := states.failures.get(stage)) is not None:
            line += f"\n       {failure.kind}: {failure.message}" + (f"\n       {failure.hint}" if failure.hint else "")
            line += f"\n       log: {failure.log}" if failure.log else ""
        self._line(line, style="red" if failed else None)
        if self._progress is not None:
            if (row := self._rows.pop(stage, None)) is not None:
                self._progress.remove_task(row)
            self._progress.update(self._overall, completed=self._finished, text=self._rest(states))

    def withdrawn(self, stage: Stage, reason: str) -> None:
        """A stage that was in flight will be tried again."""
        for known in (self._started, self._told, self._first):
            known.pop(stage, None)
        self._line(f"again  {_name(stage)}  {reason}", style="yellow")
        if self._progress is not None and (row := self._rows.pop(stage, None)) is not None:
            self._progress.remove_task(row)

    def noticed(self, text: str) -> None:
        """Something was found that people should know."""
        self._line(text, style="yellow")

    def _rest(self, states: StageStates) -> str:
        rest = states.open_by_kind()
        seconds = self._estimator.remaining(rest, self._workers)
        return f"about {duration(seconds)} left" if rest and seconds is not None else ""

    def _line(self, text: str, style: str | None = None) -> None:
        prefix = f"[{self._finished}/{self._total}] "
        self._console.print(prefix + text, style=style, markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Returns a time span for people.

    Example:
        >>> duration(8.2), duration(75), duration(7300)
        ('8 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _name(stage: Stage) -> str:
    return f"{stage.label} ({stage.subject})"


def _left(elapsed: float, message: ProgressMessage, first: int) -> str:
    if not first < message.done < message.total:
        return ""
    return f"{duration(elapsed * (message.total - message.done) / (message.done - first))} left"


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
        console=console,
        refresh_per_second=5,
    )
