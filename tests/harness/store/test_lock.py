import subprocess
import sys

from harness.store.layout import Layout
from harness.store.lock import StageLock

IDENTITY = "ef" * 32
HOLD = """
import sys
from pathlib import Path
from harness.store.layout import Layout
from harness.store.lock import StageLock
lock = StageLock(Layout(Path(sys.argv[1])), "train", sys.argv[2])
assert lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_owner_across_processes_and_a_dead_owner_loses_it(tmp_path):
    mine = StageLock(Layout(tmp_path), "train", IDENTITY)
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), IDENTITY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"
    assert not mine.acquire()
    owner.kill()
    owner.communicate()
    assert mine.acquire()
    mine.release()


def test_released_lock_can_be_taken_again(tmp_path):
    first, second = (StageLock(Layout(tmp_path), "train", IDENTITY) for _ in range(2))
    assert first.acquire()
    first.release()
    assert second.acquire()
    second.release()
