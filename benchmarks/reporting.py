"""What `bench report` costs on large results folders.

Prints wall and CPU seconds of `bench report` (as its own process, the table as CSV and as text) for folders of 1,000
and 10,000 records, and the ratio to parsing the same files with the standard library's `json` in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.store.layout import Layout
from harness.store.record import read_record
from harness.store.sealed import seal

FIXTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "records"


def main() -> None:
    """Prints one line a size and format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[1000, 10000])
    arguments = parser.parse_args()
    print(f"{'records':>8}{'MB':>7}  {'format':8}{'wall s':>8}{'CPU s':>8}{'over json':>11}")
    for count in arguments.records:
        with tempfile.TemporaryDirectory() as folder:
            size = fill(Path(folder), count)
            plain = parse(Path(folder))
            for shown in ("csv", "rich"):
                wall, cpu = report(folder, shown)
                print(f"{count:8}{size / 1e6:7.1f}  {shown:8}{wall:8.2f}{cpu:8.2f}{cpu / plain:11.1f}", flush=True)


def fill(folder: Path, count: int) -> int:
    """Writes records of a real run, each with another seed; returns their bytes."""
    record, size = read_record(sorted(FIXTURE.glob("v*.json"))[-1]), 0
    for seed in range(count):
        cell = f"{record.cell.rpartition('__')[0]}__seed{seed}"
        text = seal(record.model_copy(update={"seed": seed, "cell": cell}).model_dump(mode="json"))
        path = Layout(folder).record(cell)
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        size += len(text)
    return size


def parse(folder: Path) -> float:
    """Returns the CPU seconds of reading the same files as plain JSON."""
    began = time.process_time()
    for path in Layout(folder).cells.glob("*/record.json"):
        json.loads(path.read_bytes())
    return time.process_time() - began


def report(folder: str, shown: str) -> tuple[float, float]:
    """Returns wall and CPU seconds of one `bench report`."""
    command = [sys.executable, "-c", "from harness.cli import main; main()", "report", folder, "--format", shown]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "200"})
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
