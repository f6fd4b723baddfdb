"""One owner per stage: on one machine by the kernel, across machines by a heartbeat."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from harness.store.layout import Layout
from harness.store.lock import LEASE_SECONDS, Owner, StageLock, stage_owner, worker_lock

KEY = ("train", "ef" * 32)
LEASE = 1.5  # seconds
PRELUDE = """
import socket, sys, time
from pathlib import Path
from harness.store.layout import Layout
from harness.store.lock import StageLock, worker_lock
layout, key, seconds = Layout(Path(sys.argv[1])), ("train", "ef" * 32), float(sys.argv[2])
"""
HOLD = """
lock = StageLock(layout, *key, lease_seconds=seconds)
assert lock.acquire()
"""
ELSEWHERE = """
socket.gethostname = lambda: "far-away"
lock = StageLock(layout, *key, lease_seconds=seconds)._lease  # kernel locks do not reach another machine
lock.acquire(blocking=False)
"""
HOLD_AS_WORKER = """
lock = worker_lock(layout, *key)
lock.acquire()
"""
TELL = """
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@contextmanager
def another(layout, code, seconds=LEASE_SECONDS):
    """A process that holds something until its standard input ends, or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code + TELL, str(layout.root), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def tries(lock, seconds):
    """Whether the lock is taken by trying again and again for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if lock.acquire():
            return True
        time.sleep(0.02)
    return False


def test_one_owner_across_processes_and_a_dead_owner_loses_it_at_once(layout):
    mine = StageLock(layout, *KEY)
    with another(layout, HOLD) as owner:
        assert not mine.acquire()
        owner.kill()
        owner.wait()
        began = time.monotonic()
        assert mine.acquire(), "nobody waits for the lease of a process that is known to be dead"
        assert time.monotonic() - began < 2
    assert not mine.lost
    mine.release()


def test_one_owner_within_a_process(layout):
    first, second = StageLock(layout, *KEY), StageLock(layout, *KEY)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    assert not first.acquire()
    second.release()


def test_a_refused_lock_holds_nothing_back(layout):
    """Who gets only one of the two locks must give it back."""
    mine, waiting = StageLock(layout, *KEY, lease_seconds=LEASE), StageLock(layout, *KEY, lease_seconds=LEASE)
    with another(layout, ELSEWHERE, LEASE) as owner:
        assert not mine.acquire()
        owner.communicate("\n")
    assert tries(waiting, 10 * LEASE)
    waiting.release()


def test_stages_are_locked_one_by_one(layout):
    locks = [StageLock(layout, *key) for key in (KEY, ("recover", KEY[1]), ("train", "ab" * 32))]
    assert [lock.acquire() for lock in locks] == [True, True, True]
    for lock in locks:
        lock.release()


def test_an_owner_on_another_machine_keeps_it_as_long_as_its_heart_beats(layout):
    mine = StageLock(layout, *KEY, lease_seconds=LEASE)
    with another(layout, ELSEWHERE, LEASE):
        assert not tries(mine, 3 * LEASE)


def test_an_owner_on_another_machine_loses_it_by_silence(layout):
    mine = StageLock(layout, *KEY, lease_seconds=LEASE)
    with another(layout, ELSEWHERE, LEASE) as owner:
        owner.kill()
        owner.wait()
        assert not mine.acquire(), "from here nobody can see that the process is dead"
        began = time.monotonic()
        assert tries(mine, 10 * LEASE)
        assert time.monotonic() - began >= 0.9 * LEASE
    assert not mine.lost
    mine.release()


def test_who_did_not_let_its_heart_beat_is_told_that_it_lost_the_stage(layout):
    mine = StageLock(layout, *KEY, lease_seconds=LEASE)
    assert mine.acquire()
    assert not mine.lost
    lease = layout.lock(*KEY, "lease")
    taken = lease.with_name("taken")
    taken.write_text(lease.read_text())
    taken.rename(lease)  # as another machine puts its own in its place
    assert eventually(lambda: mine.lost, 5 * LEASE)
    mine.release()
    assert lease.exists(), "what belongs to the new owner is not removed"


