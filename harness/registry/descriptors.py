"""Descriptors: what an entry point targets.

A descriptor says what a plugin is without importing what it needs, so that `bench list`, `bench plan` and
`bench report` never import torch. Modules that define descriptors must stay torch-free; the heavy part is
named by `implementation` and imported inside a worker only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import PluginError, UserError
from harness.registry.verification import Verification
from harness.spec.setting import Setting

if TYPE_CHECKING:
    from typing_extensions import Self

Axis = Literal["ratio", "precision"]
MethodKind = Literal["compressor", "recovery"]
_PASS_DIGITS = 12


class Options(BaseModel):
    """Base of a plugin's options: unknown keys are errors and values are immutable.

    Field names, defaults, constraints and descriptions are the plugin's user interface: they are what
    `method(option=value)` accepts and what error messages quote.

    Attributes:
        plan_options: Names of the options that the plan alone acts on. They are in no identity, and the implementation
            sees their defaults, whatever was written.
        compress_options: Names of the options of a compressor that only `compress` acts on. Calls that differ in
            nothing else share one `prepare`, which sees their defaults.
        seed_defaults: What options that were not written are under protocol `seed`, where that is something else.
        path_options: Names of the options of a model or data set that say where files lie, each a path or nothing.
            They are in no identity, for what counts is what the files hold: a data set's fingerprint says it, and a
            model needs another option for it. In a benchmark file they are relative to the file.
    """

    plan_options: ClassVar[frozenset[str]] = frozenset()
    compress_options: ClassVar[frozenset[str]] = frozenset()
    seed_defaults: ClassVar[Mapping[str, Any]] = {}
    path_options: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(extra="forbid", frozen=True)

    def under(self, protocol: str) -> Self:
        """Returns the options as a protocol has them: what was written stays, the rest may have other defaults.

        Args:
            protocol: `corrected` or `seed`.
        """
        others = {key: value for key, value in self.seed_defaults.items() if key not in self.model_fields_set}
        if protocol != "seed" or not others:
            return self
        return self.model_validate({**self.model_dump(include=self.model_fields_set), **others})


class IterativeOptions(Options):
    """Options of a compressor with a ratio that may get there in several passes; see `MethodDescriptor.passes`."""

    plan_options: ClassVar[frozenset[str]] = frozenset({"steps"})

    steps: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Passes that reach the ratio together; each has the recovery behind it and its part of the budget.",
    )


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What every plugin says of itself.

    Attributes:
        name: The name users type; for models and data sets it is unique within their task.
        summary: One line for `bench list`.
        implementation: `"package.module:Class"`, imported only where the plugin is used.
    """

    name: str
    summary: str
    implementation: str


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of a task.

    Attributes:
        name: Key in records, e.g. `"mIoU"`.
        unit: `"fraction"` (0..1) or a unit such as `"dB"`.
        higher_is_better: The direction.
    """

    name: str
    unit: str = "fraction"
    higher_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class TaskDescriptor(Descriptor):
    """A task: segmentation, detection, regression, ...

    Attributes:
        metrics: What the evaluator reports; the first one is the primary metric.
        demo_model: The model used when a command names none; empty where the task has no demo.
        demo_dataset: The data set used when a command names none.
    """

    metrics: tuple[Metric, ...]
    demo_model: str = ""
    demo_dataset: str = ""

    @property
    def primary(self) -> Metric:
        """The metric by which cells are compared."""
        return self.metrics[0]

    def primary_under(self, protocol: str, dataset: DatasetDescriptor) -> Metric:
        """Returns the metric by which cells on a data set are compared under a protocol.

        Args:
            protocol: `corrected` or `seed`.
            dataset: The data set.

        Raises:
            PluginError: The data set names a metric that the task does not have.
        """
        if protocol != "seed" or not dataset.seed_metric:
            return self.primary
        for metric in self.metrics:
            if metric.name == dataset.seed_metric:
                return metric
        message = f"data set {dataset.name!r} names the metric {dataset.seed_metric!r}, which task {self.name} lacks"
        raise PluginError(message, f"Name one of: {', '.join(metric.name for metric in self.metrics)}.")


@dataclass(frozen=True, kw_only=True)
class ModelDescriptor(Descriptor):
    """A model, or a whole zoo of them.

    Attributes:
        task: Name of the task it serves.
        options: Its options.
        training: Recommended baseline budget (fields of `harness.spec.budget.TrainingBudget`); used where the
            benchmark says nothing.
        seed_training: Keys of the baseline budget that are others under protocol `seed`.
        recovery: Recommended recovery budget, likewise; the same for every method.
        zoo: True if `name::config` names a member of a zoo; the implementation then receives the part
            behind `::`.
        reads_files: For a zoo: whether a member may also be the path of a config file of the user's own, which is
            a program. Such a model is named by its path alone.
        foreign_names: How published checkpoints call the network's weights: what a name begins with there, and what it
            begins with here, e.g. `{"classifier.": "decode_head.classifier."}`. They are looked up only for names that
            the network does not have; the longest one counts.
        training_parts: What names here begin with that serve training alone, e.g. `("auxiliary_head.",)`: a checkpoint
            may have them where the network has not.
    """

    task: str
    options: type[Options] = Options
    training: Mapping[str, Any] = field(default_factory=dict)
    seed_training: Mapping[str, Any] = field(default_factory=dict)
    recovery: Mapping[str, Any] = field(default_factory=dict)
    zoo: bool = False
    reads_files: bool = False
    foreign_names: Mapping[str, str] = field(default_factory=dict)
    training_parts: tuple[str, ...] = ()

    def members(self) -> Sequence[str]:
        """Returns the names of a zoo's members; torch-free. Empty where the plugin is one model."""
        return ()

    def fingerprint(self, member: str) -> str | None:
        """Returns a hash of what a zoo's member is made from; torch-free, called while planning.

        `None` where the plugin's own version says it all.

        Args:
            member: The part of the name behind `::`.

        Raises:
            UserError: The zoo has no such member.
        """
        del member
        return None


