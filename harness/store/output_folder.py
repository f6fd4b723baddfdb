"""Folders for what commands write to be looked at: pictures and files of reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from harness.errors import UserError


def make_output_folder(folder: Path, flag: str = "--out") -> None:
    """Makes a folder, and tries that something can be written to it; leaves no file behind.

    Args:
        folder: It may be there already.
        flag: What names another one.

    Raises:
        UserError: It cannot be made, or written to.
    """
    with writing_to(folder, flag):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):  # a look at its permissions says nothing about /proc, or to root
            pass


@contextmanager
def output_folder(folder: Path, flag: str = "--out") -> Iterator[None]:
    """Makes a folder for what the block writes; where that fails, what was made and is empty is removed again.

    Args:
        folder: It may be there already.
        flag: What names another one.

    Raises:
        UserError: It cannot be made, or written to.
    """
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    make_output_folder(folder, flag)
    try:
        yield
    except BaseException:
        for part in made:
            with suppress(OSError):  # something has been written to it
                part.rmdir()
        raise


@contextmanager
def writing_to(folder: Path, flag: str = "--out") -> Iterator[None]:
    """Makes what cannot be written within the block a mistake of the flag.

    Args:
        folder: Where the block writes to.
        flag: What names another one.

    Raises:
        UserError: Something cannot be written.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        message = f"{flag} {folder}: not a folder, or not below one"
        raise UserError(message, "Name a folder; it is made if it is not there.") from error
    except OSError as error:
        message = f"{flag} {folder}: cannot be written ({error.strerror or error})"
        raise UserError(message, "Name another folder, or make this one writable.") from error
