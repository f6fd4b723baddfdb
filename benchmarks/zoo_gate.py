"""What pruning half of the channels of each zoo model does to it, as a markdown table.

The fifteen models of the first gate are built from the configs of the installed packages with random weights, pruned by
L2, and measured as in tests/plugins/pruning/test_zoo_gate.py. Models that need what is not installed are named with the
reason; so are those that fail.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from zoo_gate import Passage, pass_gate  # noqa: E402
from zoo_models import ZOO, missing  # noqa: E402

if TYPE_CHECKING:
    from zoo_models import ZooModel

COLUMNS = (
    "model", "groups", "channels", "layers pinned", "notes", "trace CPU s", "prepare CPU s", "compress CPU s",
    "removed", "parameters M", "GMACs", "shapes", "loss", "replay", "masked = physical", "in 64 bits", "effect",
)  # fmt: skip


def main() -> None:
    """Prints one row a model, as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models, e.g. UNet; default: all")
    parser.add_argument("--ratio", type=float, default=0.5, help="fraction of the channels to remove")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(_row(COLUMNS))
    print(_row(["---"] * len(COLUMNS)))
    for model in ZOO:
        if not arguments.names or model.name in arguments.names:
            print(_row(_cells(model, arguments.ratio)), flush=True)


def _cells(model: ZooModel, ratio: float) -> list[str]:
    if reason := missing(model):
        return [model.name, f"not run: {reason}"]
    try:
        passage = pass_gate(model, ratio)
    except Exception as error:  # a table of fifteen says which failed, and goes on
        return [model.name, f"failed: {type(error).__name__}: {error}"]
    return [model.name, *_figures(passage)]


def _figures(passage: Passage) -> list[str]:
    mask = passage.mask
    return [
        str(passage.groups),
        str(passage.classes),
        str(passage.pinned),
        str(len(passage.notes)),
        f"{passage.trace_seconds:.1f}",
        f"{passage.prepare_seconds:.1f}",
        f"{passage.compress_seconds:.1f}",
        f"{passage.channels:.1%}",
        " > ".join(f"{count / 1e6:.2f}" for count in passage.parameters),
        " > ".join(f"{count / 1e9:.3f}" for count in passage.macs),
        "=" if passage.shapes[0] == passage.shapes[1] else "changed",
        f"{passage.loss:.3g}, no gradient: {passage.stuck[0]}" if passage.stuck else f"{passage.loss:.3g}",
        "differs" if passage.differing else "bit-equal",
        f"{mask.verdict} {mask.value:.0e}" if mask.value is not None else f"{mask.verdict}: {mask.detail}",
        "mixes" if passage.leak is None else f"{passage.leak:.0e}",
        f"{passage.effect:.2g}",
    ]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(" ".join(cell.split()) for cell in cells) + " |"


if __name__ == "__main__":
    main()
