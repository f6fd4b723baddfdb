"""The configurations that mmsegmentation ships, found wherever it is installed."""

from __future__ import annotations

import ast
import difflib
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_segmentation.models.zoo_adaptation import adapt
from harness.errors import UserError
from harness.registry.descriptors import Options
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta

SHOWN_MATCHES = 3


class MMSegZoo(Model[Options]):
    """`mmseg::folder/config`, e.g. `mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024`."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the member's model config, adapted to the data set and free of pretrained weights.

        Raises:
            UserError: There is no such member, its file cannot be read, or it cannot be adapted.
        """
        from mmengine.config import Config

        path = _config_folder() / f"{known_member(self.member)}.py"
        try:
            # Custom imports belong to the training set-up of the authors; building imports what it needs.
            config = Config.fromfile(path, import_custom_modules=False)
        except Exception as error:  # a config file is a program: anything may come out of it
            message = f"mmseg::{self.member} cannot be read from {path}: {error}"
            raise UserError(message, "The file belongs to the installed mmsegmentation; check its version.") from error
        if "model" not in config:
            message = f"mmseg::{self.member} has no model: {path}"
            raise UserError(message, "Choose a config that trains a model.")
        return adapt(config.model.to_dict(), meta, f"mmseg::{self.member}")


def known_member(member: str) -> str:
    """Returns the member's name, which is one of `members()`; imports nothing of mmseg.

    Raises:
        UserError: There is no such member; the hint has what comes close.
    """
    name = member.removesuffix(".py")
    known = members()
    if name in known:
        return name
    message = f"the mmseg zoo has no config {member!r}"
    # Published file names are long; people often leave out the folder.
    names = {found if "/" in name else found.rpartition("/")[2]: found for found in known}
    close = [names[match] for match in difflib.get_close_matches(name, names, SHOWN_MATCHES)]
    hint = f"Did you mean {', '.join(f'mmseg::{match}' for match in close)}? " if close else ""
    raise UserError(message, f"{hint}`bench list models --zoo mmseg` lists all {len(known)}.")


def fingerprint(member: str) -> str:
    """Returns the SHA-256 of a member's config file and of the files that it is based on; imports nothing of mmseg.

    Raises:
        UserError: There is no such member.
    """
    digest = hashlib.sha256()
    for path in _with_bases(_config_folder() / f"{known_member(member)}.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _with_bases(path: Path) -> list[Path]:
    """Returns a config file and, in order and depth first, those in its `_base_`."""
    bases: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets):
            named = ast.literal_eval(node.value)
            bases = [named] if isinstance(named, str) else list(named)
    return [path, *(inner for base in bases for inner in _with_bases((path.parent / base).resolve()))]


def members() -> list[str]:
    """Returns the names of all configs of the installed mmsegmentation, sorted; imports nothing of it.

    Raises:
        UserError: mmsegmentation is not installed or comes without its configs.
    """
    folder = _config_folder()
    paths = (path.relative_to(folder) for path in folder.glob("*/*.py"))
    return sorted(path.with_suffix("").as_posix() for path in paths if path.parts[0] != "_base_")


def _config_folder() -> Path:
    """Returns the folder of configs, by the place of the package and not by a distribution's name."""
    spec = find_spec("mmseg")
    if spec is None or spec.origin is None:
        message = "mmsegmentation is not installed, so there is no mmseg zoo"
        raise UserError(message, "Install compression-bench[onedl] or compression-bench[upstream].")
    package = Path(spec.origin).parent
    # A wheel carries its configs in .mim; a checkout installed in place has them beside the package.
    for folder in (package / ".mim" / "configs", package.parent / "configs"):
        if (folder / "_base_").is_dir():
            return folder
    message = f"the mmsegmentation in {package} comes without its configs"
    raise UserError(message, "Install it from a wheel, or with `pip install -e` from a full checkout.")
