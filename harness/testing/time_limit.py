"""A limit of time for what a plugin does, so that one that hangs ends its own test and not the whole session."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Fails the running test when the block takes longer; does nothing off the main thread or without POSIX timers.

    Args:
        seconds: Wall time.
        what: What is limited, for the message.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        pytest.fail(f"{what} had not ended after {seconds:g} s\n  Make it end, or raise `time_limit_seconds`.")

    handler = signal.signal(signal.SIGALRM, stop)
    before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)
