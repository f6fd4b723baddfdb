"""What differentiable Markov channel pruning offers, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bench_pruning.descriptors.common import CONTROLS, RULES, SurgeryOptions
from bench_pruning.descriptors.first_vss import NOT_SPECIFIED, PruningDescriptor
from harness.registry.descriptors import Publication

if TYPE_CHECKING:
    from harness.registry.descriptors import Options
    from harness.spec.setting import Setting


class DMCPOptions(SurgeryOptions):
    """Options of DMCP: the search, and how a network is taken from what it found."""

    # The others shape the chains.
    compress_options: ClassVar[frozenset[str]] = frozenset({"sampling", "fit", "bias_compensation", "recalibrate"})

    widths: int = Field(
        default=10, ge=2, le=100, description="Widths that each layer can have, in equal steps up to the whole."
    )
    sampling: Literal["expected", "direct"] = Field(
        default="expected",
        description="expected: each layer has its mean width; direct: a network drawn from the chains, the "
        "first within 1 % of the target.",
    )
    fit: bool = Field(
        default=True,
        description="Widen or narrow all layers' chains by one number until the expected network meets the target; "
        "false: take it as the search left it, which may miss.",
    )
    iterations: int | None = Field(
        default=None, ge=1, description="Steps of the search; none: as many as a recovery has."
    )
    start: Literal["half", "target"] = Field(
        default="half",
        description="half: every transition begins at 1/2, as released (1 for exponential); target: all begin equal, "
        "so that the expected network meets the target.",
    )
    probability: Literal["sigmoid", "exponential"] = Field(
        default="sigmoid",
        description="How a transition's parameter a stands for it: 1 / (1 + exp(-a)) or exp(-max(a, 0)).",
    )
    narrow_targets: Literal["predictions", "labels"] = Field(
        default="predictions",
        description="What narrow networks learn from: predictions of the widest one (needs classes), or labels.",
    )
    cost_weight: float = Field(default=0.1, ge=0, description="Weight of the penalty on the expected cost (lambda).")
    lr: float = Field(default=0.5, gt=0, description="Learning rate of the chains at the beginning.")
    final_lr: float = Field(default=0.1, gt=0, description="Learning rate of the chains at the end.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Nesterov momentum of the chains.")


@dataclass(frozen=True, kw_only=True)
class DMCPDescriptor(PruningDescriptor):
    """DMCP, which searches anew for every target."""

    def prepare_key(self, setting: Setting | None, options: Options) -> Any:
        """Returns the ratio: each has a search of its own."""
        del options
        return setting


DMCP = DMCPDescriptor(
    name="dmcp",
    summary="Widths of all layers, searched by Markov chains in a network of all widths (Guo et al., 2020).",
    implementation="bench_pruning.dmcp.method:DMCP",
    family="pruning",
    axis="ratio",
    options=DMCPOptions,
    default_recovery="scratch",
    seed_recovery="none",
    seed_refusal=NOT_SPECIFIED,
    has_prepare=True,
    needs=frozenset({"weights", "forward", "gradients", "samples", "training"}),
    ratio_targets=("channels", "params", "macs"),
    extended_by=(RULES,),
    # The last one takes as many steps as the search and the training of the found network do together.
    controls=(*CONTROLS, "uniform+scratch+finetune"),
    source=Publication(
        paper="Guo et al., DMCP: Differentiable Markov Channel Pruning for Neural Networks, CVPR 2020",
        where="sections 3.2 to 3.4",
        fidelity="adapted",
        note="Toy numbers, gradients and drawn widths are tests; the search starts from the baseline's weights and "
        "has a recovery's budget; layers that share channels share a chain; the cost is the whole network's; by "
        "default all chains are widened together at the end until the target is met.",
    ),
)
