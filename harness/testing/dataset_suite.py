"""What every data set must hold."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import pytest

from harness.errors import DataError, UserError
from harness.registry import Split
from harness.testing.expectation import require
from harness.testing.plugin_suite import PluginSubject, PluginSuite
from harness.testing.surroundings import surround
from harness.testing.tensors import shown
from harness.testing.torch_free import statement

if TYPE_CHECKING:
    from harness.testing.dataset_trial import DatasetTrial

_LARGEST = 255.0


class DatasetSuite(PluginSuite):
    """Checks one data set.

        class TestMine(DatasetSuite):
            dataset = "digits"
            options = {"size": 32}
            other_options = {"scene_seed": 1}

    Attributes:
        dataset: Its name.
        options: Its options, e.g. where it lies.
        other_options: Options that make other data; the fingerprint must tell.
        ignored_class: Name of the class that is ignored on purpose, e.g. an output for unlabelled pixels; by default
            none is, because a class that is ignored by mistake is missing in every figure.
        samples: How many samples of each split are looked at.
    """

    dataset: ClassVar[str] = ""
    options: ClassVar[dict[str, Any]] = {}
    other_options: ClassVar[dict[str, Any]] = {}
    ignored_class: ClassVar[str] = ""
    samples: ClassVar[int] = 16

    @classmethod
    def _open(cls, work: Path) -> DatasetSubject:
        if not cls.dataset:
            message = "it names no data set"
            raise UserError(message, 'Write `dataset = "NAME"` in the class.')
        return DatasetSubject(cls, work)

    def test_fingerprint_changes_with_the_options(self) -> None:
        """Results on other data must not be taken for these."""
        if not self.other_options:
            pytest.skip("the class states no `other_options` that make other data")
        question = self._subject.question
        other = {**question, "options": {**self.options, **self.other_options}}
        require(
            statement(question)["fingerprint"] != statement(other)["fingerprint"],
            f"the fingerprint is the same with {self.other_options}",
            "Hash the data's content, and every option that changes what samples are.",
        )

    def test_facts_are_sane(self) -> None:
        """Models are built and normalised by them."""
        meta = self._subject.trial.bench.meta
        for name, values in (("mean", meta.mean), ("std", meta.std)):
            require(
                len(values) == 3 and all(0 <= value <= _LARGEST for value in values),
                f"meta.{name} is {values}",
                "Give three channels of an RGB image, 0..255.",
            )
        require(min(meta.std) > 0, f"meta.std is {meta.std}", "Images are divided by it.")
        size = meta.input_size
        require(len(size) == 2 and min(size) > 0, f"meta.input_size is {size}", "Give (height, width) in pixels.")
        count = len(meta.classes)
        require(len(set(meta.classes)) == count, f"a class occurs twice in {meta.classes}", "Name each class once.")
        for name, values in (("palette", meta.palette), ("class_weights", meta.class_weights)):
            require(len(values) in (0, count), f"meta.{name} has {len(values)} entries", f"Give {count}, or none.")
        colours = [value for colour in meta.palette for value in colour]
        require(
            all(0 <= value <= _LARGEST for value in colours) and len(colours) == 3 * len(meta.palette),
            "meta.palette holds what is no colour",
            "Give (red, green, blue), 0..255.",
        )
        require(all(weight >= 0 for weight in meta.class_weights), "a class weight is negative", "Weights are >= 0.")
        ignored = meta.ignore_index
        found = "" if ignored is None or not 0 <= ignored < count else meta.classes[ignored]
        require(
            found == self.ignored_class,
            f"meta.ignore_index {ignored} is {f'the class {found!r}' if found else 'no class'}",
            f"Ignore a label that no class has, such as 255; if a class is meant, state `ignored_class = {found!r}`.",
        )

    def test_splits_can_be_read(self) -> None:
        """Training needs `train`, and reports the test split or else the validation split."""
        trial = self._subject.trial
        splits = trial.bench.meta.splits
        needed = {"train", trial.bench.meta.report_split}
        require(needed <= set(splits), f"meta.splits is {splits}", f"There must be {' and '.join(sorted(needed))}.")
        for split in get_args(Split):
            try:
                read = len(trial.images(split, self.samples))
            except DataError as error:
                require(split not in splits, f"the {split} split cannot be read: {error}", "Take it out of `splits`.")
                continue
            require(split in splits, f"the {split} split can be read but is not in `splits`", "Raise a DataError.")
            require(read, f"the {split} split is empty", "Take it out of `splits`, or mend its files.")
            require(
                read <= self.samples,
                f"a pass over {self.samples} samples of the {split} split has {read}",
                "Stop at `LoaderRequest.samples`.",
            )

    def test_batches_are_what_the_task_reads(self) -> None:
        """Shapes, types and the range of labels, as the engine looks at them before every training and evaluation."""
        trial = self._subject.trial
        for request in (trial.training(iterations=3), *map(trial.one_pass, trial.bench.meta.splits)):
            batches = trial.batches(request)
            for batch in batches:
                problem = trial.bench.task.batch_problem(batch, trial.bench.meta, training=request.shuffle)
                require(not problem, f"{request.split}: {problem}", "Mend the loader's data set or its pipeline.")
            first = len(batches[0]["inputs"]) if batches else 0
            require(
                first == request.batch_size,
                f"{request.split}: the first of {len(batches)} batches has {first} samples, not {request.batch_size}",
                "Deliver `LoaderRequest.batch_size` samples a batch.",
            )
            require(
                not request.shuffle or len(batches) == request.iterations,
                f"a training of {request.iterations} iterations gets {len(batches)} batches",
                "Use an InfiniteSampler, or as many samples as `LoaderRequest.iterations` needs.",
            )

    def test_same_seed_gives_the_same_samples_in_the_same_order(self) -> None:
        """All methods are trained on the same samples, whatever was drawn before."""
        trial = self._subject.trial
        for request in (trial.training(seed=1), *map(trial.one_pass, trial.bench.meta.splits)):
            one, other = trial.digests(request), trial.digests(request)
            require(
                one == other,
                f"two loaders of one {request.split} request give other samples",
                "Give `LoaderRequest.seed` to the sampler and to what draws augmentation, per sample.",
            )

    def test_other_seed_trains_on_another_order(self) -> None:
        """Repetitions with several seeds say nothing if all see the same batches."""
        trial = self._subject.trial
        require(
            trial.digests(trial.training(seed=1)) != trial.digests(trial.training(seed=2)),
            "trainings with two seeds get the same samples in the same order",
            "Give `LoaderRequest.seed` to the sampler.",
        )

    def test_other_splits_have_no_training_samples(self) -> None:
        """An image that was trained on tells nothing in a report; as far as the looked-at samples can tell."""
        trial = self._subject.trial
        train = set(trial.images("train", self.samples))
        for split in trial.bench.meta.splits:
            shared = train & set(trial.images(split, self.samples)) if split != "train" else set()
            require(
                not shared,
                f"{len(shared)} of {self.samples} images of the {split} split are in the training split too",
                "Keep the splits apart.",
            )

    def test_it_travels_to_loader_processes(self) -> None:
        """Loaders with workers pickle the data set where processes are not forked."""
        trial = self._subject.trial
        try:
            changed = trial.differences_of_pickle()
        except Exception as error:  # whatever pickling runs into
            require(False, f"it cannot be pickled: {type(error).__name__}: {error}", _PICKLABLE)
            raise
        require(not changed, f"behind pickling, {shown(changed)} differ", _PICKLABLE)

    def test_ends_within_the_time_limit(self) -> None:
        """A few samples take a fraction of a second."""
        from harness.testing.time_limit import time_limit

        with time_limit(self.time_limit_seconds, f"reading {self.samples} samples of {self._subject.label}"):
            self._subject.trial.images("train", self.samples)


_PICKLABLE = "Open files when a sample is asked for, and keep no lambda or handle in the data set."


class DatasetSubject(PluginSubject):
    """A data set of a task.

    Args:
        suite: The class with the names.
        work: A folder for files.
    """

    def __init__(self, suite: type[DatasetSuite], work: Path) -> None:
        self._work = work
        self._samples = suite.samples
        self.surroundings = surround(
            task=suite.task, model="", model_options={}, dataset=suite.dataset, dataset_options=suite.options,
            device=suite.device,
        )  # fmt: skip
        task = self.surroundings.task.name
        super().__init__(
            {"group": "bench.datasets", "task": task, "name": suite.dataset, "options": dict(suite.options)}
        )

    @cached_property
    def trial(self) -> DatasetTrial:
        """The data set at work."""
        from harness.testing.dataset_trial import DatasetTrial

        return DatasetTrial(self.surroundings, self._work, self._samples)
