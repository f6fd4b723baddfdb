"""Which failures of a run were expected: the verdict on its cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.spec.cell_rule import CellFacts
from harness.spec.expected_failures import Expectation

_FAILED = ("failed", "blocked")


@dataclass(frozen=True)
class CellOutcome:
    """How one cell ended.

    Attributes:
        name: The cell's name.
        facts: What rules may ask of it.
        status: `complete`, `failed`, `blocked` (which counts as failed), or `interrupted` or `never_run`, which are
            neither a success nor a failure.
        kind: Kind of its failure, for a blocked cell of the failure that blocks it; `None` where nothing failed.
    """

    name: str
    facts: CellFacts
    status: str
    kind: str | None = None


@dataclass(frozen=True)
class JudgedCell:
    """A cell that failed or was expected to.

    Attributes:
        outcome: How it ended.
        expectation: The entry that it is judged by; `None` where no entry is about it.
    """

    outcome: CellOutcome
    expectation: Expectation | None


@dataclass(frozen=True)
class Verdict:
    """All cells that failed or were expected to, each once, in the order of the outcomes.

    Attributes:
        expected: Cells that failed as an entry says.
        unexpected: Cells that failed though no entry is about them, or in another way than their entry says.
        passed: Cells that did not fail though an entry says that they do.
    """

    expected: tuple[JudgedCell, ...]
    unexpected: tuple[JudgedCell, ...]
    passed: tuple[JudgedCell, ...]

    @property
    def is_as_expected(self) -> bool:
        """Whether nothing is in need of attention."""
        return not self.unexpected and not self.passed

    def lines(self) -> list[str]:
        """Returns a sentence for each cell, those that need attention last."""
        return [
            *(f"{_failed(cell)} as expected{_because(cell)}" for cell in self.expected),
            *(f"{_failed(cell)}, not as expected{_wanted(cell)}" for cell in self.unexpected),
            *(f"{cell.outcome.name} passed, but was expected to fail{_because(cell)}" for cell in self.passed),
        ]


def judge(expectations: Sequence[Expectation], outcomes: Iterable[CellOutcome]) -> Verdict:
    """Returns which cells ended as they were expected to.

    A cell that several entries are about has to fail in a way that one of them expects.

    Args:
        expectations: The entries, with whole pipelines (`harness.spec.expected_failures.fitted`).
        outcomes: How the cells ended.
    """
    expected: list[JudgedCell] = []
    unexpected: list[JudgedCell] = []
    passed: list[JudgedCell] = []
    for outcome in outcomes:
        about = [expectation for expectation in expectations if expectation.concerns(outcome.facts)]
        covering = [expectation for expectation in about if expectation.covers(outcome.kind)]
        if outcome.status in _FAILED:
            judged = JudgedCell(outcome, next(iter(covering or about), None))
            (expected if covering else unexpected).append(judged)
        elif outcome.status == "complete" and about:
            passed.append(JudgedCell(outcome, about[0]))
    return Verdict(tuple(expected), tuple(unexpected), tuple(passed))


def _failed(cell: JudgedCell) -> str:
    return f"{cell.outcome.name} {cell.outcome.status} ({cell.outcome.kind or 'unknown'})"


def _because(cell: JudgedCell) -> str:
    return f": {cell.expectation.failure.reason} ({cell.expectation.place})" if cell.expectation else ""


def _wanted(cell: JudgedCell) -> str:
    if cell.expectation is None:
        return ""
    return f": {' or '.join(cell.expectation.failure.kind)} was ({cell.expectation.place})"
