"""Are ratios of parameters and MACs met, and is what was predicted what is counted? As a markdown table.

Zoo models with random weights are scored once by L2 and compressed at several targets; parameters and MACs of each
pruned model are counted by the counter of all records.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from zoo_gate import ZooContext  # noqa: E402
from zoo_models import ZOO, ZooModel, missing  # noqa: E402

from bench_pruning.criteria.l2 import L2  # noqa: E402
from bench_pruning.descriptors import PruningOptions  # noqa: E402

MODELS = ("DeepLabV3-R50", "DeepLabV3+-R18", "UNet", "HRNet-W18s", "SegFormer-B0")
COLUMNS = ("model", "allocation", "of", "asked", "reached", "predicted", "counted", "")
RATIOS = (0.25, 0.5, 0.7)


def main() -> None:
    """Prints one row a model, allocation and target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"zoo models; default: {', '.join(MODELS)}")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for model in ZOO:
        if model.name in (arguments.names or MODELS):
            if reason := missing(model):
                print(f"| {model.name} | not run: {reason} |")
                continue
            for allocation in ("uniform", "global"):
                _print_targets(model, allocation)


def _print_targets(zoo_model: ZooModel, allocation: str) -> None:
    context = ZooContext(zoo_model)
    method = L2(options=PruningOptions(allocation=allocation))
    model = zoo_model.build(1)
    state = method.prepare(model, context)
    images = context.example_images()
    for of in ("params", "macs"):
        context.ratio_of = of
        for ratio in RATIOS:
            result = method.compress(copy.deepcopy(model), ratio, state, context)
            parameters = sum(parameter.numel() for parameter in result.model.parameters())
            counted = parameters if of == "params" else context.count_macs(result.model.eval(), images)
            target = result.details["target"]
            verdict = "equal" if target["predicted"] == counted else "DIFFERENT"
            missed = f"; missed: {target['reason']}" if target["missed"] else ""
            cells = [f"{ratio:.0%}", f"{target['reached']:.2%}", target["predicted"], counted, verdict + missed]
            print("|", " | ".join(map(str, [zoo_model.name, allocation, of, *cells])), "|", flush=True)


if __name__ == "__main__":
    main()
