"""The answer of `bench check`: does compression work on this model? JSON Schema: `docs/check.v1.schema.json`.

Fractions are 0..1; what is not known is `null`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.store.failure import Failure

CHECK_SCHEMA = 1

CheckStatus = Literal["works", "fails"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(_Part):
    """One self-check of one compressed model.

    Attributes:
        name: What was checked, e.g. `masked_equals_physical`; `reload_equals_memory` is the artifact's round trip.
        verdict: What came of it; only `fail` is a failure.
        detail: Why, where it did not pass.
        value: The number that was compared, if there is one.
    """

    name: str
    verdict: Literal["pass", "fail", "not_applicable"]
    detail: str = ""
    value: float | None = None


class CheckedSetting(_Part):
    """One setting of a method on the model.

    Attributes:
        setting: The point on the method's axis.
        achieved: Reductions that the method states, as fractions, e.g. of `channels`.
        params: Parameters that are left.
        macs: Multiply-accumulates that are left, for one image of the input size.
        params_left: Parameters that are left, as a fraction; MACs likewise.
        macs_left: See `params_left`.
        checks: Verdicts; none where it failed before they could be made.
        failure: Why it does not work.
        cpu_seconds: CPU time, checks included.
    """

    setting: float | str | dict[str, float] | None
    achieved: dict[str, float] = Field(default_factory=dict)
    params: int | None = None
    macs: int | None = None
    params_left: float | None = None
    macs_left: float | None = None
    checks: tuple[Verdict, ...] = ()
    failure: Failure | None = None
    cpu_seconds: float = 0.0


class FixedPart(_Part):
    """A layer that must stay as it is.

    Attributes:
        module: Its path.
        reason: The operation, module and shapes that forbid it.
        by_design: It makes an output of the network, so that no method could do otherwise.
    """

    module: str
    reason: str
    by_design: bool


class Findings(_Part):
    """What the method has found out about the model while it prepared.

    Attributes:
        groups: Sets of channels that can go together.
        channels: Output channels of all layers.
        prunable_channels: Those among them that can go.
        removable: The largest fraction that can go: of `channels`, `params`, `macs`.
        layers: Layers that can be compressed.
        pinned: Layers that cannot.
        protected: Layers that could, but that were asked to be left alone.
        mixing: Groups of which a statistic is taken, by group.
        notes: What trying the model with fewer channels has shown.
    """

    groups: int
    channels: int
    prunable_channels: int
    removable: dict[str, float]
    layers: tuple[str, ...]
    pinned: tuple[FixedPart, ...]
    protected: tuple[str, ...]
    mixing: dict[str, str]
    notes: tuple[str, ...]

    @property
    def surprising(self) -> tuple[FixedPart, ...]:
        """Pinned layers that are not so by design."""
        return tuple(pin for pin in self.pinned if not pin.by_design)


class CheckedMethod(_Part):
    """One method on the model.

    Attributes:
        method: As in a pipeline, with its options.
        status: Whether every setting works.
        traced: Whether the model could be followed; `null` where the method does not trace or did not get there.
        failure: Why it does not work; of several settings, the first one's.
        findings: What it has found out; `null` where it did not get there.
        settings: One a setting.
        prepare_cpu_seconds: CPU time of tracing, trying and scoring.
    """

    method: str
    status: CheckStatus
    traced: bool | None
    failure: Failure | None = None
    findings: Findings | None = None
    settings: tuple[CheckedSetting, ...] = ()
    prepare_cpu_seconds: float = 0.0


class ModelCheck(_Part):
    """One model.

    Attributes:
        model: As it was asked for.
        task: Its task.
        dataset: Whose classes and input size it was built for.
        status: Whether every method works.
        verdict: The same in words: `works`, `works, 3 layers pinned`, `fails: kind: message`.
        built: Whether it could be built.
        input_size: (height, width) in pixels that MACs hold for.
        params: Parameters before compression.
        macs: Multiply-accumulates of one image before compression.
        failure: Why it does not work; of several methods, the first one's.
        methods: One a method; none where the model could not be built.
        seconds: Wall time, the start of the process included.
        cpu_seconds: CPU time, the imports included; `null` where the process was lost.
        peak_memory_bytes: Largest resident size of the process; `null` where it is not known.
    """

    model: str
    task: str
    dataset: str
    status: CheckStatus
    verdict: str
    built: bool
    input_size: tuple[int, int] | None = None
    params: int | None = None
    macs: int | None = None
    failure: Failure | None = None
    methods: tuple[CheckedMethod, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None


class CheckFile(_Part):
    """What `bench check --json` prints.

    Attributes:
        schema_version: 1.
        status: Whether all models work.
        models: One a model, in the order that was asked for.
    """

    schema_version: Literal[1] = 1
    status: CheckStatus
    models: tuple[ModelCheck, ...]


def verdict_of(failure: Failure | None, methods: Sequence[CheckedMethod]) -> str:
    """Returns the verdict in words.

    Args:
        failure: Why the model does not work, if it does not.
        methods: What came of each method.
    """
    if failure is not None:
        return f"fails: {failure.kind}: {failure.message.splitlines()[0]}"
    pinned = {pin.module for method in methods if method.findings for pin in method.findings.surprising}
    if not pinned:
        return "works"
    return f"works, {len(pinned)} layer{'s' if len(pinned) > 1 else ''} pinned"
