"""A cursor over one line of text whose errors point at the column."""

from __future__ import annotations

import re
from typing import NoReturn

from harness.errors import UserError

_SPACE = re.compile(r"\s*")


class Scanner:
    """Reads tokens from left to right; spaces between them do not count.

    Args:
        text: What to read.
        where: The flag or key that it comes from, for errors; empty where the caller names it.
    """

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.position = 0

    def skip_space(self) -> None:
        """Moves to the next character that is not a space."""
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position

    def at_end(self) -> bool:
        """Returns whether nothing but spaces is left."""
        self.skip_space()
        return self.position == len(self.text)

    def next_is(self, *literals: str) -> bool:
        """Returns whether one of the literals comes next."""
        self.skip_space()
        return self.text.startswith(literals, self.position)

    def accept(self, literal: str) -> bool:
        """Returns whether the literal comes next, and steps over it."""
        found = self.next_is(literal)
        self.position += len(literal) if found else 0
        return found

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Returns the text that the pattern matches here, and steps over it; `None` if it does not match."""
        self.skip_space()
        match = pattern.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return match.group()

    def fail(self, expected: str, hint: str = "", position: int | None = None) -> NoReturn:
        """Raises an error that says what was expected, with a caret below the column.

        Args:
            expected: What could have come, e.g. `"a method name"`.
            hint: What the reader can do about it.
            position: Index into the text; default: the next character that is not a space.

        Raises:
            UserError: Always.
        """
        self.skip_space()
        index = self.position if position is None else position
        found = repr(self.text[index]) if index < len(self.text) else "the end"
        # One character a column, whatever the text holds: the caret must stand below the right one.
        shown = "".join(character if character.isprintable() else " " for character in self.text)
        prefix = f"{self.where}: " if self.where else ""
        message = f"{prefix}expected {expected} at column {index + 1}, found {found}\n    {shown}\n    {' ' * index}^"
        raise UserError(message, hint)
