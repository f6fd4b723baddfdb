"""The benchmark: a declared grid, as a benchmark file or flags state it.

Every field has a default, so that flags alone make a benchmark too; what a default stands for is in its
description. Names are not checked here: that takes the plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from harness.errors import UserError
from harness.spec.budget import TrainingBudget
from harness.spec.config_path import config_path_below
from harness.spec.exclusion import Exclusion
from harness.spec.listing import Listed
from harness.spec.method_entry import method_variants
from harness.spec.pipeline import parse_pipeline
from harness.spec.ratio import Ratio

Protocol = Literal["seed", "corrected"]
RatioOf = Literal["channels", "params", "macs"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PluginChoice(BaseModel):
    """A model or a data set with its options; a plain name stands for one without."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1, description="The plugin's name; every further key is one of its options.")

    @property
    def options(self) -> dict[str, Any]:
        """The written options, not yet validated against the plugin."""
        return dict(self.model_extra or {})


class ModelChoice(PluginChoice):
    """A model, which may be given as a checkpoint instead of being trained."""

    checkpoint: Path | None = Field(
        default=None,
        description="Weights of the baseline, which is not trained then: a .pth or .safetensors file, or an artifact's "
        "folder; relative to the benchmark file.",
    )

    def with_paths_below(self, folder: Path) -> ModelChoice:
        """Returns the choice with `folder` in front of the paths of its checkpoint and config, where relative."""
        update: dict[str, Any] = {"name": config_path_below(self.name, folder)}
        if self.checkpoint is not None:
            update["checkpoint"] = folder.absolute() / self.checkpoint.expanduser()
        return self.model_copy(update=update)


class Calibration(_Section):
    """Which training samples scores and quantization statistics are made from."""

    samples: StrictInt = Field(default=64, ge=1, description="Samples of the training split.")
    batch_size: StrictInt = Field(default=16, ge=1, description="Samples a batch.")


class Evaluation(_Section):
    """How accuracy is evaluated."""

    batch_size: StrictInt = Field(default=32, ge=1, description="Samples a batch.")
    samples: StrictInt | None = Field(
        default=None, ge=1, description="Upper bound on the samples of the split; default: all of them."
    )


class Measurement(_Section):
    """How latency is measured."""

    batch_size: StrictInt = Field(default=1, ge=1, description="Images a forward pass.")
    rounds: StrictInt = Field(
        default=50,
        ge=5,
        description="Interleaved timings of baseline and candidate; 5 at least for an interval.",
    )
    warmup_seconds: float = Field(
        default=5.0, ge=0, le=3600, description="Longest warm-up; it ends earlier once timings are stable."
    )
    threads: StrictInt = Field(default=1, ge=1, description="Threads of one forward pass on a CPU.")


class Oracle(_Section):
    """What channels are really worth, found out by taking each away; see `docs/design/oracle.md`."""

    samples: StrictInt = Field(
        default=16, ge=1, description="Validation images that every channel is judged on; 0 for no oracle at all."
    )
    layers: Listed[str] = Field(
        default=(),
        description="Convolutions that are looked at: paths, or patterns such as backbone.layer4.*; default: the first "
        "one with several channels.",
    )
    max_channels: StrictInt | None = Field(
        default=64, ge=1, description="Channels of a layer, drawn with the cell's seed if it has more; null for all."
    )
    batch_size: StrictInt = Field(
        default=4,
        ge=1,
        description="Images a forward pass; the error of the outputs is the mean over three such batches.",
    )


def _oracle(value: Any) -> Any:
    """No images are no oracle, so that a flag can switch off what a file asks for."""
    samples = value.get("samples") if isinstance(value, Mapping) else None
    return None if type(samples) is int and samples == 0 else value


