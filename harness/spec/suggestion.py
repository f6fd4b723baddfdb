"""The "did you mean" of error messages."""

from __future__ import annotations

from collections.abc import Iterable


def close_matches(word: str, choices: Iterable[str]) -> list[str]:
    """Returns at most three of `choices` that `word` may stand for, about equally close, the closest first.

    Case does not count.

    Example:
        >>> close_matches("fpmg", ["fpgm", "l1", "random"])
        ['fpgm']
    """
    from difflib import SequenceMatcher, get_close_matches  # only errors need it

    by_lowered = {choice.lower(): choice for choice in choices}
    matches = get_close_matches(word.lower(), by_lowered, n=3)
    if matches:
        closest = SequenceMatcher(None, matches[0], word.lower()).ratio()
        matches = get_close_matches(word.lower(), matches, n=3, cutoff=max(0.6, closest - 0.1))
    return [by_lowered[match] for match in matches]


def did_you_mean(word: str, choices: Iterable[str], label: str) -> str:
    """Returns a hint: the closest choices, if any are close, and all of them.

    Args:
        word: What was written.
        choices: What could have been written.
        label: What the choices are, e.g. `"available methods"`.

    Example:
        >>> did_you_mean("fpmg", ["fpgm", "l1"], "available methods")
        "did you mean 'fpgm'? available methods: fpgm, l1"
    """
    known = sorted(set(choices))
    matches = " or ".join(repr(match) for match in close_matches(word, known))
    listed = f"{label}: {', '.join(known) or 'none'}"
    return f"did you mean {matches}? {listed}" if matches else listed
