"""One method on the model: prepared once, then every setting compressed and checked like in a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.engine.checks import require_passed
from harness.engine.context import StageContext
from harness.engine.model_check.subject import Subject
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.checked_compression import compress_and_check
from harness.engine.workbench import Workbench, load_compressor
from harness.plan.model_check import MethodTrial
from harness.registry import Compressor, Description, State
from harness.spec.setting import setting_from_json
from harness.store.failure import Failure
from harness.store.model_check import CheckedMethod, CheckedSetting, Findings, FixedPart, Verdict

Classify = Callable[[BaseException], Failure]
"""Returns the typed failure of an exception."""


def check_method(bench: Workbench, trial: MethodTrial, subject: Subject, classify: Classify) -> CheckedMethod:
    """Returns whether a method works on the model; whatever is raised on the way is its failure.

    Args:
        bench: The surroundings of the trial.
        trial: The method and its settings.
        subject: The model.
        classify: Types failures.
    """
    began = time.process_time()
    findings = None
    try:
        compressor = load_compressor(bench)
        preparation = _Preparation(bench, trial, compressor, subject)
        state = preparation.state(trial.keys[0])
        findings = _findings(compressor.describe(subject.source.model, state))
    except Exception as error:  # whatever a plugin raises is what is found out
        unprepared = classify(error)
        return CheckedMethod(
            method=trial.text,
            status="fails",
            traced=False if unprepared.kind == "trace_error" else None,
            failure=unprepared,
            prepare_cpu_seconds=time.process_time() - began,
        )
    prepared = time.process_time() - began
    settings = []
    for number, (setting, key) in enumerate(zip(trial.settings, trial.keys, strict=True), start=1):
        bench.progress(number, len(trial.settings) + 1, f"{trial.text} at {setting}")
        with TemporaryDirectory(dir=bench.job.work) as folder:
            own = replace(bench, job=bench.job.model_copy(update={"work": Path(folder)}), progress=_silent)
            prepare = partial(preparation.state, key)
            settings.append(_check_setting(own, setting, compressor, subject, prepare, classify))
    failure = next((tried.failure for tried in settings if tried.failure is not None), None)
    return CheckedMethod(
        method=trial.text,
        status="fails" if failure else "works",
        traced=True if findings.groups else None,
        failure=failure,
        findings=findings,
        settings=tuple(settings),
        prepare_cpu_seconds=prepared,
    )


@dataclass
class _Preparation:
    """What the method prepares, for one key after the other; settings with equal keys share it."""

    bench: Workbench
    trial: MethodTrial
    compressor: Compressor[Any]
    subject: Subject
    _last: tuple[Any, State] | None = None

    def state(self, key: Any) -> State:
        """Returns the state for a key; no more than one is held."""
        if self._last is None or self._last[0] != key:
            self._last = (key, self._prepared(key))
        return self._last[1]

    def _prepared(self, key: Any) -> State:
        if not self.trial.has_prepare:
            return State()
        self.bench.progress(0, len(self.trial.settings) + 1, f"{self.trial.text}: tracing, trying")
        context = StageContext(replace(self.bench, progress=_silent), most_iterations=1)
        context.prepare_key = key
        with seeded(derive_seed(self.bench.seed, "prepare")):
            return self.compressor.prepare(self.subject.private_copy(), context)


def _check_setting(
    bench: Workbench,
    setting: Any,
    compressor: Compressor[Any],
    subject: Subject,
    state: Callable[[], State],
    classify: Classify,
) -> CheckedSetting:
    began = time.process_time()
    size: dict[str, Any] = {}
    achieved: dict[str, float] = {}
    checks: tuple[Verdict, ...] = ()
    failure = None
    try:
        made = compress_and_check(
            bench, compressor, subject.source, subject.private_copy(), setting_from_json(setting), state()
        )
        size, achieved = made.size, made.compression.achieved
        checks = tuple(Verdict.model_validate(asdict(check)) for check in made.checks)
        require_passed(made.checks)
    except Exception as error:  # whatever a plugin raises is what is found out
        failure = classify(error)
    params, macs = size.get("params"), size.get("macs")
    return CheckedSetting(
        setting=setting,
        achieved=achieved,
        params=params,
        macs=macs,
        params_left=_fraction(params, subject.params),
        macs_left=_fraction(macs, subject.macs),
        checks=checks,
        failure=failure,
        cpu_seconds=time.process_time() - began,
    )


def _findings(found: Description) -> Findings:
    total, prunable = found.channels
    return Findings(
        groups=found.groups,
        channels=total,
        prunable_channels=prunable,
        removable=found.removable,
        layers=found.layers,
        pinned=tuple(FixedPart.model_validate(asdict(layer)) for layer in found.fixed),
        protected=found.protected,
        mixing=found.mixing,
        notes=found.notes,
    )


def _fraction(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
