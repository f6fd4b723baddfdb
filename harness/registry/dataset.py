"""The contract of a data set plugin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

from harness.registry.descriptors import Options

OptionsT = TypeVar("OptionsT", bound=Options)
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class DatasetMeta:
    """What models, tasks and reports need to know about a data set.

    Attributes:
        splits: The splits that have labels, of `train`, `val`, `test`.
        input_size: (height, width) in pixels of a network input; MACs and latency are stated for it.
        mean: Per-channel mean of an RGB image, 0..255.
        std: Per-channel standard deviation of an RGB image, 0..255.
        classes: Class names, background included; empty for regression.
        palette: One RGB colour (0..255) a class.
        ignore_index: Label that counts nowhere; `None` where there is none.
        class_weights: Loss weight of each class; empty for equal weights.
    """

    splits: tuple[Split, ...]
    input_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    ignore_index: int | None = None
    class_weights: tuple[float, ...] = ()

    @property
    def report_split(self) -> Split:
        """The split that reports use: test where it has labels, else validation."""
        return "test" if "test" in self.splits else "val"


@dataclass(frozen=True, kw_only=True)
class LoaderRequest:
    """What a loader must deliver.

    Attributes:
        split: Which split to read.
        batch_size: Samples a batch.
        seed: Seed of sampling and, for generated data, of the scenes.
        shuffle: Draw without end in random order, augmented (training), or once in order (everything else).
        iterations: Batches that training will draw; `None` for one pass.
        samples: Upper bound on the number of samples of one pass; `None` for all.
        workers: Loader processes.
    """

    split: Split
    batch_size: int
    seed: int = 0
    shuffle: bool = False
    iterations: int | None = None
    samples: int | None = None
    workers: int = 0


@dataclass(kw_only=True)
class Dataset(ABC, Generic[OptionsT]):
    """A data set as the engine sees it: facts, and mmengine loader configs."""

    options: OptionsT = field()

    @abstractmethod
    def meta(self) -> DatasetMeta:
        """Returns the facts about the data set."""

    @abstractmethod
    def loader(self, request: LoaderRequest) -> dict[str, Any]:
        """Returns an mmengine data loader config for `Runner.build_dataloader`.

        Raises:
            DataError: The split does not exist or the files are not as they should be.
        """

    def export(self, folder: Path, samples: int, progress: Callable[[int, int], None]) -> None:
        """Writes `samples` samples of every split below `folder`, so that people can look at them.

        Args:
            folder: An empty or new folder.
            samples: How many of each split.
            progress: Called with (done, total) samples.

        Raises:
            DataError: The data set has nothing to export (it lies on disk already).
        """
        from harness.errors import DataError

        del folder, samples, progress
        message = f"{type(self).__name__} cannot be exported: its files are on disk already"
        raise DataError(message)
