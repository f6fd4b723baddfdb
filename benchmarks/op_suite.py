"""What the channel engine makes of each one-op network of the test suite, as a markdown table.

    python benchmarks/op_suite.py [--choices 4] [--only WORD ...]

Every network is traced and tried, loses random sets of channels of all its groups, and is compared with what is right;
`tests/support/op_suite.py` says how. `value` is the largest difference relative to the largest output, in double
precision.
Exits with 1 if an outcome is not the expected one or a value is not as small as rounding.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "plugins" / "pruning")]

import torch  # noqa: E402
from one_op_case import Case  # noqa: E402
from one_op_networks import CASES  # noqa: E402
from op_suite import TOLERANCE, Finding, examine  # noqa: E402


def main() -> None:
    """Prints a row for each network, then how many had which outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choices", type=int, default=4, help="random sets of channels a network")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    print("| op | outcome | classes | value | reason | prototype of the study |\n|---|---|---|---|---|---|")
    outcomes: Counter[str] = Counter()
    wrong = []
    for case in CASES:
        if any(word in case.name for word in arguments.only):
            outcome, right = _row(case, arguments.choices)
            outcomes[outcome] += 1
            wrong += [] if right else [case.name]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    print(f"\n{sum(outcomes.values())} networks: {counts}; {time.process_time() - start:.1f} CPU s")
    if wrong:
        print(f"not as expected: {', '.join(wrong)}")
    sys.exit(bool(wrong))


def _row(case: Case, choices: int) -> tuple[str, bool]:
    """Prints a network's row; returns its outcome and whether that is the expected one."""
    try:
        finding = examine(case, choices)
    except Exception as error:
        finding = Finding("crashed", reason=f"{type(error).__name__}: {error}".splitlines()[0])
    silent = finding.value > TOLERANCE or any(check.verdict == "fail" for check in finding.checks)
    value = f"{finding.value:.0e}" if finding.checks else ""
    outcome = f"{finding.outcome}, WRONG" if silent else finding.outcome
    cells = (case.name, outcome, finding.size or "", value, finding.reason, case.study)
    print("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return outcome, not silent and (finding.outcome, finding.size) == (case.outcome, case.size)


if __name__ == "__main__":
    main()
