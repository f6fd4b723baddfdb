"""What is wrong with a value that a person wrote, found by pydantic and told in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from harness.spec.suggestion import close_matches, did_you_mean

Path = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: Where, from the outermost key inwards.
        text: What is wrong.
        hint: What could have been meant.
    """

    path: Path
    text: str
    hint: str = ""


def path_text(path: Path) -> str:
    """Returns a path as people write it.

    Example:
        >>> path_text(("exclude", 0, "ratio"))
        'exclude[0].ratio'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def find_problems(error: ValidationError, model: type[BaseModel], data: Any) -> list[Problem]:
    """Returns the problems that pydantic found, one for each place.

    Args:
        error: What validation raised.
        model: What `data` was validated against.
        data: What was validated.
    """
    problems: dict[Path, Problem] = {}
    for details in error.errors(include_url=False):
        problem = _problem(details, model, data)
        earlier = problems.get(problem.path)
        if earlier is not None:  # a union reports once for each of its types
            text = f"{earlier.text}; or {problem.text}"
            problem = Problem(problem.path, text, earlier.hint or problem.hint)
        problems[problem.path] = problem
    return list(problems.values())


def _problem(details: Mapping[str, Any], model: type[BaseModel], data: Any) -> Problem:
    kind, location = details["type"], tuple(details["loc"])
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        return Problem(location, "unknown key", did_you_mean(str(location[-1]), known, "known keys"))
    if kind == "missing":
        return Problem(location, "is required")
    path = _path_in(data, location)
    context = details.get("ctx", {})
    value = _shown(details["input"])
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        matches = close_matches(str(details["input"]), choices)
        hint = f"did you mean {matches[0]!r}?" if matches else ""
        return Problem(path, f"{value} is not one of {', '.join(choices)}", hint)
    reason = details["msg"].removeprefix("Input should be ")
    return Problem(path, f"{value} is not {reason}" if reason != details["msg"] else f"{value}: {reason}")


def _path_in(data: Any, location: Path) -> Path:
    """Drops what pydantic adds to a location: the names of a union's types."""
    path: Path = ()
    for part in location:
        try:
            if isinstance(data, str):  # stands for a list of one
                break
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        path = (*path, part)
    return path


def _keys_at(model: type[BaseModel], path: Path) -> Iterable[str]:
    found: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, str) and found is not None and part in found.model_fields:
            found = _model_in(found.model_fields[part].annotation)
    return found.model_fields if found is not None else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def problem_lines(problems: Sequence[Problem]) -> str:
    """Returns several problems as the lines of one message, each with its path and its hint."""
    lines = []
    for problem in problems:
        hint = f"; {problem.hint}" if problem.hint else ""
        place = f"{path_text(problem.path)}: " if problem.path else ""
        lines.append("  " + f"{place}{problem.text}{hint}".replace("\n", "\n  "))
    return "\n".join(lines)
