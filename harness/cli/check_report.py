"""The answer of `bench check` for people: details of one model, a table of several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.spec.setting import setting_from_json, setting_text

if TYPE_CHECKING:
    from rich.console import Console

    from harness.store.failure import Failure
    from harness.store.model_check import CheckedMethod, CheckedSetting, FixedPart, ModelCheck

_PATHS_OR_SHAPES = re.compile(r"`[^`]*`|\[[\d, ]*\]")
_EXAMPLES = 3
_REASONS = 8
_TEXTS = ("model", "method", "verdict")
_MEGA, _GIGA = 1e6, 1e9


def print_checks(console: Console, checks: Sequence[ModelCheck], *, verbose: bool) -> None:
    """Prints the answers: of one model, or with `verbose`, all that is known; of several a table.

    Args:
        console: Where to.
        checks: One a model.
        verbose: Every pinned layer and every note.
    """
    if len(checks) > 1:
        console.print(_table(checks))
        working = sum(check.status == "works" for check in checks)
        _say(console, f"{working} of {len(checks)} models work.")
    for check in checks:
        if len(checks) == 1 or verbose:
            _print_details(console, check, verbose=verbose)
        elif check.failure is not None:
            _say(console, f"\n{check.model}", "bold")
            _print_failure(console, check.failure)


def gist(reason: str) -> str:
    """Returns a reason without the paths and shapes in which it differs from others of its kind.

    Example:
        >>> gist("View in `backbone.a` on [1, 64, 8, 8] cuts a dimension")
        'View in … on … cuts a dimension'
    """
    return _PATHS_OR_SHAPES.sub("…", reason)


def _table(checks: Sequence[ModelCheck]) -> Table:
    table = Table(header_style="bold")
    for title in _TEXTS:
        table.add_column(title, overflow="fold")
    for title in ("groups", "can go", "params left", "MACs left", "CPU s"):
        table.add_column(title, justify="right", no_wrap=True)
    for check in checks:
        style = "red" if check.status == "fails" else ""
        seconds = "" if check.cpu_seconds is None else f"{check.cpu_seconds:.0f}"
        for method in check.methods or (None,):
            figures = _figures(method) if method is not None else ("", "", "", "", "")
            # What happened is told below the table.
            verdict = f"fails: {check.failure.kind}" if check.failure is not None else check.verdict
            row = (check.model, figures[0], verdict, *figures[1:], seconds)
            table.add_row(*(Text(text) for text in row), style=style)
    return table


def _figures(method: CheckedMethod) -> tuple[str, str, str, str, str]:
    """Returns method, groups, prunable share, and what is left at each setting."""
    found = method.findings
    left = {
        name: "/".join(_percent(getattr(setting, name)).removesuffix("%") for setting in method.settings) + " %"
        for name in ("params_left", "macs_left")
    }
    share = _share(found.prunable_channels, found.channels) if found is not None else ""
    if not method.settings:
        left = dict.fromkeys(left, "")
    return method.method, str(found.groups) if found else "", share, left["params_left"], left["macs_left"]


def _print_details(console: Console, check: ModelCheck, *, verbose: bool) -> None:
    size = "" if check.input_size is None else f" {check.input_size[0]}x{check.input_size[1]}"
    _say(console, f"\n{check.model} ({check.task}, {check.dataset}{size})", "bold")
    _say(console, check.verdict, "red" if check.status == "fails" else "green")
    facts = []
    if check.params is not None:
        facts.append(f"{check.params / _MEGA:.2f} M parameters")
    if check.macs is not None:
        facts.append(f"{check.macs / _GIGA:.3f} G MACs")
    if check.cpu_seconds is not None:
        facts.append(f"{check.cpu_seconds:.1f} CPU seconds")
    _say(console, ", ".join(facts))
    for method in check.methods:
        _print_method(console, method, verbose=verbose)
    if check.failure is not None:
        _say(console, "")
        _print_failure(console, check.failure)


def _print_method(console: Console, method: CheckedMethod, *, verbose: bool) -> None:
    _say(console, f"\n{method.method}", "bold")
    found = method.findings
    if found is not None and found.groups:
        most = ", ".join(f"{_percent(value)} of {name}" for name, value in found.removable.items())
        _say(
            console,
            f"{found.groups} groups; {found.prunable_channels} of {found.channels} channels "
            f"({_share(found.prunable_channels, found.channels)}) can go; at most {most}",
        )
    if method.settings:
        console.print(_settings(method.settings))
    if found is None:
        return
    _print_pinned(console, [pin for pin in found.pinned if not pin.by_design], "pinned", verbose=verbose)
    _print_pinned(console, [pin for pin in found.pinned if pin.by_design], "outputs", verbose=verbose)
    if found.protected:
        _say(console, f"protected: {_layers(found.protected)}: {_listed(found.protected, verbose=verbose)}")
    if found.mixing:
        groups = _listed(list(found.mixing), verbose=verbose)
        _say(console, f"statistics over channels that go, in {len(found.mixing)} groups: {groups}")
    for note in found.notes if verbose else found.notes[:_EXAMPLES]:
        _say(console, f"note: {note}")
    if not verbose and len(found.notes) > _EXAMPLES:
        _say(console, f"      and {len(found.notes) - _EXAMPLES} more notes (--verbose)")


def _settings(settings: Sequence[CheckedSetting]) -> Table:
    table = Table(header_style="bold")
    for title in ("setting", "params left", "MACs left", "checks", "CPU s"):
        table.add_column(title, justify="right")
    for tried in settings:
        setting = setting_from_json(tried.setting)
        counts = Counter(check.verdict for check in tried.checks)
        told = f"{counts['pass']} passed"
        told += f", {counts['not_applicable']} not applicable" if counts["not_applicable"] else ""
        failed = [check.name for check in tried.checks if check.verdict == "fail"]
        told += f", failed: {', '.join(failed)}" if failed else ""
        row = (
            "-" if setting is None else setting_text(setting),
            _percent(tried.params_left),
            _percent(tried.macs_left),
            told if tried.checks else "failed",
            f"{tried.cpu_seconds:.1f}",
        )
        table.add_row(*(Text(text) for text in row), style="red" if tried.failure is not None else "")
    return table


def _print_pinned(console: Console, pins: Sequence[FixedPart], title: str, *, verbose: bool) -> None:
    """Prints reasons that differ in paths and shapes alone as one, with an example of each."""
    if not pins:
        return
    _say(console, f"{title}: {_layers(pins)}")
    if verbose:
        for pin in pins:
            _say(console, f"  {pin.module}: {pin.reason}")
        return
    alike: dict[str, list[FixedPart]] = {}
    for pin in pins:
        alike.setdefault(gist(pin.reason), []).append(pin)
    ordered = sorted(alike.values(), key=len, reverse=True)
    for same in ordered[:_REASONS]:
        modules = _listed([pin.module for pin in same], verbose=False)
        _say(console, f"  {len(same)}x {same[0].reason}  ({modules})")
    if len(ordered) > _REASONS:
        _say(console, f"  and {len(ordered) - _REASONS} more reasons (--verbose)")


def _print_failure(console: Console, failure: Failure) -> None:
    _say(console, f"{failure.kind}: {failure.message}", "red")
    if failure.hint:
        _say(console, failure.hint)


def _layers(found: Sequence[object]) -> str:
    return f"{len(found)} layer{'s' if len(found) > 1 else ''}"


def _listed(names: Sequence[str], *, verbose: bool) -> str:
    shown = names if verbose else names[:_EXAMPLES]
    return ", ".join(shown) + (" ..." if len(shown) < len(names) else "")


def _percent(fraction: float | None) -> str:
    """Returns percents; less than all is never rounded up to all."""
    return "?" if fraction is None else f"{fraction if fraction >= 1 else min(fraction, 0.99):.0%}"


def _share(part: int, whole: int) -> str:
    return _percent(part / whole) if whole else "none"


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
