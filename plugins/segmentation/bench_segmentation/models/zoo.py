"""The configurations that mmsegmentation ships, found wherever it is installed."""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_segmentation.models.config_file import digest, read_model
from bench_segmentation.models.zoo_adaptation import adapt
from harness.errors import UserError
from harness.registry.descriptors import Options
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta

SHOWN_MATCHES = 3


class MMSegZoo(Model[Options]):
    """`mmseg::folder/config`, e.g. `mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024`, or the path of a file."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the member's model config, adapted to the data set and free of pretrained weights.

        Raises:
            UserError: There is no such member, its file cannot be read, or it cannot be adapted.
        """
        if _is_own(self.member):
            return adapt(read_model(Path(self.member), self.member, own=True), meta, self.member)
        name = f"mmseg::{self.member}"
        # Custom imports belong to the training set-up of the authors; building imports what it needs.
        model = read_model(_config_folder() / f"{known_member(self.member)}.py", name, own=False)
        return adapt(model, meta, name)


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
    path = Path(member) if _is_own(member) else _config_folder() / f"{known_member(member)}.py"
    return digest(path, _config_folder)


def _is_own(member: str) -> bool:
    """Whether it is the path of a user's file."""
    return Path(member).is_absolute()


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
