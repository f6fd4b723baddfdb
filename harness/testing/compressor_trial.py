"""One compressor on one model: prepared and compressed as stages do it, and watched."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import torch
from torch import nn

from harness.engine.artifact import load_model, save_model, with_transforms
from harness.engine.context import StageContext
from harness.engine.costs import count_macs, count_params
from harness.engine.model_check.subject import Subject, build_subject
from harness.engine.seeding import algorithms, derive_seed, seeded
from harness.engine.stages.state import load_state, save_state
from harness.engine.workbench import Workbench, load_compressor
from harness.plan.drawing import prepare_key
from harness.registry import Compression, Compressor, State
from harness.spec.method_call import MethodCall
from harness.spec.setting import Setting
from harness.testing.global_state import watched
from harness.testing.surroundings import Surroundings
from harness.testing.tensors import differing, differing_states
from harness.testing.time_limit import time_limit
from harness.testing.watched_context import Reading, WatchedContext

PATIENCE = 5
"""So many times the limit may a run take before it is stopped; the check of the time fails earlier, and alone."""

ResultT = TypeVar("ResultT")


@dataclass
class Run:
    """One preparation and one compression.

    Attributes:
        compressor: The method's object.
        state: What `prepare` returned, copied before anything else saw it.
        compression: What `compress` returned.
        leaks: What was left changed in the process.
        seconds: Wall time of both.
    """

    compressor: Compressor[Any]
    state: State
    compression: Compression
    leaks: list[str]
    seconds: float


class CompressorTrial:
    """A compressor and the model that it is tried on.

    Args:
        surroundings: Task, model and data set.
        call: The method with its options.
        setting: The setting of checks that need one only.
        work: A folder for files.
        seconds: Limit of the wall time of one preparation and one compression.
    """

    def __init__(
        self, surroundings: Surroundings, call: MethodCall, setting: Setting | None, work: Path, seconds: float
    ) -> None:
        self.call = call
        self.setting = setting
        self.reading = Reading()
        self.state_changes: list[str] = []
        self._surroundings = surroundings
        self._work = work
        self._seconds = seconds
        self._made: dict[tuple[str, str], Compression] = {}
        self._states: dict[tuple[str, str], State] = {}

    @cached_property
    def bench(self) -> Workbench:
        """The surroundings of all stages."""
        return self._surroundings.workbench(self._work, self.call)

    @cached_property
    def subject(self) -> Subject:
        """The model, with fresh weights."""
        return build_subject(self.bench)

    @cached_property
    def first(self) -> Run:
        """The method's first run."""
        return self._run()

    @cached_property
    def again(self) -> Run:
        """A further run, by an object of its own, with everything that is imported late imported already."""
        assert self.first
        return self._run()

    def made(self, setting: Setting | None, ratio_of: str = "channels") -> Compression:
        """Returns the model at a setting, compressed by the first run's object from its state, once."""
        key = (repr(setting), ratio_of)
        if key not in self._made:
            self._made[key] = self.compress(self.first.compressor, setting, self._state(setting, ratio_of), ratio_of)
        return self._made[key]

    def compress(
        self, compressor: Compressor[Any], setting: Setting | None, state: State, ratio_of: str = "channels"
    ) -> Compression:
        """Compresses a private copy of the model, from a private copy of the state."""
        return self._compress(compressor, setting, state, [], ratio_of)

    def prepare(self, model: nn.Module) -> State:
        """Prepares on `model` by an object of its own."""
        return self._prepare(load_compressor(self.bench), model, [], self._key(self.setting))

    def rebuilt(self, made: Compression) -> nn.Module:
        """Returns the model of the artifact that is stored of `made`, as any other process loads it."""
        folder = self._new_folder("artifact")
        save_model(folder, with_transforms(self.subject.source.file, made.transforms), made.model)
        return load_model(folder, self.bench.registry).model.to(self.bench.device)

    def outputs(self, model: nn.Module) -> dict[str, torch.Tensor]:
        """Returns what the model, left in eval mode, makes of seeded images: raw outputs and the prediction."""
        task, images = self.bench.task, self.context().example_images()
        model.eval()
        with torch.no_grad():
            raw = task.forward(model, images)
            return {"prediction": task.predict(model, images), **{f"output {n}": out for n, out in enumerate(raw)}}

    def reductions(self, made: Compression) -> dict[str, float]:
        """Returns the fractions of parameters and MACs that are gone, as the engine counts them."""
        images = self.context().example_images()
        reached = {"params": 1 - count_params(made.model) / self.subject.params}
        if self.subject.macs:
            reached["macs"] = 1 - count_macs(made.model.eval(), self.bench.task, images) / self.subject.macs
        return reached

    def from_storage(self, setting: Setting | None) -> Compression:
        """Returns the model as a stage of another process makes it: by a new object, from the state's files."""
        folder = self._new_folder("stored") / "state"
        save_state(folder, self.first.state)
        return self.compress(load_compressor(self.bench), setting, load_state(folder))

    def differences(self) -> list[str]:
        """Returns in what the first run and another one differ: tensors and data of the state, weights, transforms."""
        first, again = self.first, self.again
        weights = differing(first.compression.model.state_dict(), again.compression.model.state_dict())
        transforms = ["transforms"] if payloads(first.compression) != payloads(again.compression) else []
        return [*differing_states(first.state, again.state), *transforms, *weights]

    def context(self, ratio_of: str = "channels", key: Any = None) -> StageContext:
        """Returns what the method sees of task and data.

        Args:
            ratio_of: What a ratio is a fraction of.
            key: The `prepare_key`, in a preparation.
        """
        parameters = {**self.bench.parameters, "ratio_of": ratio_of, "key": key}
        fields = self.bench.job.fields.model_copy(update={"parameters": parameters})
        job = self.bench.job.model_copy(update={"fields": fields, "work": self._new_folder("run")})
        return WatchedContext(replace(self.bench, job=job))

    def _run(self) -> Run:
        began, leaks = time.monotonic(), list[str]()
        compressor, model = load_compressor(self.bench), self.subject.private_copy()
        state = self._prepare(compressor, model, leaks, self._key(self.setting))
        kept = copy.deepcopy(state)
        compression = self._compress(compressor, self.setting, state, leaks)
        return Run(compressor, kept, compression, leaks, time.monotonic() - began)

    def _key(self, setting: Setting | None) -> Any:
        call = MethodCall(self.call.name, setting, self.call.options)
        return prepare_key(call, self._surroundings.choices.method(call))[0]

    def _state(self, setting: Setting | None, ratio_of: str) -> State:
        """Returns the state for a setting: that of the first run, if they share it."""
        key, first = self._key(setting), (self._key(self.setting), "channels")
        if key is None or (key, ratio_of) == first:
            return self.first.state
        searched = (repr(key), ratio_of)
        if searched not in self._states:
            model = self.subject.private_copy()
            self._states[searched] = self._prepare(self.first.compressor, model, [], key, ratio_of)
        return self._states[searched]

    def _prepare(
        self, compressor: Compressor[Any], model: nn.Module, leaks: list[str], key: Any, ratio_of: str = "channels"
    ) -> State:
        if not self._surroundings.choices.describe(self.call.name).has_prepare:
            return State()
        return self._guarded(leaks, "prepare", lambda: compressor.prepare(model, self.context(ratio_of, key)))

    def _new_folder(self, kind: str) -> Path:
        return Path(mkdtemp(prefix=f"{kind}-", dir=self._work))

    def _compress(
        self, compressor: Compressor[Any], setting: Setting | None, state: State, leaks: list[str],
        ratio_of: str = "channels",
    ) -> Compression:  # fmt: skip
        model, own = self.subject.private_copy(), copy.deepcopy(state)
        made = self._guarded(
            leaks, "compress", lambda: compressor.compress(model, setting, own, self.context(ratio_of))
        )
        self.state_changes += differing_states(state, own)
        return made

    def _guarded(self, leaks: list[str], purpose: str, action: Callable[[], ResultT]) -> ResultT:
        limit = time_limit(PATIENCE * self._seconds, f"`{purpose}` of {self.call.name}")
        seed = derive_seed(self.bench.seed, purpose)
        reading, unchanged = self.reading.of(self.bench.dataset), watched(leaks, random_states=True)
        with seeded(seed), algorithms(deterministic=True), unchanged, limit, reading:
            return action()


def payloads(compression: Compression) -> list[tuple[str, int, str]]:
    """Returns the kind, version and payload of each transform, in JSON."""
    return [(step.kind, step.version, json.dumps(step.payload, sort_keys=True)) for step in compression.transforms]
