"""One owner per stage: a lock that the operating system takes back when its owner dies."""

from __future__ import annotations

from filelock import FileLock, Timeout

from harness.store.layout import Layout


class StageLock:
    """The lock of one stage, held by the process that has it run."""

    def __init__(self, layout: Layout, kind: str, identity: str) -> None:
        path = layout.lock(kind, identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        """Returns whether the lock is ours now; never waits."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Gives the lock back."""
        self._lock.release()
