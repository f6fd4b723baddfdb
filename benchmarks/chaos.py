"""Kills benchmark runs at random moments, and counts what that cost.

    python benchmarks/chaos.py [--noop 150] [--tiny 40] [--training 15] [--seed 0]

Three sorts of runs: cells whose stages compute nothing (all but the computing is real: processes, locks, folders,
records), a tiny grid of real stages, and one that trains most of the time. After the kills each run is let to its end
and compared with one that was never killed. Exits with 1 if anything was lost, made twice, or differs. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SUPPORT = Path(__file__).parents[1] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from chaos import Damage, comparable_records, complete_stages, start, stored_files, torment, wait_for_orphans  # noqa: E402
from tiny import TINY  # noqa: E402

from harness.store.layout import Layout  # noqa: E402
from harness.store.stage import read_stage_file  # noqa: E402

Command = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Phase:
    """One sort of run.

    Attributes:
        name: What it is called in the table.
        command: Returns the command that runs into a folder.
        between: Seconds between a start and a kill, shortest and longest.
        environment: Further variables of the processes.
    """

    name: str
    command: Command
    between: tuple[float, float]
    environment: dict[str, str]


def main() -> None:
    """Runs the phases and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kills in (("noop", 150), ("tiny", 40), ("training", 15)):
        parser.add_argument(f"--{name}", type=int, default=kills, help=f"kills in the phase {name}")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(f"{'phase':10}{'kills':>6} {'(scheduler, worker, group)':28}{'runs':>6}{'stages':>8}{'lost':>6}"
              f"{'redone':>8}{'overlapped':>12}{'records differ':>16}{'files differ':>14}{'continued':>11}"
              f"{'minutes':>9}")  # fmt: skip
        bad = [_phase(phase, getattr(arguments, phase.name), arguments.seed, Path(place)) for phase in _phases(place)]
    sys.exit(1 if any(bad) else 0)


def _phases(place: str) -> list[Phase]:
    file = Path(place) / "tiny.yaml"
    file.write_text(f"{TINY}deterministic: true\n")
    grid = ["--methods", "l1,l2,random", "--ratios", "0.2,0.5"]
    long = [f"--set={name}.iterations=300" for name in ("training", "recovery")]
    return [
        Phase("noop", _noop, (0.35, 1.2), {"PYTHONPATH": str(SUPPORT), "BENCH_TEST_STAGE_SECONDS": "0.03"}),
        Phase("tiny", lambda out: _bench(file, grid, out), (3.0, 15.0), {}),
        Phase(
            "training", lambda out: _bench(file, ["--methods", "l1", "--ratios", "0.5", *long], out), (8.0, 20.0), {}
        ),
    ]


def _noop(out: Path) -> list[str]:
    return [sys.executable, str(SUPPORT / "noop_run.py"), str(out), "200", "2"]


def _bench(file: Path, flags: list[str], out: Path) -> list[str]:
    return [sys.executable, "-c", "from harness.cli import main; main()", "run", str(file), *flags, "--out", str(out)]


def _phase(phase: Phase, kills: int, seed: int, place: Path) -> bool:
    began = time.monotonic()
    reference, ledger = place / f"{phase.name}-reference", place / f"{phase.name}-ledger"
    environment = {**os.environ, **phase.environment, "BENCH_TEST_LEDGER": f"{ledger}-reference"}
    start(phase.command(reference), reference, environment).wait()
    expected, files = _records(reference), stored_files(reference)
    environment["BENCH_TEST_LEDGER"] = str(ledger)
    total, damages, stages, continued, differ = 0, [], 0, 0, [0, 0]
    while total < kills:
        folder = place / f"{phase.name}-{len(damages)}"
        damage = torment(
            phase.command(folder),
            folder,
            environment,
            kills=kills - total,
            between=phase.between,
            seed=seed + len(damages),
        )
        orphans = wait_for_orphans(folder)
        if orphans or set(damage.exit_codes) != {0}:
            print(f"{folder.name}: orphans {orphans}, exit codes {dict(damage.exit_codes)}", file=sys.stderr)
            return True
        damages.append(damage)
        total += damage.kills.total()
        stages += len(complete_stages(folder))
        continued += _continued(folder)
        found = _records(folder)
        differ[0] += sum(found.get(cell) != record for cell, record in expected.items())
        differ[1] += sum(stored_files(folder).get(name) != content for name, content in files.items())
    return _report(phase.name, damages, stages, ledger, differ, continued, time.monotonic() - began)


def _report(
    name: str, damages: list[Damage], stages: int, ledger: Path, differ: list[int], continued: int, seconds: float
) -> bool:
    kills = sum((damage.kills for damage in damages), Counter())
    lost, redone = (sum(len(getattr(damage, what)) for damage in damages) for what in ("lost", "redone"))
    notes = Counter(line.split()[0] for line in ledger.read_text().splitlines()) if ledger.exists() else None
    redone += notes["repeated"] if notes else 0
    overlapped = notes["overlapped"] if notes else "-"
    sorts = f"({kills['scheduler']}, {kills['worker']}, {kills['group']})"
    print(f"{name:10}{kills.total():6} {sorts:28}{sum(damage.runs for damage in damages):6}{stages:8}{lost:6}{redone:8}"
          f"{overlapped:>12}{differ[0]:16}{differ[1]:14}{continued:11}{seconds / 60:9.1f}", flush=True)  # fmt: skip
    return bool(lost or redone or any(differ) or overlapped not in (0, "-"))


def _records(folder: Path) -> dict[str, object]:
    """Records without what names the run or its moment; environments are the same here."""
    return {
        cell: {
            **record,
            "stages": [(stage["label"], stage["identity"], stage["iterations"]) for stage in record["stages"]],
        }
        for cell, record in comparable_records(folder).items()
    }


def _continued(folder: Path) -> int:
    found = (read_stage_file(path) for path in Layout(folder).stages.glob("*/stage.json"))
    return sum(bool(stage and stage.result.get("continued_from")) for stage in found)


if __name__ == "__main__":
    main()
