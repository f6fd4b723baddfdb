"""What every recovery must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import NonFiniteLossError
from harness.testing.expectation import require
from harness.testing.surroundings import ITERATIONS
from harness.testing.tensors import differing, shown

if TYPE_CHECKING:
    from harness.testing.recovery_trial import RecoveryTrial


class RecoveryChecks:
    """The checks of `MethodSuite` that are about recoveries."""

    _subject: ClassVar[Any]

    def _recovery(self) -> RecoveryTrial:
        raise NotImplementedError

    def test_structure_is_kept(self) -> None:
        """What is measured behind a recovery is the compressed model, not a larger one that it trained."""
        trial = self._recovery()
        before = {name: list(value.shape) for name, value in trial.subject.source.model.state_dict().items()}
        after = {name: list(value.shape) for name, value in trial.first.weights.items()}
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        require(
            not changed,
            f"the trained model has other weights than the given one: {shown(changed)}",
            "Take away behind the training what the recipe's hooks have added to the model, and never replace layers.",
        )

    def test_trains_within_the_budget(self) -> None:
        """Methods are compared at equal budgets."""
        trial = self._recovery()
        steps = trial.first.steps
        require(
            steps <= ITERATIONS,
            f"it took {steps} optimiser steps of a budget of {ITERATIONS}",
            "Leave the training to the engine's Runner: a recipe adds hooks, and trains nothing by itself.",
        )
        moved = differing(trial.subject.source.model.state_dict(), trial.first.weights)
        require(
            steps and moved,
            "no weight has changed",
            "A recovery that trains nothing says `trains=False` in its descriptor.",
        )

    def test_not_a_number_never_leaves_silently(self) -> None:
        """A training at an absurd learning rate diverges, and must fail as `nan_loss`."""
        trial = self._recovery()
        from harness.testing.recovery_trial import DIVERGING

        try:
            trial.train(DIVERGING)
        except NonFiniteLossError:
            return
        require(
            False,
            "a training whose weights overflowed ended as if nothing had happened",
            "Do not repair losses or weights that are not finite: the result would be believed.",
        )
