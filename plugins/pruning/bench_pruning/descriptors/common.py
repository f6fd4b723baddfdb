"""What the descriptors of all pruning methods have in common, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from bench_pruning.descriptors.first_vss import PruningDescriptor, refusal_of_options
from harness.registry.descriptors import IterativeOptions, Options

if TYPE_CHECKING:
    from typing_extensions import Self

RULES = "bench_pruning.rules"
"""Entry-point group of further rules of modules."""

CONTROLS = ("random", "uniform", "finetune")
"""What a criterion has to beat: channels drawn at random, a narrower network trained from scratch, and the uncompressed
model with the same fine-tuning, each under the budget of one recovery."""


class SurgeryOptions(Options):
    """What any choice of channels respects, and what is done about those that go; the same for every method.

    Attributes:
        seed_options: Names of the options that have a meaning under protocol `seed`.
    """

    seed_options: ClassVar[frozenset[str]] = frozenset({"protect", "bias_compensation", "recalibrate", "steps"})

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

    def under(self, protocol: str) -> Self:
        """Returns the options as a protocol has them.

        Raises:
            UserError: Protocol `seed` would ignore some that were written.
        """
        ignored = sorted(self.model_fields_set - self.seed_options)
        if protocol == "seed" and ignored:
            raise refusal_of_options(ignored)
        return super().under(protocol)


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


def pruning_method(*, name: str, summary: str, implementation: str, **overrides: Any) -> PruningDescriptor:
    """Returns the descriptor of a pruning criterion.

    Args:
        name: The name users type.
        summary: One line for `bench list`.
        implementation: `"package.module:Class"` of a `bench_pruning.method.PruningMethod`.
        overrides: Further fields of the descriptor, e.g. `needs` or `options`.
    """
    defaults: dict[str, Any] = {
        "family": "pruning",
        "axis": "ratio",
        "options": PruningOptions,
        "default_recovery": "finetune",
        "seed_recovery": "none",  # the first benchmark measured what pruning leaves
        "has_prepare": True,
        "ratio_targets": ("channels", "params", "macs"),
        "extended_by": (RULES,),
        "controls": CONTROLS,
    }
    return PruningDescriptor(name=name, summary=summary, implementation=implementation, **{**defaults, **overrides})
