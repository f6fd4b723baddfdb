"""What each pruning method's `prepare` costs over one plain training epoch on the same images.

Each measurement has a process of its own, with one thread, on Linux with glibc; seconds are CPU seconds, and memory is
the peak of the resident size above that of the loaded model. The epoch is measured before and after the methods;
figures are medians. All methods trace the model and try what they found: that is `trace`, and everything else of
`prepare` is `own`, with the training of methods that train, which is an epoch here. Weights are random, images noise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from engine_runs import quiet
from methods_process import EPOCH, REST, TRACE

METHODS = (
    "random",
    "l1",
    "l2",
    "group_l1",
    "group_l2",
    "fpgm",
    "slimming",
    "taylor(variant=gate)",
    "taylor(variant=bn)",
    "taylor(variant=per_sample)",
    "taylor(variant=weight)",
    "sirfp(variant=paper)",
    "sirfp(variant=reference)",
    "fgp",
    "dmcp@0.5",
)
"""As in a pipeline, with a setting where `prepare` depends on it."""

LEAST_BATCH = 2
"""Batch normalisation of globally pooled maps needs it in training."""

MEGABYTE = 1e6

SECONDS = ("trace s", "own s", "prepare / epoch", "own / epoch")
MEMORY = ("trace MB", "own MB", "peak / epoch")
COLUMNS = ("method", *SECONDS, *MEMORY, "passes", "s each")
"""`passes` are backward passes outside the trace; FGP has as many as one image of a batch shows classes."""


@dataclass(frozen=True)
class Case:
    """What is measured on.

    Attributes:
        model: A model of the zoo.
        size: Side of the images in pixels.
        images: How many there are.
        batch_size: Images a batch.
    """

    model: str
    size: int
    images: int
    batch_size: int


@dataclass(frozen=True)
class Figures:
    """Measurements of one thing, one entry a process; seconds and bytes by phase.

    Attributes:
        found: What `methods_process.py` prints.
    """

    found: list[dict[str, Any]]

    def of(self, what: str, *phases: str) -> float:
        """Returns the median of a figure, added over phases."""
        return float(median(sum(each[what].get(phase, 0) for phase in phases) for each in self.found))


def main() -> None:
    """Prints a table for each number of images and size of batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=METHODS, help=f"default: {' '.join(METHODS)}")
    parser.add_argument("--model", default="DeepLabV3-R50", help="a model of the zoo")
    parser.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    parser.add_argument("--images", type=int, nargs="+", default=[32], help="numbers of images")
    parser.add_argument("--batch", type=int, nargs="+", default=[2], help="images a batch")
    parser.add_argument("--repetitions", type=int, default=1, help="processes for each method")
    arguments = parser.parse_args()
    if min(arguments.batch) < LEAST_BATCH:
        parser.error(f"--batch: the epoch needs {LEAST_BATCH} images a batch at least")
    quiet()
    for images in arguments.images:
        for batch_size in arguments.batch:
            case = Case(arguments.model, arguments.size, images, batch_size)
            _print_table(case, arguments.methods, arguments.repetitions)


def _print_table(case: Case, methods: list[str], repetitions: int) -> None:
    epoch = [_measured(EPOCH, case)]
    found = {method: [_measured(method, case) for _ in range(repetitions)] for method in methods}
    epoch.append(_measured(EPOCH, case))
    print(f"\n{case.model}, {case.images} images of {case.size} px, {case.batch_size} a batch")
    if None in epoch:
        print("the plain epoch failed")
        return
    plain = Figures(epoch)
    seconds, peak = plain.of("seconds", REST), plain.of("peaks", REST)
    times = " and ".join(f"{each['seconds'][REST]:.1f}" for each in plain.found)
    passes, pass_seconds = _passes(plain)
    print(f"a plain epoch: {times} s, {passes} backward passes of {pass_seconds} s, {peak / MEGABYTE:.0f} MB\n")
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for method, measured in found.items():
        cells = ["failed"] if None in measured else _cells(Figures(measured), seconds, peak)
        print("|", " | ".join([method, *cells]), "|", flush=True)


def _cells(found: Figures, seconds: float, peak: float) -> list[str]:
    """Returns a method's row, given the epoch's seconds and peak in bytes."""
    trace, own = (found.of("seconds", phase) for phase in (TRACE, REST))
    peaks = [found.of("peaks", phase) for phase in (TRACE, REST)]
    return [
        *(f"{trace:.1f}", f"{own:.1f}", f"{(trace + own) / seconds:.2f}", f"{own / seconds:.3f}"),
        *(f"{each / MEGABYTE:.0f}" for each in peaks),
        f"{max(peaks) / peak:.2f}",
        *_passes(found),
    ]


def _passes(found: Figures) -> tuple[str, str]:
    """Returns the number of backward passes outside the trace, and the CPU seconds of one."""
    passes = found.of("passes", REST)
    return f"{passes:.0f}", f"{found.of('pass_seconds', REST) / passes:.2f}" if passes else "-"


def _measured(what: str, case: Case) -> Any:
    """Returns what one process has measured, `None` where it failed; that is told, and the others go on."""
    script = Path(__file__).with_name("methods_process.py")
    numbers = map(str, (case.size, case.images, case.batch_size))
    command = [sys.executable, str(script), what, case.model, *numbers]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    line = "null" if done.returncode else done.stdout.splitlines()[-1]
    print(what, line, file=sys.stderr, flush=True)  # the tables come at the end of what may take an hour
    return json.loads(line)


if __name__ == "__main__":
    main()
