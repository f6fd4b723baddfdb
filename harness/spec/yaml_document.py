"""Safe YAML that remembers where each key stood."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from harness.errors import UserError
from harness.spec.problem import Path
from harness.spec.suggestion import close_matches

_LONGEST_INTEGER = 1024  # bits: what fits into a float


class _Loader(yaml.SafeLoader):
    """The safe loader, with `1e-3` a number as in YAML 1.2 (PyYAML reads it as text)."""


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    number: int = loader.construct_yaml_int(node)
    if number.bit_length() > _LONGEST_INTEGER:
        raise yaml.constructor.ConstructorError(None, None, "a number that is too large", node.start_mark)
    return number


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    text: str = loader.construct_yaml_str(node)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = "text with an escape that is half a character"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error
    return text


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:str", _text)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+\Z"),
    list("-+0123456789"),
)


@dataclass(frozen=True)
class YamlDocument:
    """A file's data and the lines they stand on.

    Attributes:
        data: Plain Python data.
        node: The composed node of `data`.
    """

    data: Any
    node: yaml.Node

    def line(self, path: Path) -> int:
        """Returns the line, from 1, of the key or list item at `path`, or of the nearest one around it."""
        node, line = self.node, self.node.start_mark.line
        for part in path:
            step = _child(node, part)
            if step is None:
                break
            node, line = step
        return line + 1


def read_yaml_file(path: FilePath, label: str) -> YamlDocument:
    """Returns the only document of a YAML file.

    Args:
        path: The file.
        label: What kind of file it is, for errors: `"benchmark file"`.

    Raises:
        UserError: The file does not exist, cannot be read or is empty, or is not YAML; a key appears twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"{label} '{path}' does not exist"
        raise UserError(message, _yaml_files(path.parent, path.name)) from error
    except IsADirectoryError as error:
        message = f"{label} '{path}' is a folder"
        raise UserError(message, _yaml_files(path)) from error
    except UnicodeDecodeError as error:
        message = f"{label} '{path}' is not UTF-8 text (byte {error.start})"
        raise UserError(message) from error
    except OSError as error:
        message = f"{label} '{path}' cannot be read: {error.strerror}"
        raise UserError(message) from error
    return read_yaml(text, str(path))


def read_yaml(text: str, source: str) -> YamlDocument:
    """Returns the only document of a YAML text.

    Args:
        text: The text.
        source: The file's name, for errors.

    Raises:
        UserError: The text is empty or not YAML; a key appears twice.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            message = f"{source} is empty"
            raise UserError(message)
        _refuse_repeated_keys(node, source)
        return YamlDocument(loader.construct_document(node), node)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, source) from error
    except (yaml.YAMLError, ValueError) as error:  # control characters; dates that do not exist
        message = f"{source} cannot be read as YAML: {error}"
        raise UserError(message, "text that looks like a number or a date goes in quotes") from error
    except RecursionError as error:
        message = f"{source} is nested too deeply"
        raise UserError(message) from error


def _syntax_error(error: yaml.MarkedYAMLError, text: str, source: str) -> UserError:
    mark = error.problem_mark or error.context_mark
    place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    reason = " ".join(filter(None, (error.context, error.problem)))
    lines = text.split("\n")
    shown = lines[mark.line] if mark and mark.line < len(lines) else ""
    tabs = "\t" in shown[: len(shown) - len(shown.lstrip())]
    message = f"{place}: not YAML: {reason}" + (f"\n    {shown.strip()}" if shown.strip() else "")
    return UserError(message, "YAML is indented with spaces, not with tabs" if tabs else "")


def _refuse_repeated_keys(root: yaml.Node, source: str) -> None:
    """YAML forbids repeated keys; PyYAML silently keeps the last one."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if not isinstance(node, yaml.MappingNode):
            waiting.extend(node.value)
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                message = f"{source}:{line}: key '{key.value}' appears twice"
                raise UserError(message, f"it is already on line {lines[key.value]}; keep one")
            lines[key.value] = line


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, int] | None:
    """Returns the node behind a key or list position, and the line where it begins."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item, item.start_mark.line
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # merged keys stand first, a mapping's own last
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return value, key.start_mark.line
    return None


def _yaml_files(folder: FilePath, wanted: str = "") -> str:
    if not folder.is_dir():
        return f"the folder '{folder}' does not exist either"
    names = sorted(file.name for file in folder.iterdir() if file.suffix in (".yaml", ".yml"))
    if not names:
        return f"no YAML file is in '{folder}'"
    matches = close_matches(wanted, names)
    return f"did you mean '{folder / matches[0]}'?" if matches else f"'{folder}' holds {', '.join(names)}"
