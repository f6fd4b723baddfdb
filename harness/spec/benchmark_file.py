"""Reads benchmark files and lays flags over them; every mistake is told where it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from harness.errors import UserError
from harness.spec.benchmark import Benchmark
from harness.spec.file_error import file_error
from harness.spec.problem import Path, Problem, find_problems, path_text, problem_lines
from harness.spec.splitting import split_list
from harness.spec.yaml_document import read_yaml, read_yaml_file


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(map(_is_list, get_args(annotation)))


_NUMBERS = ("ratios", "seeds")
_LISTS = tuple(name for name, field in Benchmark.model_fields.items() if _is_list(field.annotation))


def load_benchmark(path: FilePath) -> Benchmark:
    """Returns the benchmark that a YAML file describes, named after the file unless it names itself.

    Raises:
        UserError: The file cannot be read, or something in it is wrong; all problems with their lines.
    """
    document = read_yaml_file(path, "benchmark file")
    data = document.data
    if not isinstance(data, dict):
        message = f"{path} is not a mapping of benchmark keys: it holds {type(data).__name__} {data!r:.60}"
        raise UserError(message, f"keys are {', '.join(Benchmark.model_fields)}")
    texts = {str(key): value for key, value in data.items()}
    try:
        return Benchmark.model_validate({"name": path.stem, **texts}).with_paths_below(path.parent)
    except ValidationError as error:
        raise file_error(find_problems(error, Benchmark, texts), document, path) from error


def override(
    benchmark: Benchmark, flags: Mapping[str, Any], assignments: Sequence[str] = (), flag: str = "--set"
) -> Benchmark:
    """Returns the benchmark with flags laid over it; an assignment wins over a flag.

    Args:
        benchmark: What the file says, or `Benchmark()`.
        flags: Values by key, `"ratio_of"` or `"evaluation.samples"`, which stand for the flags `--ratio-of`
            and `--evaluation-samples`; `None` for a flag that was not given. A list may be one text with
            commas.
        assignments: Texts such as `"recovery.iterations=50"`; values are YAML, or lists with commas.
        flag: The flag that assignments come from.

    Raises:
        UserError: A value is wrong or a key unknown; the message names the flag.
    """
    data = deepcopy(dict(benchmark.written()))
    origins: dict[Path, str] = {}
    for key, value in flags.items():
        if value is not None:
            origin = f"--{key.replace('.', '-').replace('_', '-')}"
            _put(data, origins, key, _listed(key, value, origin), origin)
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not key:
            message = f"{flag} {assignment}: expected key=value"
            raise UserError(message, f"for example {flag} recovery.iterations=50")
        origin = f"{flag} {assignment}"
        _put(data, origins, key, _assigned(key, text, origin), origin)
    try:
        return Benchmark.model_validate(data).with_paths_below(FilePath.cwd())
    except ValidationError as error:
        raise _flag_error(find_problems(error, Benchmark, data), origins) from error


def _put(data: dict[str, Any], origins: dict[Path, str], key: str, value: Any, origin: str) -> None:
    path = tuple(key.split("."))
    for depth, parent in enumerate(path[:-1], start=1):
        if data.get(parent) is None:
            data[parent] = {}
        data = data[parent]
        if not isinstance(data, dict):
            message = f"{origin}: {'.'.join(path[:depth])} has no keys"
            raise UserError(message, "a list is replaced as a whole")
    data[path[-1]] = value
    origins[path] = origin


def _listed(key: str, value: Any, origin: str) -> Any:
    if key not in _LISTS or not isinstance(value, str):
        return value
    items = split_list(value, origin)
    return [_plain(item) for item in items] if key in _NUMBERS else items


def _assigned(key: str, text: str, origin: str) -> Any:
    if key in _LISTS and not text.startswith(("[", "{")):
        return _listed(key, text, origin)
    return read_yaml(text, origin).data if text else None


def _plain(text: str) -> Any:
    """Returns a number where the text is one; otherwise the text, for validation to refuse."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _flag_error(problems: list[Problem], origins: Mapping[Path, str]) -> UserError:
    named = [replace(problem, path=_origin(problem.path, origins), text=_told(problem)) for problem in problems]
    if len(named) == 1:
        (problem,) = named
        return UserError(f"{path_text(problem.path)}: {problem.text}", problem.hint)
    return UserError(f"the flags have {len(named)} problems:\n{problem_lines(named)}")


def _told(problem: Problem) -> str:
    return f"unknown key '{path_text(problem.path)}'" if problem.text == "unknown key" else problem.text


def _origin(path: Path, origins: Mapping[Path, str]) -> Path:
    """Returns the flag that a problem comes from in place of its path; the latest that wrote there."""
    for written, origin in reversed(list(origins.items())):
        shared = min(len(written), len(path))
        if written[:shared] == path[:shared]:
            return (origin,)
    return path
