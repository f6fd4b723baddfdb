"""mmseg configs as files: which files one is made of, and what it says. Reading one runs it."""

from __future__ import annotations

import ast
import hashlib
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


OPENMMLAB = frozenset({"mmengine", "mmcv", "mmseg", "mmdet", "mmpretrain", "torch"})
"""Packages that count by their version."""

IMPORTS = "custom_imports"


def read_model(path: Path, name: str, *, own: bool) -> dict[str, Any]:
    """Returns the `model` of a config file, which is run for it.

    Args:
        path: The file.
        name: What the user called it, for messages.
        own: Whether it is the user's: then its custom imports are made too, and classes that these register are named
            with their module, so that artifacts rebuild the model without the file.

    Raises:
        UserError: The file cannot be read, or has no model.
    """
    from mmengine.config import Config

    try:
        config = Config.fromfile(path, import_custom_modules=own)
        model = config["model"].to_dict() if "model" in config else None
    except Exception as error:  # a config file is a program: anything may come out of it
        message = f"{name} cannot be read from {path}: {type(error).__name__}: {error}"
        hint = "Mend the file." if own else "The file belongs to the installed mmsegmentation; check its version."
        raise UserError(message, hint) from error
    if model is None:
        message = f"{name} has no model: {path}"
        raise UserError(message, "Choose a config that trains a model.")
    plain: dict[str, Any] = _with_modules(model) if own else model
    return plain


def digest(path: Path, installed: Callable[[], Path]) -> str:
    """Returns the SHA-256 of a config file, the files it is based on, and the packages it imports; runs none of them.

    Args:
        path: The file.
        installed: Returns the folder of mmseg's own configs, which `mmseg::` in a base stands for.

    Raises:
        UserError: A file does not exist or is no Python.
    """
    found = hashlib.sha256()
    modules: set[str] = set()
    for file in _with_bases(path, installed):
        found.update(file.read_bytes())
        modules |= set(_imported(ast.parse(file.read_text(encoding="utf-8"))))
    for package in sorted({module.partition(".")[0] for module in modules} - OPENMMLAB - sys.stdlib_module_names):
        for source in _sources(package):
            found.update(source.read_bytes())
    return found.hexdigest()


def _sources(package: str) -> list[Path]:
    """Returns the Python files of a package or module, sorted; none if it is not found.

    Workers have the current folder on their path, so it is looked into first, whoever asks.
    """
    spec = PathFinder.find_spec(package, [str(Path.cwd()), *sys.path]) or find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ()) if folder] if spec else []
    if spec and not folders:
        return [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
    return sorted(file for folder in folders for file in folder.rglob("*.py"))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yields the modules that a config file imports: its `custom_imports`, and what it imports as a program.

    Relative ones are bases, which are files of their own.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == IMPORTS for t in node.targets):
            # `dict(imports=[...])`, `{"imports": [...]}`, or one name
            literals = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            yield from (text for text in literals if isinstance(text, str) and text != "imports")


def _with_bases(path: Path, installed: Callable[[], Path], above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yields a config file and, in order and depth first, its bases."""
    if path in above:
        message = f"config {above[0]}: {path} is based on itself"
        raise UserError(message, "Take the circle out of `_base_`.")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bases = [base for node in tree.body for base in _bases(node, path, installed)]
    except (OSError, SyntaxError, ValueError) as error:
        message = f"config {path}: cannot be read ({error})"
        raise UserError(message, "Mend the file, or the `_base_` that names it.") from error
    yield path
    for base in bases:
        yield from _with_bases(base, installed, (*above, path))


def _bases(node: ast.stmt, path: Path, installed: Callable[[], Path]) -> Iterator[Path]:
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets):
        named = ast.literal_eval(node.value)
        for base in [named] if isinstance(named, str) else list(named):
            scope, separator, rest = base.partition("::")
            if not separator:
                yield (path.parent / base).resolve()
            elif scope == "mmseg":
                yield installed() / rest
            # Bases in other packages change with those alone.
    if isinstance(node, ast.With) and "read_base" in ast.dump(node.items[0].context_expr):
        for imported in node.body:
            if isinstance(imported, ast.ImportFrom) and imported.level and imported.module:
                folder = path.parents[imported.level - 1]
                yield folder.joinpath(*imported.module.split(".")).with_suffix(".py").resolve()


def _with_modules(value: Any) -> Any:
    """Returns the config with classes of other packages than OpenMMLab's named with their module."""
    if isinstance(value, dict):
        named = {key: _with_modules(item) for key, item in value.items()}
        return {**named, "type": _type_name(named["type"])} if isinstance(named.get("type"), (str, type)) else named
    if isinstance(value, (list, tuple)):
        return [_with_modules(item) for item in value]
    return value


def _type_name(kind: str | type) -> str:
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    if isinstance(kind, str):
        with DefaultScope.overwrite_default_scope("mmseg"):
            found = MODELS.get(kind)
        if found is None:
            return kind
    else:
        found = kind
    if found.__module__.partition(".")[0] in OPENMMLAB:
        return kind.rpartition(".")[2] if isinstance(kind, str) else found.__name__
    return f"{found.__module__}.{found.__qualname__}"
