"""What is wrong with a YAML file, told with the file's name and its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from harness.errors import UserError
from harness.spec.problem import Problem, path_text, problem_lines
from harness.spec.yaml_document import YamlDocument


def file_error(problems: Sequence[Problem], document: YamlDocument, path: FilePath) -> UserError:
    """Returns the error that tells all problems of a file, in the order of its lines.

    Args:
        problems: At least one.
        document: What was read.
        path: The file.
    """
    lines = {problem.path: document.line(problem.path) for problem in problems}
    problems = sorted(problems, key=lambda problem: lines[problem.path])
    if len(problems) == 1:
        (problem,) = problems
        place = f"{path}:{lines[problem.path]}: {path_text(problem.path)}"
        return UserError(f"{place}: {problem.text}", problem.hint)
    places = [f"line {lines[problem.path]}: {path_text(problem.path)}" for problem in problems]
    numbered = [replace(problem, path=(place,)) for problem, place in zip(problems, places, strict=True)]
    return UserError(f"{path} has {len(problems)} problems:\n{problem_lines(numbered)}")
