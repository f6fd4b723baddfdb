"""Automatic controls: the pipelines that methods want to be compared with; see `docs/design/controls.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.errors import BenchError
from harness.plan.choice import Choices
from harness.spec.pipeline import MethodCall, Pipeline, Step, parse_pipeline


class AutomaticControls:
    """Draws the controls of candidates, each once.

    Args:
        choices: The plugins.
        complete: Returns a pipeline as the benchmark runs it: with default recoveries, settings and options checked.
    """

    def __init__(self, choices: Choices, complete: Callable[[Pipeline], Pipeline]) -> None:
        self._choices = choices
        self._complete = complete
        self._known: dict[tuple[str, str, str], tuple[Pipeline, ...]] = {}
        self._left_out: dict[tuple[str, str], list[str]] = {}

    def beside(self, candidates: Iterable[Pipeline]) -> Sequence[Pipeline]:
        """Returns the controls of all candidates: those that the method of their first step names, at its setting.

        One that stands for the first step alone, and has the recovery by default that the candidate's method has, is
        recovered as the candidate is: `random` beside `fpgm@0.5+none` is `random@0.5+none`.
        """
        found: dict[str, Pipeline] = {}
        for candidate in candidates:
            call, behind = candidate.steps[0].calls[0], candidate.steps[1:]
            key = (call.name, str(call.setting), "+".join(map(str, behind)))
            if key not in self._known:
                self._known[key] = tuple(self._of(call, behind))
            found.update((str(control), control) for control in self._known[key])
        return tuple(found.values())

    def left_out(self) -> tuple[str, ...]:
        """Returns which of the controls that were asked for cannot be drawn, for which methods and why."""
        return tuple(
            f"control {text} (of {', '.join(dict.fromkeys(methods))}) is left out: {reason}"
            for (text, reason), methods in self._left_out.items()
        )

    def _of(self, call: MethodCall, behind: tuple[Step, ...]) -> Iterable[Pipeline]:
        for text in self._choices.describe(call.name).controls:
            try:
                written = parse_pipeline(text, f"controls of method {call.name}")
                control = self._at_setting_of(call, written)
                yield self._complete(
                    Pipeline(control.steps + behind) if self._alike(call, control, behind) else control
                )
            except BenchError as error:  # what is missing or broken must not keep the candidate from running
                self._left_out.setdefault((text, error.message), []).append(call.name)

    def _alike(self, candidate: MethodCall, control: Pipeline, behind: tuple[Step, ...]) -> bool:
        """Returns whether a control is to be recovered as the candidate is."""
        kinds = {self._choices.describe(call.name).kind for step in behind for call in step.calls}
        described = [self._choices.describe(name) for name in (candidate.name, control.steps[0].calls[0].name)]
        defaults = {descriptor.default_recovery for descriptor in described}
        return (
            kinds == {"recovery"}
            and len(control.steps) == 1
            and len(defaults) == 1
            and {descriptor.kind for descriptor in described} == {"compressor"}
        )

    def _at_setting_of(self, candidate: MethodCall, control: Pipeline) -> Pipeline:
        """Returns the control with the candidate's setting in calls without one that have its axis."""
        axis = self._choices.describe(candidate.name).axis

        def at_setting(call: MethodCall) -> MethodCall:
            if call.setting is not None or axis is None or self._choices.describe(call.name).axis != axis:
                return call
            return MethodCall(call.name, candidate.setting, call.options)

        return Pipeline(tuple(Step(tuple(map(at_setting, step.calls))) for step in control.steps))
