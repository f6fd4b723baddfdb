"""What the channel engine costs over Torch-Pruning, over a plain forward, and for seven ratios instead of one.

All is measured in turn in one run, on one thread, in CPU seconds; figures are medians. Models have random weights.
Torch-Pruning prunes the same model by the same forward; where it does not get through in two minutes, that is said.
Memory is the peak of fresh processes. Mask2Former needs `.venv-ops`, which `make test-ops` makes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from engine_process import RATIO
from engine_runs import (
    COMPARABLE,
    TRACE,
    Stopwatch,
    Subject,
    compress,
    forward,
    parameters,
    prepare,
    quiet,
    run_parts,
    run_seven,
    run_torch_pruning,
    subject,
)

MODELS = ("DeepLabV3-R50", "Mask2Former-R50")
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
LIMIT_SECONDS = 120
MEGABYTE = 1e6

OURS, THEIRS, WHOLE = "ours", "Torch-Pruning", "all that bench does"
SEPARATE = "seven runs of "


def main() -> None:
    """Prints the answers to the questions that are asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", help=f"{', '.join(QUESTIONS)}; default: all")
    parser.add_argument("--models", nargs="+", default=MODELS, help="models of the zoo")
    parser.add_argument("--size", type=int, default=128, help="side of the image in pixels")
    parser.add_argument("--repetitions", type=int, default=5, help="measurements of each figure")
    arguments = parser.parse_args()
    unknown = set(arguments.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(QUESTIONS)}")
    quiet()
    for name in arguments.models:
        for question in arguments.questions or QUESTIONS:
            QUESTIONS[question](name, arguments.size, arguments.repetitions)


def answer_one(name: str, size: int, repetitions: int) -> None:
    """Prints what one ratio costs, part by part, over Torch-Pruning and over a forward."""
    given, watch = subject(name, size), Stopwatch()
    failure = _torch_pruning_failure(name, size)
    left: dict[str, int] = {}
    for number in range(-1, repetitions):
        # The first round warms up and is not counted.
        current = watch if number >= 0 else Stopwatch()
        current.time("forward", lambda: forward(given))
        left[OURS] = parameters(run_parts(given, RATIO, current))
        if not failure:
            left[THEIRS] = parameters(current.time(THEIRS, lambda: run_torch_pruning(given, RATIO)))
        state = current.time("prepare", lambda: prepare(given))
        current.time("compress", partial(compress, given, RATIO, state))
    print(f"\n{name}, {size} px, {RATIO:.0%} of the channels, CPU seconds (median of {repetitions})")
    for part in ("forward", *COMPARABLE, "verify", "prepare", "compress"):
        _print_row(part, watch.seconds[part], watch.seconds["forward"], "of a forward")
    tried = zip(watch.seconds["prepare"], watch.sums(*TRACE, "score"), strict=True)
    _print_row("trial", [whole - parts for whole, parts in tried], watch.seconds["forward"], "of a forward")
    _print_row("trace", watch.sums(*TRACE), watch.seconds["forward"], "of a forward")
    if failure:
        _print_row("trace + score + apply", watch.sums(*COMPARABLE), watch.seconds["forward"], "of a forward")
        print(f"{THEIRS}: {failure}")
        return
    theirs = watch.seconds[THEIRS]
    _print_row(THEIRS, theirs, watch.seconds["forward"], "of a forward")
    _print_row("trace + score + apply", watch.sums(*COMPARABLE), theirs, f"of {THEIRS}")
    _print_row(WHOLE, watch.sums("prepare", "compress"), theirs, f"of {THEIRS}")
    print("parameters left: " + ", ".join(f"{who} {count / 1e6:.3f} M" for who, count in left.items()))


def answer_seven(name: str, size: int, repetitions: int) -> None:
    """Prints what seven ratios cost from one scoring, over seven runs of ours and of Torch-Pruning."""
    given, watch = subject(name, size), Stopwatch()
    failure = _torch_pruning_failure(name, size)
    run_parts(given, RATIO, Stopwatch())
    for _ in range(repetitions):
        watch.time(OURS, lambda: run_seven(given, RATIOS))
        watch.time(WHOLE, lambda: _compress_all(given, RATIOS))
        watch.time(SEPARATE + OURS, lambda: [run_seven(given, (ratio,)) for ratio in RATIOS])
        watch.time(SEPARATE + WHOLE, lambda: [_compress_all(given, (ratio,)) for ratio in RATIOS])
        if not failure:
            watch.time(SEPARATE + THEIRS, lambda: [run_torch_pruning(given, ratio) for ratio in RATIOS])
    print(f"\n{name}, {size} px, {len(RATIOS)} ratios, CPU seconds (median of {repetitions})")
    for way, what in ((OURS, "trace + score once, apply seven times"), (WHOLE, "prepare once, compress seven times")):
        print(f"{what}: {median(watch.seconds[way]):.2f} s")
        for other in (SEPARATE + way, *(() if failure else (SEPARATE + THEIRS,))):
            _print_row(f"  {other}", watch.seconds[other], watch.seconds[way], "of that")
    if failure:
        print(f"{THEIRS}: {failure}")


def answer_memory(name: str, size: int, repetitions: int) -> None:
    """Prints what a trace needs over a plain forward, relative to the activations of that forward."""
    activations = _in_process("activations", name, size)["activations"]
    peaks: dict[str, list[float]] = {action: [] for action in ("model", "forward", "trace", "prepare")}
    for _ in range(repetitions):
        for action, values in peaks.items():
            values.append(_in_process(action, name, size)["peak"])
    print(f"\n{name}, {size} px, peak memory (median of {repetitions} fresh processes; smallest to largest)")
    print(f"activations of a forward: {activations / MEGABYTE:.0f} MB")
    for action, values in peaks.items():
        spread = f"{min(values) / MEGABYTE:.0f} to {max(values) / MEGABYTE:.0f}"
        above = (median(values) - median(peaks["model"])) / MEGABYTE
        print(f"{action:8s} {median(values) / MEGABYTE:6.0f} MB ({spread}), {above:.0f} MB over the model alone")
    for action in ("trace", "prepare"):
        extra = median(peaks[action]) - median(peaks["forward"])
        print(f"{action} over a forward: {extra / MEGABYTE:.0f} MB, {extra / activations:.2f} of its activations")


def _compress_all(given: Subject, ratios: tuple[float, ...]) -> None:
    state = prepare(given)
    for ratio in ratios:
        compress(given, ratio, state)


def _print_row(what: str, seconds: list[float], base: list[float], unit: str) -> None:
    ratios = [each / of for each, of in zip(seconds, base, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{what:36s} {median(seconds):8.3f} s   {median(ratios):6.2f} {unit} ({spread})", flush=True)


def _torch_pruning_failure(name: str, size: int) -> str:
    """Returns what keeps Torch-Pruning from pruning the model, empty if nothing does."""
    began = time.monotonic()
    try:
        _in_process("torch-pruning", name, size)
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS} s"
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
        return f"{reason} (after {time.monotonic() - began:.0f} s, with the start of a process)"
    return ""


def _in_process(action: str, name: str, size: int) -> dict[str, Any]:
    script = Path(__file__).with_name("engine_process.py")
    command = [sys.executable, str(script), action, name, str(size)]
    limit = LIMIT_SECONDS if action == "torch-pruning" else None
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


QUESTIONS = {"one": answer_one, "seven": answer_seven, "memory": answer_memory}

if __name__ == "__main__":
    main()
