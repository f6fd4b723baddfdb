"""From steps to passes: a compressor that gets there in several passes is unrolled, with the recovery behind it.

See `docs/design/pipelines.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import PluginError
from harness.plan.choice import Choices
from harness.spec.pipeline import MethodCall, Pipeline, Step
from harness.spec.setting import Setting


@dataclass(frozen=True)
class Pass:
    """A step of a pipeline, or one of the passes that it takes.

    Attributes:
        step: What is done: a compressor's call has the setting of this pass, and no option that the plan acts on.
        text: What people call it: the step as it is written, and which pass of how many.
        number: Which pass, from 1.
        of: How many there are; they share one recovery budget.
    """

    step: Step
    text: str
    number: int = 1
    of: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it starts from the model that other settings start from too."""
        return self.number == 1


def unrolled(pipeline: Pipeline, choices: Choices) -> Iterator[Pass]:
    """Yields the passes of a pipeline, in order.

    The recovery directly behind a compressor of several passes comes after each of them; `none` does nothing there too.

    Args:
        pipeline: With its default recoveries written out.
        choices: The methods.

    Raises:
        PluginError: A method says that it takes no pass at all.
    """
    steps = list(pipeline.steps)
    while steps:
        step = steps.pop(0)
        if choices.describe(step.calls[0].name).kind != "compressor":
            yield Pass(step, str(step))
            continue
        calls = _calls(step.calls[0], choices)
        if len(calls) == 1:
            yield Pass(Step(calls), str(step))
            continue
        recovered = bool(steps) and choices.describe(steps[0].calls[0].name).kind == "recovery"
        recovery = steps.pop(0) if recovered else None
        for number, call in enumerate(calls, start=1):
            which = f"pass {number} of {len(calls)}"
            yield Pass(Step((call,)), f"{step} {which}", number, len(calls))
            if recovery is not None:
                yield Pass(recovery, f"{recovery} {which}", number, len(calls))


def _calls(call: MethodCall, choices: Choices) -> tuple[MethodCall, ...]:
    """Returns a compressor's call for each of its passes."""
    chosen = choices.method(call)
    settings: Sequence[Setting | None] = chosen.plugin.descriptor.passes(call.setting, chosen.options)
    if not settings:
        message = f"{call}: `passes` of {chosen.plugin.name} returned no setting"
        raise PluginError(message, f"Update {chosen.plugin.distribution}.")
    options = {key: value for key, value in call.options.items() if key not in chosen.options.plan_options}
    return tuple(MethodCall(call.name, setting, options) for setting in settings)
