"""What every compressor and every recovery must hold."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness.errors import UserError
from harness.registry import Compressor, MethodDescriptor, Recovery, load_implementation
from harness.spec.method_call import MethodCall
from harness.spec.pipeline import parse_pipeline
from harness.spec.setting import Setting, setting_from_json, setting_json
from harness.testing.compressor_checks import CompressorChecks
from harness.testing.expectation import require
from harness.testing.plugin_suite import PluginSubject, PluginSuite
from harness.testing.ratio_checks import RatioChecks
from harness.testing.recovery_checks import RecoveryChecks
from harness.testing.surroundings import Surroundings, surround
from harness.testing.tensors import shown

if TYPE_CHECKING:
    from harness.testing.compressor_trial import CompressorTrial
    from harness.testing.recovery_trial import RecoveryTrial

RATIOS = (0.2, 0.5, 0.8)
WRONG_SETTINGS: dict[str | None, tuple[Setting, ...]] = {
    "ratio": (-0.1, 1.0, "half"),
    "precision": ("no_such_precision", 0.5),
    None: (),
}


class MethodSuite(CompressorChecks, RatioChecks, RecoveryChecks, PluginSuite):
    """Checks one method.

        class TestMine(MethodSuite):
            method = "redundancy"

    What makes no sense for a method (ratios of a quantizer, settings of a recovery) is skipped, with the reason.

    Attributes:
        method: Its name, or an entry as in a benchmark file: `"fpgm(round_to=8)"`.
        model: The model that it is tried on; by default the task's demo.
        model_options: The model's options; small ones make the suite fast.
        dataset: The data set; by default the task's demo.
        dataset_options: The data set's options.
        settings: Settings that are tried, in the order of what they remove; needed where the axis is no ratio.
        wrong_settings: Settings that must be refused; by default some that no method of the axis can take.
    """

    method: ClassVar[str] = ""
    model: ClassVar[str] = ""
    model_options: ClassVar[dict[str, Any]] = {}
    dataset: ClassVar[str] = ""
    dataset_options: ClassVar[dict[str, Any]] = {}
    settings: ClassVar[tuple[Setting, ...]] = ()
    wrong_settings: ClassVar[tuple[Any, ...] | None] = None

    @classmethod
    def _open(cls, work: Path) -> MethodSubject:
        surroundings = surround(
            task=cls.task, model=cls.model, model_options=cls.model_options,
            dataset=cls.dataset, dataset_options=cls.dataset_options, device=cls.device,
        )  # fmt: skip
        if not cls.method:
            message = "it names no method"
            raise UserError(message, 'Write `method = "NAME"` in the class.')
        steps = parse_pipeline(cls.method, "method").steps
        call = steps[0].calls[0]
        if len(steps) > 1 or len(steps[0].calls) > 1 or call.setting is not None:
            message = f"method: {cls.method!r} is not one method without a setting"
            raise UserError(message, "Write a name with its options; settings go into `settings`.")
        return MethodSubject(surroundings, call, cls.settings, cls.wrong_settings, work, cls.time_limit_seconds)

    def test_implementation_is_what_the_descriptor_says(self) -> None:
        """The plan goes by the descriptor alone."""
        descriptor, found = self._subject.descriptor, load_implementation(self._subject.plugin)
        base = Compressor if descriptor.kind == "compressor" else Recovery
        require(
            isinstance(found, type) and issubclass(found, base),
            f"{descriptor.implementation} is not a {base.__name__}, but the descriptor says kind={descriptor.kind!r}",
            f"Inherit from `harness.registry.{base.__name__}`, or mend `kind`.",
        )
        prepares = base is Compressor and found.prepare is not Compressor.prepare
        require(
            prepares == descriptor.has_prepare or base is Recovery,
            f"has_prepare={descriptor.has_prepare}, but the class {'overrides' if prepares else 'has no'} `prepare`",
            "A stage `prepare` is planned where `has_prepare` says so, and nowhere else.",
        )

    def test_settings_survive_json_and_the_pipeline_language(self) -> None:
        """A cell is named by its pipeline and found again by what its file says."""
        for setting in self._subject.settings:
            found = setting_from_json(setting_json(setting))
            call = MethodCall(self._subject.call.name, setting, self._subject.call.options)
            (step,) = parse_pipeline(str(call), "").steps
            require(
                found == setting and step.calls == (call,),
                f"the setting {setting!r} is {found!r} behind JSON and {step} in the pipeline language",
                "A setting is a number, a name such as int8, or a Budget.",
            )

    def test_same_seed_gives_the_same_result(self) -> None:
        """A cell that is run again must give the number that it gave before."""
        trial = self._subject.trial
        different = trial.differences()
        require(
            not different,
            f"two runs of {self._subject.label} with one seed differ in {shown(different)}",
            "Draw random numbers from `context.generator(purpose)` alone, and let nothing hang on time or on `id`.",
        )

    def test_data_come_through_the_context(self) -> None:
        """Scores and statistics see the training split alone, and the record says which samples."""
        reading = self._subject.trial.reading
        assert self._subject.trial.first
        require(
            not reading.past,
            f"{self._subject.label} opened a loader of the {', '.join(sorted(set(reading.past)))} split by itself",
            "Take `context.calibration_batches()`: it is the only door to the data.",
        )
        others = sorted(set(reading.through) - {"train"})
        require(
            not others,
            f"{self._subject.label} has read the {', '.join(others)} split",
            "Read the training split alone.",
        )

    def test_no_global_state_is_left(self) -> None:
        """Another stage may run in the same process behind this one."""
        leaks = self._subject.trial.again.leaks
        require(
            not leaks,
            f"{self._subject.label} has changed {'; '.join(sorted(set(leaks)))}",
            "Restore it in a `finally`; draw random numbers from `context.generator(purpose)`, and build layers, whose "
            "constructors draw theirs from torch, under `torch.random.fork_rng()`.",
        )

    def test_ends_within_the_time_limit(self) -> None:
        """On the suite's few samples a method takes seconds."""
        seconds = self._subject.trial.again.seconds
        require(
            seconds <= self.time_limit_seconds,
            f"{self._subject.label} took {seconds:.1f} s; the limit is {self.time_limit_seconds:g} s",
            "Make it faster, take a smaller model or data set, or raise `time_limit_seconds` of the class.",
        )

    def _compressor(self) -> CompressorTrial:
        if self._subject.descriptor.kind != "compressor":
            pytest.skip("it is a recovery")
        found: CompressorTrial = self._subject.trial
        return found

    def _pruner(self) -> CompressorTrial:
        if self._subject.descriptor.axis != "ratio":
            pytest.skip("its setting is no ratio")
        return self._compressor()

    def _recovery(self) -> RecoveryTrial:
        if self._subject.descriptor.kind != "recovery":
            pytest.skip("it is a compressor")
        found: RecoveryTrial = self._subject.trial
        return found


