"""Which image belongs to which label map: the base of all layouts; torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

from bench_segmentation.datasets.label_table import Colour, ColourTable, IndexTable
from bench_segmentation.datasets.options import FolderOptions
from harness.errors import DataError, UserError

if TYPE_CHECKING:
    from harness.registry.dataset import Split

FolderOptionsT = TypeVar("FolderOptionsT", bound=FolderOptions)

IGNORED = 255
"""Label that counts nowhere, unless a data set says otherwise."""


class Pair(NamedTuple):
    """An image and its label map."""

    image: Path
    labels: Path


class LabelledFolder(ABC, Generic[FolderOptionsT]):
    """A data set's folder: which files it has and what their labels mean. Nothing is opened but lists of files.

    Args:
        options: Validated options.

    Attributes:
        splits: The splits that have labels.
        ignored: The label that counts nowhere.
        sizes: (height, width) of the images of a fixture, taken in turn.
        labels_hint: What to do if label maps are missing.
        painted_labels: Whether the label maps of a fixture have a palette.

    Raises:
        UserError: No root is given.
        DataError: The root is no folder.
    """

    splits: ClassVar[tuple[Split, ...]] = ("train", "val", "test")
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((64, 96),)
    labels_hint: ClassVar[str] = ""
    painted_labels: ClassVar[bool] = False
    ignored: int = IGNORED

    def __init__(self, options: FolderOptionsT) -> None:
        self.options = options
        self.root = given_root(options)

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def class_count(self) -> int:
        """Number of the classes; torch-free, while their names may not be."""
        return len(self.classes)

    @property
    @abstractmethod
    def palette(self) -> tuple[Colour, ...]:
        """One RGB colour a class."""

    @property
    @abstractmethod
    def table(self) -> IndexTable | ColourTable:
        """What the values of label files mean."""

    @property
    @abstractmethod
    def tree(self) -> str:
        """What the folder must look like, for people."""

    @property
    def base(self) -> Path:
        """The folder that the names of samples are relative to."""
        return self.root

    @abstractmethod
    def pairs(self, split: Split) -> list[Pair]:
        """Returns the images of a split in a fixed order, with where their label maps must be.

        Raises:
            DataError: A folder or list is missing or empty, or the split has no labels.
        """

    @abstractmethod
    def place(self, split: Split, index: int) -> Pair:
        """Returns where a fixture's sample goes."""

    def write_lists(self, samples: Mapping[Split, Sequence[Pair]]) -> None:
        """Writes the lists of samples of a fixture, for layouts that have some."""
        del samples

    def require_split(self, split: Split, hint: str = "") -> None:
        """Raises a `DataError` if a split has no labels."""
        if split not in self.splits:
            message = f"{self.options.dataset} has no {split} split with labels"
            raise DataError(message, hint or f"It has: {', '.join(self.splits)}.")

    def files(self, folder: Path, pattern: str) -> list[Path]:
        """Returns the files below a folder that match, sorted.

        Raises:
            DataError: The folder is missing, or nothing matches.
        """
        if not folder.is_dir():
            raise DataError(f"{self.options.dataset}: folder {folder} is missing", self._advice)  # noqa: EM102
        found = sorted(folder.glob(pattern))
        if not found:
            raise DataError(f"{self.options.dataset}: {folder} has no {pattern}", self._advice)  # noqa: EM102
        return found

    def lines(self, path: Path) -> list[str]:
        """Returns the lines of a list of samples that are not blank.

        Raises:
            DataError: It is missing, empty or no text.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"{self.options.dataset}: list {path} cannot be read: {error}"
            raise DataError(message, self._advice) from error
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            raise DataError(f"{self.options.dataset}: list {path} is empty", self._advice)  # noqa: EM102
        return lines

    @property
    def _advice(self) -> str:
        return f"`bench datasets verify {self.options.dataset} --root PATH` shows what the folder must look like."


def open_folder(options: FolderOptions) -> LabelledFolder[FolderOptions]:
    """Returns the folder of validated options.

    Raises:
        UserError: No root is given, or not as many class weights as there are classes.
        DataError: The root is no folder.
    """
    module, _, name = options.layout_class.partition(":")
    folder: LabelledFolder[FolderOptions] = getattr(import_module(module), name)(options)
    weights, count = options.class_weights, folder.class_count
    if isinstance(weights, tuple) and len(weights) != count:
        message = f"data set {options.dataset}: class_weights has {len(weights)} numbers for {count} classes"
        raise UserError(message, f"Give one for each of {', '.join(folder.classes)}.")
    return folder


def given_root(options: FolderOptions) -> Path:
    """Returns the folder that the options name.

    Raises:
        UserError: They name none.
        DataError: It is no folder.
    """
    name = options.dataset
    if options.root is None:
        message = f"data set {name}: option `root` is missing: the folder of the data set"
        hint = f"Write `datasets: [{{name: {name}, root: PATH}}]`, or --set 'datasets=[{{name: {name}, root: PATH}}]'."
        raise UserError(message, hint)
    root = options.root.expanduser()
    if not root.is_dir():
        message = f"data set {name}: root {root} is no folder"
        hint = f"`bench datasets fixture {name} PATH` writes a small generated one."
        raise DataError(message, hint)
    return root


def missing_files(pairs: Sequence[Pair]) -> list[Path]:
    """Returns the files of samples that do not exist."""
    return [path for pair in pairs for path in pair if not path.is_file()]
