"""Failures that are known and expected: a YAML list of which cells, and why.

    - {method: fpgm, model: segformer, kind: unsupported_op, reason: "its attention cannot be pruned yet"}
    - pipeline: l1@0.9
      kind: [oom, timeout]
      reason: needs more memory than the nightly machine has

The keys of an entry are those of `exclude` in a benchmark file, `pipeline`, `kind` and `reason`. It is strict: a cell
that is expected to fail and passes is as wrong as one that fails unexpectedly (`harness.spec.failure_verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from harness.errors import FailureKind, UserError
from harness.spec.benchmark import PipelineText
from harness.spec.cell_rule import CellFacts, CellRule, matches
from harness.spec.file_error import file_error
from harness.spec.listing import Listed
from harness.spec.pipeline import MethodKinds, Pipeline, parse_pipeline, with_default_recoveries
from harness.spec.problem import Problem, find_problems
from harness.spec.suggestion import did_you_mean
from harness.spec.yaml_document import read_yaml_file


def _stated_reason(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return " ".join(value.split())
    message = "must say in words why the failure is expected"
    raise ValueError(message)


class ExpectedFailure(CellRule):
    """Cells that are expected to fail, one way or another, and why."""

    pipeline: Listed[PipelineText] = Field(
        default=(), description="Whole pipelines; default recoveries may be left out, options are compared as written."
    )
    kind: Listed[FailureKind] = Field(default=(), description="Kinds of failure that are expected; default: any.")
    reason: Annotated[str, BeforeValidator(_stated_reason)] = Field(description="Why; required.")

    @model_validator(mode="after")
    def _names_cells(self) -> ExpectedFailure:
        if not self.wanted():
            keys = ", ".join([*CellRule.model_fields, "pipeline"])
            message = f"an entry that names no cells would expect every cell to fail; keys are {keys}"
            raise ValueError(message)
        return self

    def wanted(self) -> dict[str, tuple[Any, ...]]:
        """Returns what the given keys ask of a cell."""
        return {**super().wanted(), **({"pipeline": self.pipeline} if self.pipeline else {})}


_KEYS = ", ".join(ExpectedFailure.model_fields)


@dataclass(frozen=True)
class Expectation:
    """One entry of a file.

    Attributes:
        failure: What it says.
        place: Where it stands, e.g. `"known.yaml:3"`.
    """

    failure: ExpectedFailure
    place: str

    def concerns(self, facts: CellFacts) -> bool:
        """Returns whether a cell with these facts is expected to fail."""
        return matches(self.failure.wanted(), facts)

    def covers(self, kind: str | None) -> bool:
        """Returns whether a failure of this kind is what is expected."""
        return not self.failure.kind or kind in self.failure.kind


def load_expected_failures(path: Path) -> tuple[Expectation, ...]:
    """Returns the entries of a file, in its order.

    Raises:
        UserError: The file cannot be read, or something in it is wrong; all problems with their lines.
    """
    document = read_yaml_file(path, "file of expected failures")
    if not isinstance(document.data, list):
        message = f"{path} is not a list of expected failures: it holds {type(document.data).__name__}"
        raise UserError(message, f"write `- {{method: NAME, reason: TEXT}}`; keys are {_KEYS}")
    expectations: list[Expectation] = []
    problems: list[Problem] = []
    for number, entry in enumerate(document.data):
        if not isinstance(entry, dict):
            problems.append(Problem((number,), f"{entry!r:.60} is not a mapping", f"keys are {_KEYS}"))
            continue
        texts = {str(key): value for key, value in entry.items()}
        try:
            failure = ExpectedFailure.model_validate(texts)
        except ValidationError as error:
            found = find_problems(error, ExpectedFailure, texts)
            problems.extend(replace(problem, path=(number, *problem.path)) for problem in found)
        else:
            expectations.append(Expectation(failure, f"{path}:{document.line((number,))}"))
    if problems:
        raise file_error(problems, document, path)
    return tuple(expectations)


def fitted(
    expectations: Sequence[Expectation], cells: Sequence[CellFacts], methods: Mapping[str, MethodKinds]
) -> tuple[Expectation, ...]:
    """Returns the entries with the default recoveries of their pipelines written out, as cells have them.

    Args:
        expectations: The entries.
        cells: Facts of all cells of the benchmark.
        methods: What is known of the methods of these cells, by name.

    Raises:
        UserError: An entry matches no cell.
    """
    complete = tuple(_completed(expectation, methods) for expectation in expectations)
    for expectation in complete:
        if not any(expectation.concerns(facts) for facts in cells):
            raise _matches_nothing(expectation, cells)
    return complete


def _completed(expectation: Expectation, methods: Mapping[str, MethodKinds]) -> Expectation:
    pipelines = []
    for text in expectation.failure.pipeline:
        pipeline = parse_pipeline(text, f"{expectation.place}: pipeline")
        if _names(pipeline) <= set(methods):
            try:
                pipeline = with_default_recoveries(pipeline, methods.__getitem__)
            except UserError as error:
                message = f"{expectation.place}: {error.message}"
                raise UserError(message, error.hint) from error
        pipelines.append(str(pipeline))
    failure = expectation.failure.model_copy(update={"pipeline": tuple(pipelines)})
    return replace(expectation, failure=failure)


def _names(pipeline: Pipeline) -> set[str]:
    return {call.name for step in pipeline.steps for call in step.calls}


def _matches_nothing(expectation: Expectation, cells: Sequence[CellFacts]) -> UserError:
    """Says which key no cell matches, if it is a single one."""
    for key, values in expectation.failure.wanted().items():
        if any(matches({key: values}, facts) for facts in cells):
            continue
        known = {value for facts in cells for value in _several(facts.get(key))}
        message = f"{expectation.place}: no cell has {key} {' or '.join(map(str, values))}"
        return UserError(message, _known_values(values[0], known, f"the benchmark's {key}s"))
    message = f"{expectation.place}: no cell matches all keys of this entry"
    return UserError(message, "drop the entry, or a key of it; `bench plan` shows the benchmark's cells")


def _known_values(written: Any, known: set[Any], label: str) -> str:
    if isinstance(written, str):
        return did_you_mean(written, known, label)
    return f"{label}: {', '.join(map(str, sorted(known))) or 'none'}"


def _several(fact: Any) -> Sequence[Any]:
    if fact is None:
        return ()
    return (fact,) if isinstance(fact, (str, int, float)) else tuple(fact)
