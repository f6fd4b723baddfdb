"""What ends a run is told by what it was: the disk, the folder, or the machine."""

import errno
import io
import os
from contextlib import suppress

import pytest
from rich.console import Console
from test_run import PLAN, Pretends

from harness.errors import UserError
from harness.execution.local import Event
from harness.execution.messages import DoneMessage
from harness.execution.run import RunSettings, carry_out
from harness.store.layout import Layout

KEPT = "then run the same command again: what is complete is kept."


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


def stopped(layout, make_executor):
    with pytest.raises(UserError) as raised:
        carry_out(PLAN, layout, RunSettings(), Console(file=io.StringIO()), make_executor)
    return raised.value


def stopped_in_a_stage(layout, happens):
    return stopped(layout, Pretends(layout, {"prepare l1": happens}))


def error(number, *path):
    def happens(job):
        raise OSError(number, os.strerror(number), *path)

    return happens


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_system_that_takes_nothing_more(layout, number, named):
    told = stopped_in_a_stage(layout, error(number, *[str(layout.stages)][:named]))
    assert told.message == f"{layout.root}: cannot be written any more ({os.strerror(number)})"
    assert told.hint == f"Make room, {KEPT}"
    assert told.__cause__.errno == number


def test_a_file_in_the_place_of_the_stages_from_the_beginning(layout):
    layout.root.mkdir()
    layout.stages.write_text("")
    told = stopped(layout, Pretends(layout))
    assert told.message == f"{layout.stages}: cannot be read (Not a directory)"
    assert "look what has become of it" in told.hint


def test_a_file_comes_into_the_place_of_the_locks_meanwhile(layout):
    """Really, by the first that touches it; the run before that was a sound one."""

    def happens(job):
        locks = layout.root / "locks"
        locks.rename(layout.root / "moved")
        locks.write_text("")
        with suppress(NotADirectoryError):
            (locks / "any").stat()
        return [Event(job.identity, DoneMessage())]

    told = stopped_in_a_stage(layout, happens)
    assert told.message.startswith(f"{layout.root / 'locks'}")
    assert told.message.endswith((": cannot be used (Not a directory)", ": cannot be used (File exists)"))
    assert told.hint == f"Look what has become of it, {KEPT}"


def test_a_path_of_the_folder_is_named_also_where_the_folder_is_relative(layout, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    relative = Layout(layout.root.relative_to(tmp_path))
    told = stopped_in_a_stage(relative, error(errno.ENOTDIR, str(layout.stages)))
    assert told.message == f"{layout.stages}: cannot be used (Not a directory)"


def test_no_process_can_be_started_any_more(layout):
    def refuse(workers):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    told = stopped(layout, refuse)
    assert told.message == "the run cannot go on: [Errno 11] Resource temporarily unavailable"
    assert told.hint == f"Mend that, {KEPT}"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EACCES])
def test_what_is_not_of_the_folder_is_not_blamed_on_it(layout, number, tmp_path):
    elsewhere = str(tmp_path / "results elsewhere")
    told = stopped_in_a_stage(layout, error(number, elsewhere))
    assert told.message == f"the run cannot go on: [Errno {number}] {os.strerror(number)}: '{elsewhere}'"
    assert str(layout.root) + ":" not in told.message
