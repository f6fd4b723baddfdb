"""Splits what a flag such as `--methods` lists."""

from __future__ import annotations

import re

from harness.spec.scanner import Scanner

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|.', re.DOTALL)


def split_list(text: str, where: str = "list") -> list[str]:
    """Returns the items of `text`, split at the commas outside parentheses and quotes, spaces trimmed.

    Items are returned as written; whether their parentheses and quotes close is for their own reader.

    Args:
        text: The list; blank for no items.
        where: The flag or key, for errors.

    Raises:
        UserError: An item is empty.

    Example:
        >>> split_list('a(x=1,2;y=3), b@0.5+c,"q,r"')
        ['a(x=1,2;y=3)', 'b@0.5+c', '"q,r"']
    """
    if not text.strip():
        return []
    scanner = Scanner(text, where)
    items, depth = [""], 0
    for match in _PIECE.finditer(text):
        piece = match.group()
        depth = max(0, depth + (piece == "(") - (piece == ")"))
        if piece == "," and not depth:
            if not items[-1].strip():
                scanner.fail("an item", position=match.start())
            items.append("")
        else:
            items[-1] += piece
    if not items[-1].strip():
        scanner.fail("an item behind the last comma", position=len(text))
    return [item.strip() for item in items]
