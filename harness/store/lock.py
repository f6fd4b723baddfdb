"""One owner per stage, on one machine and across machines.

A stage is owned by whoever holds both its kernel lock, which the kernel gives back the moment its owner dies, and its
lease, a file that the owner touches as long as it lives. See `docs/design/sharing.md`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from filelock import FileLock, SoftFileLease, Timeout

from harness.store.layout import Layout

LEASE_SECONDS = 30.0
"""Seconds without a heartbeat after which an owner on another machine counts as dead."""

_STILLBORN_SECONDS = 2.0
_LOOKS = 3
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Owner:
    """Who has a stage run.

    Attributes:
        host: Name of the machine; empty where it is not known.
        process: Process number there; `None` where it is not known.
    """

    host: str = ""
    process: int | None = None

    def __str__(self) -> str:
        where = f" on {self.host}" if self.host else ""
        return f"process {self.process}{where}" if self.process is not None else "another process"


class StageLock:
    """The lock of one stage, held by the process that has it run.

    Keep the object while waiting for somebody else's: how long a lease has been silent is judged by watching it.

    Args:
        layout: The results folder.
        kind: Which kind of stage it is.
        identity: Its identity.
        lease_seconds: See `LEASE_SECONDS`; the same for all who share the folder.
    """

    def __init__(self, layout: Layout, kind: str, identity: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        path = layout.lock(kind, identity, "lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path)
        self._lease_path = layout.lock(kind, identity, "lease")
        self._lease = SoftFileLease(self._lease_path, lease_duration=lease_seconds, thread_local=False)
        self._empty: tuple[tuple[int, int, int], float] | None = None  # an empty lease, and when it was first seen

    @property
    def lost(self) -> bool:
        """Whether somebody else has taken the stage over, because our heartbeat did not reach the folder."""
        return self._lease.compromise is not None

    @property
    def token(self) -> str:
        """What names our ownership in the lease, from one acquisition to the release; see `is_owned`."""
        return self._lease.token or ""

    def acquire(self) -> bool:
        """Returns whether the stage is ours now; never waits."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        try:
            self._lease.acquire(blocking=False)
        except Timeout:
            self._remove_if_stillborn()
            self._lock.release()
            return False
        except BaseException:
            self._lock.release()
            raise
        return True

    def _remove_if_stillborn(self) -> None:
        """A process that is killed between making its lease and writing into it leaves an empty one for good.

        Called with the kernel lock held, so nobody on this machine is about to write it. One on another machine has a
        moment for that.
        """
        with suppress(FileNotFoundError):
            found = self._lease_path.stat()
            seen = (found.st_size, found.st_ino, found.st_mtime_ns)
            if found.st_size:
                self._empty = None
            elif self._empty is None or self._empty[0] != seen:
                self._empty = (seen, time.monotonic())
            elif time.monotonic() - self._empty[1] >= _STILLBORN_SECONDS:
                self._lease_path.unlink()

    def release(self) -> None:
        """Gives the stage back."""
        try:
            self._lease.release()
        finally:
            self._lock.release()


def is_owned(layout: Layout, kind: str, identity: str, token: str) -> bool:
    """Returns whether a stage's lease still names the owner with this token; looked at before anything is published.

    A lease that somebody examines is out of its place for a moment, so a "no" is asked for again.
    """
    for look in range(_LOOKS):
        time.sleep(_LOOK_SECONDS if look else 0.0)
        record = SoftFileLease(layout.lock(kind, identity, "lease")).owner
        if record is not None and record.token == token:
            return True
    return False


def records_lock(layout: Layout) -> FileLock:
    """Returns the lock under which a record is judged and written, so that none replaces a newer one."""
    path = layout.root / "locks" / "records.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def worker_lock(layout: Layout, kind: str, identity: str) -> FileLock:
    """Returns the lock that a worker holds while it touches the stage's files.

    A worker outlives a killed scheduler by a moment. Until it is gone, the next one's worker waits here.
    """
    path = layout.lock(kind, identity, "worker")
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def stage_owner(layout: Layout, kind: str, identity: str) -> Owner | None:
    """Returns who has the stage run at this moment, `None` if nobody; writes nothing.

    An owner on another machine is judged by the age of its heartbeat, so its clock should be about right.
    """
    lease = layout.lock(kind, identity, "lease")
    record = SoftFileLease(lease).owner if lease.exists() else None
    known = Owner(record.hostname.partition("?")[0], record.pid) if record is not None else Owner()
    if _is_locked(layout.lock(kind, identity, "lock")):
        return known
    if known.host in ("", socket.gethostname().partition("?")[0]):
        return None
    with suppress(OSError):
        if time.time() - lease.stat().st_mtime < LEASE_SECONDS:
            return known
    return None


def _is_locked(path: os.PathLike[str]) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may ask at the same moment
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
