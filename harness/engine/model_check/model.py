"""One model: built, run, and tried with every method."""

from __future__ import annotations

from harness.engine.model_check.method import Classify, check_method
from harness.engine.model_check.subject import build_subject
from harness.engine.workbench import Progress, open_workbench
from harness.plan.model_check import ModelCheckJob
from harness.store.model_check import CheckedMethod, ModelCheck, verdict_of


def check_model(job: ModelCheckJob, progress: Progress, classify: Classify) -> ModelCheck:
    """Returns whether compression works on a model; what goes wrong is a failure in the answer.

    Args:
        job: The model and what is tried on it.
        progress: Called with (done, total, text).
        classify: Types failures.
    """
    steps = _Steps(progress, 1 + sum(len(trial.settings) + 1 for trial in job.trials))
    subject, size = None, None
    methods: list[CheckedMethod] = []
    try:
        steps(0, 1, "building")
        bench = open_workbench(job.stage(job.trials[0]), steps)
        size = bench.meta.input_size
        subject = build_subject(bench)
        for trial in job.trials:
            steps.begin()
            bench = open_workbench(job.stage(trial), steps)
            methods.append(check_method(bench, trial, subject, classify))
        failure = next((method.failure for method in methods if method.failure is not None), None)
    except Exception as error:  # a model may fail in any way, and that is what is asked
        failure = classify(error)
    return ModelCheck(
        model=job.model,
        task=job.task,
        dataset=job.dataset,
        status="fails" if failure else "works",
        verdict=verdict_of(failure, methods),
        built=subject is not None,
        input_size=size,
        params=subject.params if subject else None,
        macs=subject.macs if subject else None,
        failure=failure,
        methods=tuple(methods),
    )


class _Steps:
    """Progress of one part after the other, told as that of the whole."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._before = self._done = 0

    def begin(self) -> None:
        """The next part begins."""
        self._before = self._done + 1

    def __call__(self, done: int, total: int, text: str) -> None:
        del total
        self._done = self._before + done
        self._progress(self._done, self._total, text)