@dataclass(frozen=True, kw_only=True)
class DatasetDescriptor(Descriptor):
    """A data set.

    Attributes:
        task: Name of the task it serves.
        options: Its options (a root folder, an image size, ...).
        seed_metric: The task's metric by which the first results on it were compared, and cells are under protocol
            `seed`; empty for the task's primary one.
    """

    task: str
    options: type[Options] = Options
    seed_metric: str = ""

    def fingerprint(self, options: Options) -> str:
        """Returns a hash of the data's content; torch-free, called while planning.

        Args:
            options: Validated options.

        Raises:
            DataError: The data are missing or unreadable.
            PluginError: The plugin does not say what its data are; results could not be told apart.
        """
        del options
        message = f"data set {self.name!r} has no fingerprint of its content"
        raise PluginError(message, f"Override `fingerprint` in the descriptor of {self.name!r}.")

    def verify(self, options: Options, progress: Callable[[int, int], None]) -> Verification:
        """Looks at every file, for `bench datasets verify`; torch-free, for whoever has wrong files wants to know soon.

        Args:
            options: Validated options.
            progress: Called with (done, total) samples.

        Raises:
            UserError: The data set has no files of its own, or the options do not say where they are.
            DataError: There is nothing to look at.
        """
        del options, progress
        message = f"data set {self.name} has no files to verify: its samples are made when they are asked for"
        raise UserError(message, f"`bench datasets export {self.name} FOLDER` writes some to look at.")

    def write_fixture(
        self, options: Options, folder: Path, samples: int, seed: int, progress: Callable[[int, int], None]
    ) -> None:
        """Writes a small generated data set as the real one lies on disk, for `bench datasets fixture`; torch-free.

        Args:
            options: Validated options; where the real files are does not count.
            folder: A new or empty folder.
            samples: How many of each split.
            seed: Equal seeds give equal files.
            progress: Called with (done, total) samples.

        Raises:
            UserError: The data set has no files of its own.
        """
        del options, folder, samples, seed, progress
        message = f"data set {self.name} needs no fixture: its samples are made when they are asked for"
        raise UserError(message, f"`bench datasets export {self.name} FOLDER` writes some to look at.")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Where a method comes from, and how near it is to that.

    Attributes:
        paper: Authors, title, venue and year.
        where: The equation, algorithm or section.
        fidelity: `verified`: as published, compared with numbers of its definition; `adapted`: the same idea where the
            paper says nothing or something that does not fit (shared channels, other tasks); `simplified`: less than
            the paper.
        note: What it was compared with, and what is different.
    """

    paper: str
    where: str
    fidelity: Literal["verified", "adapted", "simplified"]
    note: str


@dataclass(frozen=True, kw_only=True)
class MethodDescriptor(Descriptor):
    """A compressor or a recovery.

    Attributes:
        family: `"pruning"`, `"distillation"`, `"quantization"`, `"recovery"`, ...
        kind: Whether it makes a model cheaper or wins accuracy back.
        axis: What its setting is; `None` where it has none.
        options: Its options.
        default_recovery: The recovery that follows a compressor if none is written; empty for none.
        seed_recovery: The same under protocol `seed`; `None` where that makes no difference.
        has_prepare: Whether there is an expensive part to be shared between settings.
        trains: For a recovery: whether it trains at all (`none` does not).
        needs: What it uses, of `weights`, `forward`, `gradients`, `training`, `samples`.
        ratio_targets: What its ratio may be a fraction of.
        extended_by: Entry-point groups of its own by which other distributions change what it does; those
            distributions are part of its results' identity.
        source: Where it comes from; `None` for what nobody has published.
        controls: Pipelines, without settings, that a benchmark draws beside this method if it names no controls of its
            own, e.g. `("random", "finetune")`; see `docs/design/controls.md`. They have the recovery budget; a method
            that trains in `prepare` also names one that spends its total, e.g. `"random+finetune+finetune"`, because
            it could be better by having trained longer alone. One that is not installed is left out with a warning.
    """

    family: str
    kind: MethodKind = "compressor"
    axis: Axis | None = None
    options: type[Options] = Options
    default_recovery: str = ""
    seed_recovery: str | None = None
    has_prepare: bool = False
    trains: bool = True
    needs: frozenset[str] = frozenset({"weights"})
    ratio_targets: tuple[str, ...] = ("channels",)
    extended_by: tuple[str, ...] = ()
    source: Publication | None = None
    controls: tuple[str, ...] = ()

    def under(self, protocol: str) -> Self:
        """Returns the descriptor as a protocol has it.

        Args:
            protocol: `corrected` or `seed`.
        """
        if protocol != "seed" or self.seed_recovery is None:
            return self
        return replace(self, default_recovery=self.seed_recovery)

    def prepare_key(self, setting: Setting | None, options: Options) -> Any:
        """Returns a JSON value; settings with equal values share one `prepare` stage.

        See `Options.compress_options` for what calls may differ in besides.

        The default shares one `prepare` among all settings. A method that searches per target returns it.
        """
        del setting, options

    def passes(self, setting: Setting | None, options: Options) -> Sequence[Setting | None]:
        """Returns the settings of a compressor's passes, each of which starts from the model that the last one left.

        The default is one pass, or the `steps` of `IterativeOptions`; each of n passes then removes the same fraction
        of what is left, 1 - (1 - ratio) ** (1 / n), so that together they remove the ratio of whatever it is a
        ratio of: channels, parameters or MACs.

        Args:
            setting: The setting as it was asked for.
            options: Validated options.

        Returns:
            One setting a pass, at least one; of one pass, `setting` itself.

        Raises:
            PluginError: There are `steps`, but the setting is not a ratio.
        """
        if not isinstance(options, IterativeOptions) or options.steps == 1:
            return (setting,)
        if not isinstance(setting, float):
            message = f"method {self.name!r} takes `steps`, but its setting is no ratio that could be split"
            raise PluginError(message, f"Override `passes` in the descriptor of {self.name!r}.")
        # Rounded, for another machine's mathematics may differ in the last bit, and the setting is in identities.
        each = round(1 - (1 - setting) ** (1 / options.steps), _PASS_DIGITS)
        return (each,) * options.steps


@dataclass(frozen=True, kw_only=True)
class TransformDescriptor(Descriptor):
    """A versioned step that rebuilds a compressed model from an artifact.

    Attributes:
        version: The newest payload version that the implementation writes and reads.
    """

    version: int = 1


@dataclass(frozen=True, kw_only=True)
class ReportFormatDescriptor(Descriptor):
    """A further format for `bench report --format`.

    Its implementation is a class that is called without arguments and has `render(rows, columns) -> str`, where

    * `rows` are dictionaries of raw values by column name, one a cell and one a baseline; a missing value is `None`
      or absent, and fractions are 0..1;
    * `columns` are those that are asked for, in their order, with the attributes `name` (key in a row), `title`,
      `description`, `right` (whether people expect it aligned to the right) and `text(value, row)`, which returns a
      present value as people read it.

    The text is printed as it is, with a line break behind it.

    A format that is files for another program is a `harness.registry.report.ReportFiles` instead.
    """


@dataclass(frozen=True, kw_only=True)
class ExecutorDescriptor(Descriptor):
    """A way to run stages on other machines."""
