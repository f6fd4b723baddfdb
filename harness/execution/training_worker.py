"""One of the processes of a training by several; see `harness.execution.training_processes`."""

from __future__ import annotations

import logging
import sys

from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.process import Reporter, peak_memory, serve
from harness.plan.member import MemberJob


def main() -> None:
    """Does its share of trainings until the standard input ends."""
    serve(_answer)


def _answer(line: str, report: Reporter) -> DoneMessage | FailedMessage:
    member = MemberJob.model_validate_json(line)
    form = f"%(asctime)s %(name)s process {member.rank}: %(message)s"
    # What is printed or logged goes to the stage's log, which the stage's worker has as its own output.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=form)
    try:
        with peak_memory() as peak:
            from harness.engine.environment import use_threads
            from harness.engine.stages import run_member

            use_threads(member.stage.threads)
            run_member(member, report)
    except BaseException as error:  # whatever it is, it ends this training and nothing else
        logging.getLogger("harness.stage").exception("the training failed")
        # Our connections stay open until we are ended: no other process hears of it before the stage's worker does.
        return FailedMessage(failure=failure_of(error))
    return DoneMessage(peak_memory_bytes=peak[0])


if __name__ == "__main__":
    main()
