"""Markov chains over the widths of layers: channels go from the last to the first, each only if all behind it are gone.

Source: Guo et al., DMCP: Differentiable Markov Channel Pruning for Neural Networks (CVPR 2020), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

Probability = Literal["sigmoid", "exponential"]


@dataclass(frozen=True)
class Chain:
    """The widths that a layer can have.

    Attributes:
        widths: Ascending, without repetition; the first channels up to `widths[0]` always stay.
    """

    widths: tuple[int, ...]

    @classmethod
    def over(cls, size: int, steps: int, fewest: int) -> Chain:
        """Returns the chain over equal parts of a layer: k / `steps` of its channels, k = 1, ..., halves rounded up.

        Args:
            size: C, the channels of the layer.
            steps: How many parts there are; a layer of few channels has fewer.
            fewest: Channels that must stay.
        """
        parts = ((2 * size * part + steps) // (2 * steps) for part in range(1, steps + 1))
        return cls(tuple(sorted({max(part, fewest) for part in parts})))

    def __len__(self) -> int:
        """K, how many groups of channels may go; each has a transition of its own."""
        return len(self.widths) - 1

    @property
    def increments(self) -> torch.Tensor:
        """How many channels each group has, [K] in 64 bits."""
        widths = torch.tensor(self.widths, dtype=torch.float64)
        return widths[1:] - widths[:-1]

    def expected_width(self, alpha: torch.Tensor, form: Probability = "sigmoid") -> torch.Tensor:
        """Returns E[c], the mean of the layer's width: `widths[0] + sum_k increment_k P_k`, a scalar with its graph."""
        return self.widths[0] + (self.increments.to(alpha) * keep_probabilities(alpha, form)).sum()

    def gates(self, alpha: torch.Tensor, form: Probability = "sigmoid") -> torch.Tensor:
        """Returns for each channel the probability that it stays, [C], with its graph; 1 for the first ones."""
        kept = keep_probabilities(alpha, form)
        repeats = self.increments.long().to(alpha.device)
        return torch.cat([kept.new_ones(self.widths[0]), kept.repeat_interleave(repeats)])

    def mask(self, width: int) -> torch.Tensor:
        """Returns 1 for the first `width` channels and 0 for the others, [C]."""
        return (torch.arange(self.widths[-1]) < width).float()

    def draw(self, alpha: torch.Tensor, generator: torch.Generator, form: Probability = "sigmoid") -> int:
        """Returns a width drawn from the chain: from one group to the next with its probability, until one goes.

        Args:
            alpha: [K].
            generator: Of the CPU.
            form: How `alpha` stands for probabilities.
        """
        transitions = transition_probabilities(alpha.detach().cpu().double(), form)
        stays = torch.rand(len(self), generator=generator, dtype=torch.float64) < transitions
        return self.widths[int(stays.long().cumprod(0).sum())]

    def draw_uniformly(self, generator: torch.Generator) -> int:
        """Returns one of the widths, all equally likely."""
        return self.widths[int(torch.randint(len(self.widths), (), generator=generator))]


def transition_probabilities(alpha: torch.Tensor, form: Probability = "sigmoid") -> torch.Tensor:
    """Returns p_k, the probability that group k stays if the one before it does, like `alpha`.

    `sigmoid` is the released form, 1/2 at zero. `exponential`, `exp(-max(alpha, 0))`, is 1 at zero and below, where it
    has no gradient any more: a group that got there stays for good.
    """
    return torch.sigmoid(alpha) if form == "sigmoid" else torch.exp(-alpha.clamp(min=0))


def keep_probabilities(alpha: torch.Tensor, form: Probability = "sigmoid") -> torch.Tensor:
    """Returns P_k, the probability that group k stays: the product of the transitions up to it, [K]."""
    return transition_probabilities(alpha, form).cumprod(0)


def wider(alpha: torch.Tensor, by: float, form: Probability = "sigmoid") -> torch.Tensor:
    """Returns the parameters of wider networks: all moved by one number, a negative one for narrower networks."""
    return alpha + by if form == "sigmoid" else alpha - by


def split(alpha: torch.Tensor, chains: Sequence[Chain]) -> tuple[torch.Tensor, ...]:
    """Returns each chain's part [K] of the parameters of all, which stand behind each other in `alpha`."""
    parts: tuple[torch.Tensor, ...] = torch.split(alpha, [len(chain) for chain in chains])
    return parts
