"""The worker process of `bench check`; see `harness.execution.process`."""

from __future__ import annotations

from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.model_check import LOG, check_failure
from harness.execution.process import Reporter, cpu_seconds, log_to, peak_memory, serve
from harness.plan.model_check import ModelCheckJob
from harness.store.atomic import write_text


def main() -> None:
    """Checks models until the standard input ends."""
    serve(_answer)


def _answer(line: str, report: Reporter) -> DoneMessage | FailedMessage:
    job = ModelCheckJob.model_validate_json(line)
    try:
        with peak_memory() as peak, log_to(job.work / LOG):
            report(0, 1, "importing torch")
            from harness.engine.environment import use_threads
            from harness.engine.model_check import check_model

            use_threads(job.threads)
            found = check_model(job, report, check_failure)
        spent = {"cpu_seconds": cpu_seconds(), "peak_memory_bytes": peak[0]}
        write_text(job.answer, found.model_copy(update=spent).model_dump_json())
    except BaseException as error:  # whatever it is, it ends this check and nothing else
        return FailedMessage(failure=failure_of(error))
    return DoneMessage()


if __name__ == "__main__":
    main()
