"""The contracts of method plugins: compressors and recoveries, and what they hand over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from harness.registry.descriptors import Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

    from harness.registry.context import Context
    from harness.spec.setting import Setting

OptionsT = TypeVar("OptionsT", bound=Options)
Verdict = Literal["pass", "fail", "not_applicable"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """The verdict of one self-check.

    Attributes:
        name: What was checked, e.g. `"masked_equals_physical"`.
        verdict: Only `fail` fails the cell.
        detail: Why, in one line; required where the verdict is not `pass`.
        value: The number that was compared, if there is one.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    value: float | None = None


@dataclass(kw_only=True)
class State:
    """What `prepare` found, stored as an artifact (JSON + safetensors).

    Attributes:
        tensors: Scores, statistics or weights by name.
        data: Further plain JSON data.
    """

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TransformStep:
    """One versioned step of an artifact, replayed by the transform plugin named `kind`.

    Attributes:
        kind: Name of a `bench.transforms` plugin, e.g. `"prune"`.
        version: Version of the payload's format.
        payload: Plain JSON data.
    """

    kind: str
    version: int
    payload: dict[str, Any]


@dataclass(kw_only=True)
class Compression:
    """A compressed model and the account of how it came about.

    Attributes:
        model: The smaller model.
        transforms: Steps that turn the model it was made from into this one.
        achieved: Achieved reductions that only the method can know, as fractions, e.g. `{"channels": 0.2}`.
        checks: Self-checks that need the method's knowledge; the engine adds its own.
        details: Plain JSON for the record (layers, pinned channels and their reasons, ...).
    """

    model: nn.Module
    transforms: list[TransformStep]
    achieved: dict[str, float] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FixedLayer:
    """A layer that a method must leave as it is.

    Attributes:
        module: Its path in the model.
        reason: Why, with the operation, module and shapes that forbid it.
        by_design: Whether no method could do otherwise: it makes an output of the network.
    """

    module: str
    reason: str
    by_design: bool = False


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a compressor found out about a model while it prepared; the answer of `bench check`.

    Attributes:
        groups: Sets of channels that can go together, where the method removes channels.
        channels: Output channels of the model's layers, and those among them that can go.
        removable: The largest fraction that can go: of `channels`, `params`, `macs`.
        layers: Paths of the layers that can be compressed.
        fixed: Layers that cannot.
        protected: Layers that could, but were asked to be left alone.
        mixing: Where removing something changes a statistic of what stays, by group.
        notes: What else people should know, as sentences.
    """

    groups: int = 0
    channels: tuple[int, int] = (0, 0)
    removable: dict[str, float] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    fixed: tuple[FixedLayer, ...] = ()
    protected: tuple[str, ...] = ()
    mixing: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Compressor(ABC, Generic[OptionsT]):
    """A method that makes a model cheaper."""

    options: OptionsT = field()

    def prepare(self, model: nn.Module, context: Context) -> State:
        """Returns the expensive part, shared by all settings with one `prepare_key`.

        Args:
            model: The trained model; may be changed, it is a private copy.
            context: The door to data and task.
        """
        del model, context
        return State()

    @abstractmethod
    def compress(self, model: nn.Module, setting: Setting | None, state: State, context: Context) -> Compression:
        """Returns the model compressed to `setting`; cheap.

        Args:
            model: The model that `prepare` saw; may be changed, it is a private copy.
            setting: The point on the method's axis.
            state: What `prepare` returned.
            context: The door to data and task.
        """

    def describe(self, model: nn.Module, state: State) -> Description:
        """Returns what `prepare` has found out about a model, for `bench check`; by default nothing.

        Args:
            model: The model that `prepare` saw; it stays as it is.
            state: What `prepare` returned.
        """
        del model, state
        return Description()

    def channel_scores(self, model: nn.Module, state: State, context: Context) -> Mapping[str, torch.Tensor]:
        """Returns what the method thinks of each output channel, to be compared with an oracle; by default nothing.

        Cheap, from `state`, and in agreement with what `compress` removes.

        Args:
            model: The model that `prepare` saw; it stays as it is.
            state: What `prepare` returned.
            context: The door to data and task.

        Returns:
            Scores [C] by the layer's path in `model`, high = keep; NaN for a channel that cannot go. Empty where the
            method ranks no channels.
        """
        del model, state, context
        return {}


class Transform(ABC):
    """Replays one kind of compression on a freshly built model."""

    @abstractmethod
    def apply(self, model: nn.Module, payload: Mapping[str, Any]) -> nn.Module:
        """Returns the model with the step applied; weights are loaded afterwards.

        Raises:
            ShapeMismatchError: The payload does not fit the model.
        """


@dataclass(kw_only=True)
class TrainingRecipe:
    """Parts that a recovery adds to a plain mmengine training; recipes of one training are merged.

    Attributes:
        hooks: mmengine hooks (objects or configs) added to the Runner, whose `model` is a wrapper of the network (see
            `mmengine.model.is_model_wrapper`) where the budget asks for several processes.
        reinitialize: Start from fresh weights instead of the compressed model's.
    """

    hooks: list[Any] = field(default_factory=list)
    reinitialize: bool = False


@dataclass(kw_only=True)
class Recovery(ABC, Generic[OptionsT]):
    """A method that wins accuracy back by training."""

    options: OptionsT = field()

    @abstractmethod
    def recipe(self, model: nn.Module, context: Context) -> TrainingRecipe:
        """Returns what it adds to the training of `model`."""
