"""One threshold over the raw scores of all convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Threshold:
    """The score up to which channels go.

    Attributes:
        value: The k-th smallest of all scores, k = floor(ratio N); `None` where k is 0 and nothing goes.
        total: N, the number of scores.
        below: How many of them are not above the value: k, or more where scores are equal.
    """

    value: float | None
    total: int
    below: int

    @classmethod
    def at(cls, ratio: float, scores: Iterable[torch.Tensor]) -> Threshold:
        """Returns the threshold of a ratio.

        Args:
            ratio: Fraction of the scores, 0 <= ratio < 1.
            scores: Of each convolution, [C].
        """
        every = torch.cat([each.double() for each in scores])
        # The product of the floats: 0.29 of 100 scores are 28, as in the first VSS benchmark.
        count = int(ratio * len(every))
        if not count:
            return cls(None, len(every), 0)
        value = float(every.sort().values[count - 1])
        return cls(value, len(every), int((every <= value).sum()))

    def kept(self, scores: torch.Tensor) -> list[int]:
        """Returns the channels above the threshold, ascending; if there is none the best one, of equal ones the last.

        Args:
            scores: [C].
        """
        if self.value is None:
            return list(range(len(scores)))
        above: list[int] = (scores.double() > self.value).nonzero().flatten().tolist()
        return above or [int(scores.argsort(stable=True)[-1])]