def test_a_lock_that_was_lost_can_be_held_again(layout):
    mine = StageLock(layout, *KEY, lease_seconds=LEASE)
    assert mine.acquire()
    layout.lock(*KEY, "lease").unlink()
    assert eventually(lambda: mine.lost, 5 * LEASE)
    mine.release()
    assert mine.acquire()
    assert not mine.lost
    mine.release()


def eventually(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_the_owner_of_a_stage_is_known_by_machine_and_process(layout):
    assert stage_owner(layout, *KEY) is None
    with another(layout, HOLD) as process:
        owner = stage_owner(layout, *KEY)
        assert owner == Owner(socket.gethostname(), process.pid)
        assert str(owner) == f"process {process.pid} on {socket.gethostname()}"
        process.kill()
        process.wait()
        assert stage_owner(layout, *KEY) is None, "its files are still there"
        assert layout.lock(*KEY, "lease").exists()


def test_this_process_can_be_the_owner(layout):
    lock = StageLock(layout, *KEY)
    assert lock.acquire()
    assert stage_owner(layout, *KEY).process == os.getpid()
    lock.release()
    assert stage_owner(layout, *KEY) is None


def test_an_owner_on_another_machine_is_known_by_its_last_heartbeat(layout):
    with another(layout, ELSEWHERE) as process:
        assert stage_owner(layout, *KEY) == Owner("far-away", process.pid)
        long_ago = time.time() - LEASE_SECONDS - 5
        os.utime(layout.lock(*KEY, "lease"), (long_ago, long_ago))
        assert stage_owner(layout, *KEY) is None


@pytest.mark.parametrize("content", ["", "nonsense", "\x00" * 40])
def test_a_lease_that_cannot_be_read_names_nobody(layout, content):
    lock = StageLock(layout, *KEY)
    assert lock.acquire()
    layout.lock(*KEY, "lease").write_text(content)
    assert stage_owner(layout, *KEY) == Owner()
    assert str(Owner()) == "another process"
    lock.release()


def test_to_ask_for_the_owner_writes_and_holds_nothing(layout):
    stage_owner(layout, *KEY)
    assert list(layout.root.iterdir()) == []
    lock = StageLock(layout, *KEY)
    assert lock.acquire()
    lock.release()
    before = {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")}
    stage_owner(layout, *KEY)
    assert {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")} == before
    assert lock.acquire()
    lock.release()


def test_several_may_ask_for_the_owner_at_once(layout):
    with another(layout, HOLD) as owner:
        owner.kill()
        owner.wait()
    with layout.lock(*KEY, "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert stage_owner(layout, *KEY) is None


def test_where_the_file_system_has_no_locks_nobody_is_seen(layout, monkeypatch):
    lock = StageLock(layout, *KEY)
    assert lock.acquire()
    lock.release()

    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("harness.store.lock.fcntl.flock", refuse)
    assert stage_owner(layout, *KEY) is None


def test_a_worker_holds_a_lock_of_its_own(layout):
    scheduler, mine = StageLock(layout, *KEY), worker_lock(layout, *KEY)
    with another(layout, HOLD_AS_WORKER) as worker:
        assert scheduler.acquire(), "the scheduler does not wait for it"
        with pytest.raises(TimeoutError):
            mine.acquire(blocking=False)
        worker.kill()
        worker.wait()
        mine.acquire(blocking=False)
    mine.release()
    scheduler.release()


def test_a_lease_whose_owner_was_killed_before_it_wrote_it_is_removed(layout):
    """Found by killing runs: the empty file was nobody's, and its stage was never run again."""
    lock = StageLock(layout, *KEY)
    lease = layout.lock(*KEY, "lease")
    lease.write_text("")
    began = time.monotonic()
    assert not lock.acquire()
    assert tries(lock, 10)
    assert time.monotonic() - began >= 2.0, "its owner may be on another machine and about to write it"
    lock.release()
