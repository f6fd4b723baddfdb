"""The worker process of `bench show`; see `harness.execution.process`."""

from __future__ import annotations

import json

from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.pictures import LOG
from harness.execution.process import Reporter, log_to, serve
from harness.plan.picture import PictureJob
from harness.store.atomic import write_text


def main() -> None:
    """Paints samples until the standard input ends."""
    serve(_answer)


def _answer(line: str, report: Reporter) -> DoneMessage | FailedMessage:
    job = PictureJob.model_validate_json(line)
    try:
        with log_to(job.work / LOG):
            report(0, 1, "importing torch")
            from harness.engine.environment import use_threads
            from harness.engine.pictures import paint_samples

            use_threads(job.threads)
            files = paint_samples(job, report)
        write_text(job.answer, json.dumps([file.name for file in files]))
    except BaseException as error:  # whatever it is, it ends this command and nothing else
        return FailedMessage(failure=failure_of(error))
    return DoneMessage()


if __name__ == "__main__":
    main()
