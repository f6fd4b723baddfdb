"""The process of a worker: jobs come in on its standard input, messages go out on a descriptor of their own.

Whatever a job prints ends in a log and cannot disturb the messages. The process ends when its standard input does, also
in the middle of a job: a worker never outlives who started it. See `docs/design/execution.md`.
"""

from __future__ import annotations

import logging
import os
import queue
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage

_PROGRESS_INTERVAL = 0.1

Answer = Callable[[str, "Reporter"], DoneMessage | FailedMessage]
"""Runs the job in one line of the standard input."""


class Reporter:
    """Sends progress, at most every tenth of a second, and the last of a job always."""

    def __init__(self, channel: TextIO) -> None:
        self._channel = channel
        self._last = 0.0

    def __call__(self, done: int, total: int, text: str) -> None:
        """Tells how far the job is."""
        now = time.monotonic()
        if done < total and now - self._last < _PROGRESS_INTERVAL:
            return
        self._last = now
        self._channel.write(ProgressMessage(done=done, total=total, text=text).model_dump_json() + "\n")


def serve(answer: Answer, begin: Callable[[], object] | None = None) -> None:
    """Runs jobs one after another until the standard input ends; the descriptor is the first argument.

    Args:
        answer: Runs a job.
        begin: Called before there is any thread and any job.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us; it ends its workers itself
    _watch_the_starter(int(sys.argv[1]))
    if begin is not None:
        begin()
    channel = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    while True:
        message = answer(jobs.get(), Reporter(channel))
        channel.write(message.model_dump_json() + "\n")


def cpu_seconds() -> float:
    """Returns the CPU time of this process and of those that it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)


@contextmanager
def peak_memory() -> Iterator[list[int | None]]:
    """Yields a list whose only item is, behind the block, the largest resident size within it, in bytes.

    Linux lets a process reset its own high-water mark; elsewhere the figure is unknown, not wrong.
    """
    peak: list[int | None] = [None]
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        clear.write_text("5")
        known = True
    except OSError:  # not Linux, or a container that forbids it
        known = False
    yield peak
    if not known:
        return
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            peak[0] = int(line.split()[1]) * 1024


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Sends everything that is printed or logged inside the block, also by C code, to a file."""
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("a", encoding="utf-8", buffering=1) as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
        logging.basicConfig(
            level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s", force=True
        )
        try:
            yield
        except BaseException:
            logging.getLogger("harness.stage").exception("the stage failed")
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def _watch_the_starter(channel: int) -> None:
    """Starts a process that ends the worker's whole group with who started it.

    A thread could not do it while a job keeps Python's other threads from running, and a signal at the death of the
    parent would leave behind what the job has started. Called before there is any thread.
    """
    if os.fork() != 0:
        return
    os.close(channel)  # or the end of the worker would not be the end of its channel
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # the hang-up only; jobs are not for this process
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def _read_jobs(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    # The starter is gone. What the job has started is in our group and goes with us.
    os.killpg(os.getpgid(0), signal.SIGKILL)
