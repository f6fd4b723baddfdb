"""What every model must hold."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness.errors import BenchError, UserError
from harness.plan.model_check import DEFAULT_METHOD
from harness.registry import DatasetMeta
from harness.testing.expectation import require
from harness.testing.plugin_suite import PluginSubject, PluginSuite
from harness.testing.surroundings import surround
from harness.testing.tensors import differing, shown

if TYPE_CHECKING:
    from harness.testing.model_trial import ModelTrial

IMAGES = 2


class ModelSuite(PluginSuite):
    """Checks one model.

        class TestMine(ModelSuite):
            model = "skip_net"

    Attributes:
        model: Its name; for a zoo, one of its members: `"mmseg::fcn/config"`.
        options: Its options; small ones make the suite fast.
        dataset: The data set that it is built for; by default the task's demo.
        dataset_options: The data set's options.
        compressor: A compressor with its setting, by which the model is traced and cut.
        not_compressible: Why that compressor cannot work on it; if it can after all, the check fails.
        unused_parameters: Patterns of parameters that the training loss does not reach, by design.
    """

    model: ClassVar[str] = ""
    options: ClassVar[dict[str, Any]] = {}
    dataset: ClassVar[str] = ""
    dataset_options: ClassVar[dict[str, Any]] = {}
    compressor: ClassVar[str] = f"{DEFAULT_METHOD}@0.5"
    not_compressible: ClassVar[str] = ""
    unused_parameters: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def _open(cls, work: Path) -> ModelSubject:
        if not cls.model:
            message = "it names no model"
            raise UserError(message, 'Write `model = "NAME"` in the class.')
        return ModelSubject(cls, work)

    def expected_prediction(self, meta: DatasetMeta, images: int) -> tuple[int, ...] | None:
        """Returns the shape of a prediction for `images` images of the input size; `None` where it has no fixed one.

        By default [N, classes, H, W] for segmentation, and `None` for other tasks.
        """
        if self._subject.question["task"] != "segmentation":
            return None
        return (images, len(meta.classes), *meta.input_size)

    def test_config_is_plain_json(self) -> None:
        """Artifacts are rebuilt from it."""
        config = self._subject.trial.config()
        try:
            back = json.loads(json.dumps(config, allow_nan=False))
        except (TypeError, ValueError) as error:
            require(False, f"the config is not plain JSON: {error}", "Write numbers, texts, lists and dicts.")
            raise
        require(back == config, "the config is another one behind JSON", "Write lists for tuples, and text keys.")
        require(config == self._subject.trial.config(), "a second config differs", "Let it hang on the options alone.")

    def test_same_seed_builds_the_same_weights(self) -> None:
        """A baseline must be the same on every machine."""
        trial = self._subject.trial
        changed = differing(trial.weights(seed=1), trial.weights(seed=1))
        require(
            not changed, f"built twice from one seed, {shown(changed)} differ", "Draw from torch's generator alone."
        )

    def test_other_seed_builds_other_weights(self) -> None:
        """Repetitions with several seeds say nothing if all begin alike."""
        trial = self._subject.trial
        require(
            differing(trial.weights(seed=1), trial.weights(seed=2)),
            "built from two seeds, all weights are equal",
            "Initialise the weights at random, and fix no seed in the constructor.",
        )

    def test_prediction_has_the_tasks_shape(self) -> None:
        """It is what is timed and counted."""
        trial = self._subject.trial
        prediction, again = trial.predict(IMAGES), trial.predict(IMAGES)
        shape, expected = tuple(prediction.shape), self.expected_prediction(trial.bench.meta, IMAGES)
        require(
            shape == (expected or (IMAGES, *shape[1:])),
            f"the prediction of {IMAGES} images is {list(shape)}; expected {list(expected or (IMAGES, '...'))}",
            "Resize logits to the image, one channel a class; override `expected_prediction` for another form.",
        )
        require(trial.finite(prediction), "the prediction is not finite", "Look at the initialisation.")
        require(
            not differing({"it": prediction}, {"it": again}),
            "two predictions of the same images differ in eval mode",
            "Let eval mode draw nothing at random and change no buffer.",
        )

    def test_forward_returns_the_outputs_of_all_heads(self) -> None:
        """Tracing, distillation and self-checks look at them."""
        outputs = self._subject.trial.forward(IMAGES)
        shapes = [list(output.shape) for output in outputs]
        require(
            outputs and all(shape[0] == IMAGES for shape in shapes),
            f"the outputs of {IMAGES} images are {shapes}",
            "Each head gives a tensor whose first dimension is the batch.",
        )
        finite = all(self._subject.trial.finite(output) for output in outputs)
        require(finite, "an output is not finite", "Look at the initialisation.")

    def test_loss_is_finite_and_reaches_every_parameter(self) -> None:
        """What no gradient reaches stays at random."""
        loss, without = self._subject.trial.gradients()
        require(loss.dim() == 0 and bool(loss.isfinite()), f"the training loss is {loss}", "It is one finite number.")
        without = [name for name in without if not any(fnmatch(name, part) for part in self.unused_parameters)]
        require(
            not without,
            f"no finite gradient of the training loss reaches {shown(without)}",
            "Use the parameter, take it away, set requires_grad=False, or name it in `unused_parameters`.",
        )

    def test_artifact_rebuilds_the_model_bit_for_bit(self) -> None:
        """A model is loaded into what its config builds from another seed."""
        advice = "All that `build` needs must be in the config, and all that was drawn in parameters or buffers."
        try:
            changed = self._subject.trial.differences_of_artifact()
        except BenchError as error:
            require(False, f"its artifact cannot be loaded: {error}", advice)
            raise
        require(not changed, f"loaded from its artifact it differs in {shown(changed)}", advice)

    def test_it_can_be_compressed(self) -> None:
        """As `bench check` finds out: traced, cut, and checked like in a benchmark."""
        try:
            failure = self._subject.trial.compress(self.compressor)
        except UserError as error:
            pytest.fail(f"compressor: {error}", pytrace=False)
        if self.not_compressible:
            require(failure, f"{self.compressor} works on it", "Take `not_compressible` out of the class.")
            pytest.skip(f"{self.not_compressible} ({failure})")
        require(
            not failure,
            f"{self.compressor} does not work on it: {failure}",
            "Ask `bench check MODEL --verbose`; where it cannot be mended, write why into `not_compressible`.",
        )

    def test_ends_within_the_time_limit(self) -> None:
        """A prediction of two small images takes a fraction of a second."""
        from harness.testing.time_limit import time_limit

        with time_limit(self.time_limit_seconds, f"building {self._subject.label} and a prediction"):
            self._subject.trial.weights(seed=1)
            self._subject.trial.predict(IMAGES)


class ModelSubject(PluginSubject):
    """A model and what it is built for.

    Args:
        suite: The class with the names.
        work: A folder for files.
    """

    def __init__(self, suite: type[ModelSuite], work: Path) -> None:
        self._work = work
        self.surroundings = surround(
            task=suite.task, model=suite.model, model_options=suite.options,
            dataset=suite.dataset, dataset_options=suite.dataset_options, device=suite.device,
        )  # fmt: skip
        task, name = self.surroundings.task.name, self.surroundings.model
        super().__init__({"group": "bench.models", "task": task, "name": name, "options": dict(suite.options)})

    @cached_property
    def trial(self) -> ModelTrial:
        """The model at work."""
        from harness.testing.model_trial import ModelTrial

        return ModelTrial(self.surroundings, self._work)
