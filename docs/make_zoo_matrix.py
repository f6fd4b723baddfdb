"""Writes `zoo.md`: what came of pruning each model of the zoo.

Run `python benchmarks/zoo_gate.py --out FOLDER` where mmdet and compiled operations are installed (`.venv-ops`), then
`python docs/make_zoo_matrix.py FOLDER`. A test compares the models of the page with those of tests/support/zoo.yaml.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parent / "zoo.md"
LIST = Path(__file__).parents[1] / "tests" / "support" / "zoo.yaml"
MARK = "<!-- below this line: made by docs/make_zoo_matrix.py -->"
VERDICTS = {
    "passes": "pass",
    "passes after a trial": "pass, some layers pinned by the trial",
    "fails": "fail",
    "not built": "not built here",
}
COLUMNS = (
    "model", "config", "verdict", "groups", "channels", "can go", "pinned layers, by main reason", "parameters M",
    "GMACs", "masked = physical", "artifact", "CPU s",
)  # fmt: skip
SHOWN_REASONS = 2


def page(current: str, outcomes: list[dict[str, Any]]) -> str:
    """Returns the page with fresh totals and tables below the mark.

    Args:
        current: The page as it is.
        outcomes: One model's each, as benchmarks/zoo_gate.py writes them, in the order of the page.
    """
    lines = [current.partition(MARK)[0] + MARK, "", *_totals(outcomes), ""]
    for package in dict.fromkeys(_package(outcome) for outcome in outcomes):
        lines += [f"## {package}", "", _row(COLUMNS), _row(["---"] * len(COLUMNS))]
        lines += [_row(_cells(outcome)) for outcome in outcomes if _package(outcome) == package]
        lines.append("")
    failing = [outcome for outcome in outcomes if outcome["problems"]]
    lines += ["## Why not", "", *(f"* **{each['name']}**: {_reason(each)}" for each in failing), ""]
    noted = [outcome for outcome in outcomes if _verdict(outcome) == "passes after a trial"]
    lines += ["## What the trial pinned", "", *(f"* **{each['name']}**: {_notes(each)}" for each in noted), ""]
    return "\n".join(lines).rstrip() + "\n"


def models() -> list[str]:
    """Returns the names of the models of the zoo, in order."""
    return [entry["name"] for entry in _entries()]


def expected_failures() -> set[str]:
    """Returns the names of the models of the zoo of which it is known that they do not pass."""
    return {entry["name"] for entry in _entries() if "expected" in entry}


def _entries() -> list[dict[str, Any]]:
    families: dict[str, list[dict[str, Any]]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return [entry for family in families.values() for entry in family]


def listed(text: str) -> list[str]:
    """Returns the names of the models of a page, in order."""
    rows = [line.split("|")[1].strip() for line in text.partition(MARK)[2].splitlines() if line.startswith("|")]
    return [name for name in rows if name not in ("model", "---")]


def _totals(outcomes: list[dict[str, Any]]) -> list[str]:
    counts = Counter(_verdict(outcome) for outcome in outcomes)
    versions = {name: version for outcome in outcomes for name, version in outcome["versions"].items()}
    stated = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    seconds = sum(outcome.get("cpu_seconds", outcome["wall_seconds"]) for outcome in outcomes)
    return [
        f"{len(outcomes)} models; " + "; ".join(f"{VERDICTS[key]}: {counts[key]}" for key in VERDICTS) + ".",
        "",
        f"With {stated}; {seconds / 60:.0f} minutes of one CPU core altogether.",
    ]


def _cells(outcome: dict[str, Any]) -> list[str]:
    first = [outcome["name"], f"`{outcome['config']}`", VERDICTS[_verdict(outcome)]]
    passage = outcome.get("passage")
    if passage is None:
        return [*first, *[""] * (len(COLUMNS) - len(first))]
    pinned = list(passage["pinned"].items())
    reasons = "; ".join(f"{count} {reason}" for reason, count in pinned[:SHOWN_REASONS])
    further = sum(count for _, count in pinned[SHOWN_REASONS:])
    check = next(check for check in passage["checks"] if check["name"] == "masked_equals_physical")
    return [
        *first,
        str(passage["groups"]),
        str(passage["classes"]),
        f"{passage['removable']:.0%}",
        f"{reasons}; {further} others" if further else reasons,
        _change(passage["parameters"], 1e6, 2),
        _change(passage["macs"], 1e9, 3),
        check["verdict"] if check["value"] is None else f"{check['value']:.0e}",
        "differs" if passage["differing"] else "bit-equal",
        f"{outcome['cpu_seconds']:.0f}",
    ]


def _change(counts: list[int], unit: float, digits: int) -> str:
    before, after = counts
    return f"{before / unit:.{digits}f} > {after / unit:.{digits}f} ({after / before:.0%})"


def _verdict(outcome: dict[str, Any]) -> str:
    noted = outcome["verdict"] == "passes" and outcome["passage"]["notes"]
    return "passes after a trial" if noted else str(outcome["verdict"])


def _package(outcome: dict[str, Any]) -> str:
    return str(outcome["config"].partition("::")[0])


def _reason(outcome: dict[str, Any]) -> str:
    return _escaped("; ".join(outcome["problems"]))


def _notes(outcome: dict[str, Any]) -> str:
    return _escaped("; ".join(outcome["passage"]["notes"]))


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("<", "\\<")


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmarks/zoo_gate.py wrote")
    files = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().folder.glob("*.json")]
    by_name = {outcome["name"]: outcome for outcome in files}
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), [by_name[name] for name in models()]), encoding="utf-8")
