"""What pruning half of the channels of each zoo model does to it.

The models of tests/support/zoo.yaml are built from the configs of the installed packages with random weights, pruned by
L2, and measured as in tests/plugins/pruning/test_zoo_gate.py; each in a process of its own with a limit of time and
memory. What came of each is printed, and written to a JSON file that `python docs/make_zoo_matrix.py` reads.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from zoo_gate import GateError, Passage, pass_gate, problems  # noqa: E402
from zoo_models import ZOO, missing  # noqa: E402

if TYPE_CHECKING:
    from zoo_models import ZooModel

RATIO = 0.5
GIGABYTE = 2**30
PACKAGES = ("torch", "mmcv", "mmengine", "mmsegmentation", "mmdetection", "mmpretrain")


def main() -> None:
    """Prints one line a model, as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models, e.g. UNet; default: all")
    parser.add_argument("--out", type=Path, default=Path("results/zoo"), help="folder of a JSON file a model")
    parser.add_argument("--seconds", type=float, default=300, help="limit of each model's time")
    parser.add_argument("--gigabytes", type=float, default=14, help="limit of each model's memory")
    parser.add_argument("--here", action="store_true", help="run the one model named in this process")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    chosen = [model for model in ZOO if not arguments.names or model.name in arguments.names]
    for model in chosen:
        path = arguments.out / f"{file_name(model.name)}.json"
        outcome = _measured(model, arguments.gigabytes) if arguments.here else _apart(model, path, arguments)
        path.write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
        if not arguments.here:
            _print(outcome)


def file_name(name: str) -> str:
    """Returns a model's name as part of a path."""
    return name.lower().replace("+", "plus").replace(" ", "-")


def _apart(model: ZooModel, path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the outcome of a model that runs in a process of its own."""
    path.unlink(missing_ok=True)
    command = [sys.executable, __file__, model.name, "--here", "--out", str(arguments.out)]
    command += ["--gigabytes", str(arguments.gigabytes)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.seconds, check=False)
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        failure = f"its process ended with {done.returncode}: {last}"
    except subprocess.TimeoutExpired:
        failure = f"time: not done in {arguments.seconds:.0f} s"
    seconds = time.monotonic() - began
    if path.exists():
        return {**json.loads(path.read_text(encoding="utf-8")), "wall_seconds": seconds}
    return {**_header(model), "verdict": "fails", "problems": [failure], "wall_seconds": seconds}


def _measured(model: ZooModel, gigabytes: float) -> dict[str, Any]:
    """Returns the outcome of a model that runs in this process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (int(gigabytes * GIGABYTE),) * 2)
    began = time.process_time()
    outcome = {**_header(model), **_verdict(model)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**outcome, "cpu_seconds": time.process_time() - began, "peak_gigabytes": peak}


def _verdict(model: ZooModel) -> dict[str, Any]:
    if reason := missing(model):
        return {"verdict": "not built", "problems": [reason]}
    try:
        passage = pass_gate(model, RATIO)
    except GateError as error:
        return {"verdict": "fails", "problems": [str(error)], "whole": _whole(error.error)}
    found = problems(passage, RATIO)
    return {"verdict": "fails" if found else "passes", "problems": found, "passage": _plain(passage)}


def _whole(error: BaseException) -> str:
    """Returns an error and what caused it, with the last place in the code of each."""
    lines = []
    cause: BaseException | None = error
    while cause is not None:
        place = cause.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
        lines.append(f"{type(cause).__name__} at {where}: {cause}")
        cause = cause.__cause__
    return "\n".join(lines)


def _plain(passage: Passage) -> dict[str, Any]:
    checks = [{"name": check.name, "verdict": check.verdict, "value": check.value, "detail": check.detail}
              for check in passage.checks]  # fmt: skip
    return {**{name: value for name, value in vars(passage).items() if name != "checks"}, "checks": checks}


def _header(model: ZooModel) -> dict[str, Any]:
    installed = {dist.metadata["Name"]: dist.version for dist in distributions()}
    versions = {name: version for name, version in installed.items() if name.removeprefix("onedl-") in PACKAGES}
    return {
        "name": model.name,
        "config": model.config_name,
        "ratio": RATIO,
        "versions": dict(sorted(versions.items())),
    }


def _print(outcome: dict[str, Any]) -> None:
    passage = outcome.get("passage")
    figures = ""
    if passage:
        before, after = passage["parameters"]
        figures = f"{passage['groups']} groups, {before / 1e6:.2f} > {after / 1e6:.2f} M, {len(passage['notes'])} notes"
    said = "; ".join([figures, *outcome["problems"]] if figures else outcome["problems"])
    sys.stdout.write(f"{outcome['name']}: {outcome['verdict']} ({outcome['wall_seconds']:.0f} s): {said}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
