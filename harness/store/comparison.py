"""The part of a record that says what the oracle and the comparison of outputs have found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

NO_ORACLE = "the benchmark has no oracle section"
"""Why a record has no comparison where none was asked for."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RankAgreement(_Part):
    """How far a ranking of a layer's channels agrees with the oracle's; see `harness.engine.oracle.agreement`.

    Attributes:
        channels: Channels that both rank.
        k: How many of them count as redundant: `max(1, channels // 5)`.
        accuracy: Expected fraction of the k lowest channels that are among the oracle's k lowest, ties being broken by
            chance.
        chance: What a ranking by chance reaches: k / channels.
        correlation: Spearman's rank correlation, -1..1.
    """

    channels: int
    k: int
    accuracy: float
    chance: float
    correlation: float | None = None


class LayerAgreement(_Part):
    """How far the rankings of one layer's channels agree with the oracle's.

    Attributes:
        layer: Its path.
        channels: Its output channels.
        analyzed: Those that the oracle has looked at.
        method: What the method thinks of them.
        method_missing: Why `method` is null; empty where it is not.
        l1: What the L1 norms of their filters say.
    """

    layer: str
    channels: int
    analyzed: int
    method: RankAgreement | None = None
    method_missing: str = ""
    l1: RankAgreement | None = None


class Convolutions(_Part):
    """What a model has of Conv2d layers.

    Attributes:
        layers: How many.
        channels: The output channels of all of them.
    """

    layers: int
    channels: int


class Comparison(_Part):
    """The last model beside the baseline, and rankings of channels beside what channels are really worth.

    Attributes:
        reconstruction_mse: Mean over batches of the mean squared difference of both models' outputs (logits).
        images: Images that it is the error of.
        convolutions_before: Of the baseline.
        convolutions_after: Of the last model.
        oracle_of: The model whose channels were taken away, one at a time.
        metric: The metric whose drop is a channel's importance.
        split: Which split the images of the oracle and of `reconstruction_mse` are of.
        samples: Images that every channel was judged on.
        layers: The layers that were looked at.
    """

    reconstruction_mse: float | None = None
    images: int
    convolutions_before: Convolutions
    convolutions_after: Convolutions
    oracle_of: Literal["baseline", "candidate"]
    metric: str
    split: str
    samples: int
    layers: list[LayerAgreement]

    def accuracy(self, protocol: str) -> float | None:
        """Returns the mean accuracy over the layers that have one: the method's, under protocol `seed` that of L1."""
        return _mean([ranking.accuracy for ranking in self._rankings(protocol)])

    def chance(self, protocol: str) -> float | None:
        """Returns what rankings by chance reach on the layers that `accuracy` is the mean of."""
        return _mean([ranking.chance for ranking in self._rankings(protocol)])

    def _rankings(self, protocol: str) -> list[RankAgreement]:
        rankings = [layer.l1 if protocol == "seed" else layer.method for layer in self.layers]
        return [ranking for ranking in rankings if ranking is not None]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
