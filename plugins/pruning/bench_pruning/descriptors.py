"""What this distribution offers, without torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from harness.registry.descriptors import (
    IterativeOptions,
    MethodDescriptor,
    Options,
    Publication,
    TransformDescriptor,
)

RULES = "bench_pruning.rules"
"""Entry-point group of further rules of modules."""

CONTROLS = ("random", "uniform", "finetune")
"""What a criterion has to beat: channels drawn at random, a narrower network trained from scratch, and the uncompressed
model with the same fine-tuning, each under the budget of one recovery."""


class SurgeryOptions(Options):
    """What any choice of channels respects, and what is done about those that go; the same for every method."""

    compress_options: ClassVar[frozenset[str]] = frozenset(
        {"round_to", "min_channels", "max_ratio", "bias_compensation", "recalibrate"}
    )

    round_to: int = Field(
        default=1,
        ge=1,
        description="Each group that loses channels keeps the nearest multiple of this many; halves go up.",
    )
    min_channels: int = Field(default=1, ge=1, description="Channels that every group keeps at least.")
    max_ratio: float = Field(
        default=1.0, gt=0, le=1, description="Largest fraction that any one group may lose, in each pass."
    )
    bias_compensation: bool = Field(
        default=False,
        description="Keep what removed channels contributed as a constant, in the next biases and running means.",
    )
    recalibrate: int = Field(
        default=0, ge=0, description="Training images that re-estimate batch normalisation after surgery; 0: none."
    )
    protect: tuple[str, ...] = Field(
        default=(),
        description="Layers that keep all channels, with all below them: paths such as backbone or *.layer4.*.",
    )

    @field_validator("protect", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        """Takes a single pattern, written without the comma that makes a list of it."""
        return (value,) if isinstance(value, str) else value


class PruningOptions(SurgeryOptions, IterativeOptions):
    """How many channels each layer loses to a ratio; the same for every criterion."""

    compress_options: ClassVar[frozenset[str]] = SurgeryOptions.compress_options | {"allocation", "normalizer"}

    allocation: Literal["uniform", "global"] = Field(
        default="uniform",
        description="uniform: the same ratio in every group; global: one ranking over all groups.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="mean",
        description="What a group's scores are divided by before they are ranked globally.",
    )


VERIFIED = "Kept channels of layers that share none equal an independent computation on a trained network. "
"""Begins the notes of methods that `tests/fixtures/kept_channels` is about."""


def pruning_method(*, name: str, summary: str, implementation: str, **overrides: Any) -> MethodDescriptor:
    """Returns the descriptor of a pruning criterion.

    Args:
        name: The name users type.
        summary: One line for `bench list`.
        implementation: `"package.module:Class"` of a `bench_pruning.method.PruningMethod`.
        overrides: Further fields of `MethodDescriptor`, e.g. `needs` or `options`.
    """
    defaults: dict[str, Any] = {
        "family": "pruning",
        "axis": "ratio",
        "options": PruningOptions,
        "default_recovery": "finetune",
        "has_prepare": True,
        "ratio_targets": ("channels", "params", "macs"),
        "extended_by": (RULES,),
        "controls": CONTROLS,
    }
    return MethodDescriptor(name=name, summary=summary, implementation=implementation, **{**defaults, **overrides})


L1 = pruning_method(
    name="l1",
    summary="Filters with the smallest sum of absolute weights (Li et al., 2017).",
    implementation="bench_pruning.criteria.l1:L1",
    source=Publication(
        paper="Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017",
        where="section 3.1",
        fidelity="adapted",
        note="Toy numbers and scale behaviour are tests; layers that share channels are scored "
        "together, the paper prunes only those that share none.",
    ),
)
L2 = pruning_method(
    name="l2",
    summary="Filters with the smallest Euclidean norm.",
    implementation="bench_pruning.criteria.l2:L2",
    source=Publication(
        paper="Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017",
        where="section 3.1, with the Euclidean norm",
        fidelity="adapted",
        note="As l1.",
    ),
)
GROUP_L1 = pruning_method(
    name="group_l1",
    summary="Absolute weights of whole coupled groups, what reads a channel included (Fang et al., 2023).",
    implementation="bench_pruning.criteria.group_norm:GroupL1",
    source=Publication(
        paper="Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023",
        where="equation 4",
        fidelity="adapted",
        note="Closed forms are tests; the sum of absolute values, without sparse learning.",
    ),
)
GROUP_L2 = pruning_method(
    name="group_l2",
    summary="Squared weights of whole coupled groups, what reads a channel included (Fang et al., 2023).",
    implementation="bench_pruning.criteria.group_norm:GroupL2",
    source=Publication(
        paper="Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023",
        where="equation 4",
        fidelity="adapted",
        note="Closed forms are tests; the mean over layers of sums of squares as released, without sparse learning.",
    ),
)
RANDOM = pruning_method(
    name="random",
    summary="Channels drawn at random: the baseline that a criterion has to beat.",
    implementation="bench_pruning.criteria.random:Random",
    needs=frozenset(),
    controls=(),
)
UNIFORM = pruning_method(
    name="uniform",
    summary="The same width everywhere, trained from scratch: what the smaller network is worth (Liu et al., 2019).",
    implementation="bench_pruning.criteria.uniform:Uniform",
    source=Publication(
        paper="Liu et al., Rethinking the Value of Network Pruning, ICLR 2019",
        where="section 5, uniform pruning, trained from scratch as Scratch-E",
        fidelity="adapted",
        note="Kept channels are tests; trained for the benchmark's recovery budget, where Scratch-E has as many epochs "
        "as the large model.",
    ),
    default_recovery="scratch",
    needs=frozenset(),
    controls=(),
)
PRUNE = TransformDescriptor(
    name="prune",
    summary="Removes channels from a freshly built model.",
    implementation="bench_pruning.transform:PruneTransform",
    version=2,
)
