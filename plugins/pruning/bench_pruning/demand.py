"""Demand: what a choice of channels is counted in, and which channels it must leave alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench_pruning.channels.costs import CostModel, parameter_costs, width_costs
from bench_pruning.targets import Target, is_missed
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup
    from bench_pruning.channels.recipe import Kept


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a choice of channels is counted in, and which channels it must leave alone.

    Attributes:
        of: What a ratio is a fraction of: a key of `costs`.
        sizes: C, the number of channels of each group, by its name.
        costs: `channels` of the groups that are not protected, `params` and `macs` of the whole model.
        protected: Names of the groups that lose nothing.
        widths: How many channels of a layer go with one of a group.
    """

    of: str
    sizes: Mapping[str, int]
    costs: Mapping[str, CostModel]
    protected: frozenset[str] = frozenset()
    widths: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def on(
        cls, model: nn.Module, groups: Sequence[ChannelGroup], *, of: str, macs: CostModel, protected: frozenset[str]
    ) -> Demand:
        """Returns the demand on a model whose channels all are there yet.

        Args:
            model: The model before surgery.
            groups: The groups that may shrink.
            of: What a ratio is a fraction of.
            macs: MACs of the whole model.
            protected: Names of the groups that lose nothing.
        """
        widths = {group.name: group.width for group in groups}
        channels = width_costs({name: width for name, width in widths.items() if name not in protected})
        costs = {"channels": channels, "params": parameter_costs(model, groups), "macs": macs}
        sizes = {group.name: group.size for group in groups}
        return cls(of=of, sizes=sizes, costs=costs, protected=protected, widths=widths)

    @property
    def dense(self) -> int:
        """The cost of the whole model.

        Raises:
            UserError: There is nothing that a ratio could be a fraction of.
        """
        dense = self.costs[self.of].count(self.sizes)
        if not dense:
            message = f"a ratio of {self.of} has no meaning: the model has none that count"
            raise UserError(message, "Use another --ratio-of, or protect fewer layers.")
        return dense

    def target(self, ratio: float, kept: Kept, reason: str) -> Target:
        """Returns what was asked for and what a choice gives.

        Args:
            ratio: Fraction that was to go.
            kept: The channels of each group that stay.
            reason: Why the choice is another, if it is.
        """
        predicted = self.costs[self.of].count({name: len(channels) for name, channels in kept.items()})
        missed = is_missed(self.dense, predicted, ratio)
        return Target(
            of=self.of,
            asked=ratio,
            dense=self.dense,
            predicted=predicted,
            reached=(self.dense - predicted) / self.dense,
            missed=missed,
            reason=reason if missed else None,
        )
