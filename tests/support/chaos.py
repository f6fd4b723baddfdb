"""Kills runs at random moments, starts them again, and looks at what is left.

Linux only: the processes of a run are found in /proc.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.store.layout import Layout
from harness.store.record import read_records
from harness.store.stage import read_stage_file

LONGEST = 1800  # seconds; a run that is let to its end and has none has hung
VICTIMS = ("scheduler", "worker", "group")
MEASURED = {"seconds", "cpu_seconds", "peak_memory_bytes", "latency", "recorded_by", "command"}


@dataclass
class Damage:
    """What kills did to one results folder.

    Attributes:
        kills: How many of each kind hit.
        runs: Processes that were started.
        lost: Stages that were complete at a kill and are not there at the end.
        redone: Stages that were complete at a kill and were made again.
        different: Records that differ from those of a run without kills.
        exit_codes: Those of the runs that ended by themselves.
    """

    kills: Counter = field(default_factory=Counter)
    runs: int = 0
    lost: list = field(default_factory=list)
    redone: list = field(default_factory=list)
    different: list = field(default_factory=list)
    exit_codes: Counter = field(default_factory=Counter)


def torment(command, folder, environment, *, kills, between, seed, victims=VICTIMS):
    """Starts `command` again and again, kills a part of it after a random time, and lets it end at last.

    Args:
        command: Runs a benchmark into `folder`.
        folder: The results folder.
        environment: Of the processes.
        kills: How many kills; fewer if the run is complete before.
        between: Shortest and longest seconds between a start, or a kill that the run survives, and the next kill.
        seed: Of the moments and the victims.
        victims: What may be killed: the scheduler, a worker, or all of them at once.
    """
    generator = random.Random(seed)
    damage, complete = Damage(), {}
    run = None
    while damage.kills.total() < kills:
        if run is None or run.poll() is not None:
            if run is not None:
                damage.exit_codes[run.returncode] += 1
                if run.returncode == 0:
                    break
            run = start(command, folder, environment)
            damage.runs += 1
        if ends_within(run, generator.uniform(*between)):
            continue
        victim = generator.choice(victims)
        if kill(run, victim):
            damage.kills[victim] += 1
            complete.update({name: text for name, text in complete_stages(folder).items() if name not in complete})
            if victim != "worker":
                run.wait()
                run = None
    if run is None or run.poll() is not None:
        run = start(command, folder, environment)
        damage.runs += 1
    damage.exit_codes[run.wait(LONGEST)] += 1
    end = complete_stages(folder)
    damage.lost = [name for name in complete if name not in end]
    damage.redone = [name for name in complete if name in end and end[name] != complete[name]]
    return damage


def start(command, folder, environment):
    with Path(f"{folder}.log").open("a") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def ends_within(run, seconds):
    with suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
        return True
    return False


def kill(run, victim):
    """Returns whether there was anything to kill."""
    workers = children(run.pid)
    if victim == "worker" and not workers:
        return False
    targets = {"scheduler": [run.pid], "worker": workers[:1], "group": [*workers, run.pid]}[victim]
    for process in targets:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return True


def children(process):
    try:
        return [int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def complete_stages(folder):
    """The `stage.json` of every stage that is complete, by its folder."""
    found = {}
    for path in Layout(Path(folder)).stages.glob("*/stage.json"):
        with suppress(OSError):
            if read_stage_file(path) is not None:
                found[path.parent.name] = path.read_text()
    return found


def wait_for_orphans(folder, seconds=10):
    """Workers of a killed scheduler end by themselves, within moments."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and processes_on(folder):
        time.sleep(0.05)
    return processes_on(folder)


def processes_on(folder):
    """Processes that have a file below `folder` open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(link.readlink()).startswith(f"{folder}{os.sep}") for link in (process / "fd").iterdir()):
                found.append(int(process.name))
    return found


def comparable_records(folder):
    """Records by cell, without what is measured anew in each run."""
    return {
        record.cell: without_measured(record.model_dump(mode="json")) for record in read_records(Layout(Path(folder)))
    }


def without_measured(value):
    if isinstance(value, dict):
        return {key: without_measured(part) for key, part in value.items() if key not in MEASURED}
    if isinstance(value, list):
        return [without_measured(part) for part in value]
    return value


def stored_files(folder):
    """Checksums of everything that the stages made."""
    found = {}
    for path in Layout(Path(folder)).stages.glob("*/stage.json"):
        stage = read_stage_file(path)
        found[path.parent.name] = {name: file.sha256 for name, file in stage.files.items()} if stage else None
    return found