def _plugin_choice(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _method_entry(value: Any) -> Any:
    try:
        variants = method_variants(value)
    except UserError as error:
        raise ValueError(str(error)) from error
    if isinstance(value, str):
        return str(variants[0])
    return {name: options or {} for name, options in value.items()}


def _pipeline_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return str(parse_pipeline(value, where=""))
    except UserError as error:
        raise ValueError(str(error)) from error


def _at_least_one(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds:
        message = "there must be at least one seed"
        raise ValueError(message)
    return seeds


ModelEntry = Annotated[ModelChoice, BeforeValidator(_plugin_choice)]
DatasetEntry = Annotated[PluginChoice, BeforeValidator(_plugin_choice)]
MethodEntry = Annotated[str | dict[str, dict[str, Any]], BeforeValidator(_method_entry)]
PipelineText = Annotated[str, BeforeValidator(_pipeline_text)]
OracleSection = Annotated[Oracle | None, BeforeValidator(_oracle)]
Seeds = Annotated[Listed[StrictInt], AfterValidator(_at_least_one)]


class Benchmark(_Section):
    """A grid of models x data sets x pipelines x seeds, with one training budget and one protocol.

    Cells are `methods` x their settings (`ratios` or `precisions`), the same for `controls`, and `pipelines`. Without
    `controls`, each candidate brings those that its method names.
    """

    name: str | None = Field(
        default=None, min_length=1, description="Names the results folder; default: the file's stem."
    )
    task: str | None = Field(default=None, min_length=1, description="The task; default: the installed one.")
    models: Listed[ModelEntry] = Field(
        default=(), description="Names, or mappings (see below); default: the task's demo model."
    )
    datasets: Listed[DatasetEntry] = Field(
        default=(), description="Names, or mappings of name and options; default: the task's demo data set."
    )
    methods: Listed[MethodEntry] = Field(
        default=(),
        description="Names, or mappings of a name to its options; a list of values is a matrix of variants.",
    )
    ratios: Listed[Ratio] = Field(
        default=(), description="Fractions removed, at least 0 and below 1, for methods with a ratio."
    )
    ratio_of: RatioOf = Field(default="channels", description="What a ratio is a fraction of.")
    precisions: Listed[str] = Field(default=(), description="Names such as int8, for methods with a precision.")
    pipelines: Listed[PipelineText] = Field(
        default=(), description="Complete pipelines with their settings, such as sirfp@0.5+cwd+ptq@int8."
    )
    controls: Listed[MethodEntry] | None = Field(
        default=None,
        description="Like methods, but what methods have to beat; [] for nothing. Default: what each method names, for "
        "pruning random, uniform and finetune.",
    )
    protect: Listed[str] = Field(
        default=(),
        description="Layers that all methods which can leave alone keep whole, with all below them: paths such as "
        "backbone or *.layer4.*; they are added to the option `protect` of each.",
    )
    seeds: Seeds = Field(default=(0,), description="Each cell runs once a seed.")
    exclude: Listed[Exclusion] = Field(default=(), description="Rules that drop cells.")
    protocol: Protocol = Field(
        default="corrected", description="`corrected`, or `seed` to repeat what a method's first code did."
    )
    training: TrainingBudget | None = Field(
        default=None, description="Baseline training; keys left out are the model's recommendation."
    )
    recovery: TrainingBudget | None = Field(
        default=None,
        description="The one budget of every recovery; keys left out are the model's recommendation.",
    )
    calibration: Calibration = Field(default_factory=Calibration)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    measurement: Measurement = Field(default_factory=Measurement)
    oracle: OracleSection = Field(
        default=None,
        description="Takes channels away one at a time and compares rankings with what that costs; default: no.",
    )
    deterministic: StrictBool = Field(
        default=False, description="Deterministic kernels; threads do not depend on the number of workers."
    )

    def with_paths_below(self, folder: Path) -> Benchmark:
        """Returns the benchmark with `folder` in front of the paths of its models that are relative."""
        models = tuple(model.with_paths_below(folder) for model in self.models)
        return self if models == self.models else self.model_copy(update={"models": models})

    def written(self) -> Mapping[str, Any]:
        """Returns, as plain JSON data, what was stated and not what it defaults to."""
        return self.model_dump(mode="json", exclude_unset=True)