class MethodSubject(PluginSubject):
    """A method and what it is tried on.

    Args:
        surroundings: Task, model and data set.
        call: The method with its options.
        settings: The class's settings.
        wrong_settings: The class's wrong settings.
        work: A folder for files.
        seconds: The time limit.
    """

    def __init__(
        self, surroundings: Surroundings, call: MethodCall, settings: tuple[Setting, ...],
        wrong_settings: tuple[Any, ...] | None, work: Path, seconds: float,
    ) -> None:  # fmt: skip
        self.surroundings = surroundings
        self.call = call
        self.descriptor: MethodDescriptor = surroundings.choices.method(call).plugin.descriptor
        self.settings = self._settings(settings)
        self.wrong_settings = WRONG_SETTINGS[self.descriptor.axis] if wrong_settings is None else wrong_settings
        self._work = work
        self._seconds = seconds
        super().__init__(
            {
                "group": "bench.methods", "task": surroundings.task.name, "name": call.name,
                "options": dict(call.options), "settings": [setting_json(setting) for setting in self.settings],
            }
        )  # fmt: skip

    @cached_property
    def trial(self) -> CompressorTrial | RecoveryTrial:
        """The method at work."""
        from harness.testing.compressor_trial import CompressorTrial
        from harness.testing.recovery_trial import RecoveryTrial

        if self.descriptor.kind == "compressor":
            middle = self.settings[len(self.settings) // 2]
            return CompressorTrial(self.surroundings, self.call, middle, self._work, self._seconds)
        if not self.descriptor.trains:
            pytest.skip("it trains nothing")
        return RecoveryTrial(self.surroundings, self.call, self._work, self._seconds)

    def _settings(self, stated: tuple[Setting, ...]) -> tuple[Setting | None, ...]:
        if self.descriptor.axis is None:
            return (None,)
        if not stated and self.descriptor.axis != "ratio":
            message = f"{self.call.name} needs a {self.descriptor.axis}, and no setting is tried"
            raise UserError(message, 'Write e.g. `settings = ("int8",)` in the class.')
        return stated or RATIOS
