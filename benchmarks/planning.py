"""Seconds of `make_plan` for 1,000 and 10,000 cells, over dumping and hashing the fields of as many stages.

The cells are 10 variants of methods x 20 ratios x seeds, as `bench plan` would make them; what cells share is little
here: five of eight stages are each cell's own. Finding the plugins is not counted, and printed by itself.
"""

from __future__ import annotations

import gc
import hashlib
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from harness.plan.plan import make_plan
from harness.registry import Registry, discover
from harness.spec.benchmark import Benchmark

_RUNS = 5
_METHODS = [{"l1": {"allocation": ["uniform", "global"], "round_to": [1, 2, 4, 8]}}, "fpgm", "l2"]
_RATIOS = [number / 40 for number in range(1, 21)]
_CELLS_PER_SEED = 200


def main() -> None:
    """Prints medians of wall and CPU seconds for each number of cells."""
    wall, cpu, registry = _timed(discover)
    print(f"finding the plugins {wall:.3f} s wall, {cpu:.3f} s CPU")
    make_plan(_benchmark(200), registry)  # loads descriptors and hashes sources, which happens once
    for cells in (1_000, 10_000):
        _report(cells, registry)


def _report(cells: int, registry: Registry) -> None:
    benchmark = _benchmark(cells)
    rows = []
    for _ in range(_RUNS):
        plan_wall, plan_cpu, plan = _timed(lambda: make_plan(benchmark, registry))
        order_wall, _, stages = _timed(lambda plan=plan: plan.stages)
        _, hash_cpu, _ = _timed(lambda stages=stages: _dump_and_hash(stages))
        rows.append((plan_wall, plan_cpu, order_wall, plan_cpu / hash_cpu))
        counts = len(plan.cells), len(stages)
        del plan, stages
    plan_wall, plan_cpu, order_wall, ratio = map(statistics.median, zip(*rows, strict=True))
    print(
        f"{counts[0]:6d} cells, {counts[1]:6d} stages: plan {plan_wall:.2f} s wall, {plan_cpu:.2f} s CPU, "
        f"x{ratio:.1f} of dumping and hashing as many fields; stages in order {order_wall:.2f} s wall"
    )


def _benchmark(cells: int) -> Benchmark:
    seeds = list(range(cells // _CELLS_PER_SEED))
    keys = {"methods": _METHODS, "controls": [], "ratios": _RATIOS, "seeds": seeds}
    return Benchmark.model_validate({"name": "planning", **keys})


def _dump_and_hash(stages: tuple[Any, ...]) -> list[str]:
    return [
        hashlib.sha256(json.dumps(stage.fields.parameters | stage.fields.plugins).encode()).hexdigest()
        for stage in stages
    ]


def _timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - cpu, result


if __name__ == "__main__":
    main()
