"""A worker whose stages compute nothing: for tests of everything around the computing.

Every stage writes a small file, derived from its identity alone, and notes in a ledger that it began; also whether it
was complete already and whether another process had it in hand, which must never be.
"""

import hashlib
import os
import time
from pathlib import Path

from cells import default_result

from harness.execution.worker import main
from harness.store.layout import Layout
from harness.store.stage import read_stage

LEDGER = "BENCH_TEST_LEDGER"
SECONDS = "BENCH_TEST_STAGE_SECONDS"


class NoopEngine:
    def use_threads(self, count):
        pass

    def run(self, job, progress):
        ledger, mark = Path(os.environ[LEDGER]), f"{job.fields.kind}-{job.identity[:20]}"
        complete = read_stage(Layout(job.root), job.fields.kind, job.identity) is not None
        busy = Path(f"{ledger}.{mark}.busy")
        others = busy.exists() and is_alive(int(busy.read_text() or "0"))
        busy.write_text(str(os.getpid()))
        note(ledger, "repeated" if complete else "overlapped" if others else "began", mark)
        for step in range(5):
            time.sleep(float(os.environ.get(SECONDS, "0.01")) / 5)
            progress(step + 1, 5, "")
        (job.work / "model").mkdir(exist_ok=True)
        (job.work / "model" / "weights.bin").write_bytes(hashlib.sha256(job.identity.encode()).digest() * 64)
        busy.unlink(missing_ok=True)
        note(ledger, "ended", mark)
        return default_result(job.fields.kind)

    def environment(self):
        return {"python": "any"}


def note(ledger, what, mark):
    """One write of one line: lines of several processes do not mix."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{what} {mark}\n".encode())
    os.close(descriptor)


def is_alive(process):
    """A zombie is a process that nobody has buried yet; it does nothing any more."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return process != os.getpid() and state not in "ZX"


if __name__ == "__main__":
    main(NoopEngine())
