"""What every compressor with a ratio must hold."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from harness.testing.expectation import require
from harness.testing.tensors import differing, shown

if TYPE_CHECKING:
    from harness.testing.compressor_trial import CompressorTrial

_TOLERANCE = 0.01
"""Of what is to be left; the miss of a record is judged alike."""

_ROUNDING = 1e-9


class RatioChecks:
    """The checks of `MethodSuite` that are about ratios."""

    _subject: ClassVar[Any]

    def _pruner(self) -> CompressorTrial:
        raise NotImplementedError

    def test_ratio_zero_changes_nothing(self) -> None:
        """It is the control of every curve; a method that trains while it prepares may have other weights there."""
        trial = self._pruner()
        made, source = trial.made(0.0), trial.subject.source.model
        removed = trial.reductions(made)
        require(
            not any(removed.values()) and not any(made.achieved.values()),
            f"at ratio 0 it has removed {_percent({**removed, **made.achieved})}",
            "Remove nothing where the ratio rounds to no channel, and claim nothing.",
        )
        if "training" in self._subject.descriptor.needs:
            return
        changed = differing(trial.outputs(source), trial.outputs(made.model))
        require(
            not changed,
            f"at ratio 0 the model's {shown(changed)} differ from those before",
            "Return the model as it was, bit for bit: no scaling, masking or re-estimation without a removal.",
        )

    def test_reduction_grows_with_the_ratio(self) -> None:
        """A larger ratio never leaves more, and the largest one leaves less than the smallest."""
        trial = self._pruner()
        ratios = sorted(self._subject.settings)
        reached = [{**trial.reductions(made), **made.achieved} for made in map(trial.made, ratios)]
        for (low, fewer), (high, more) in pairwise(zip(ratios, reached, strict=True)):
            wrong = [name for name in fewer if more.get(name, 0.0) < fewer[name] - _ROUNDING]
            require(
                not wrong,
                f"ratio {high} removes less {', '.join(wrong)} than {low}: {_percent(more)} against {_percent(fewer)}",
                "A larger ratio must remove at least what a smaller one does.",
            )
        require(
            reached[-1]["params"] > reached[0]["params"],
            f"ratio {ratios[-1]} removes as many parameters as {ratios[0]}: {_percent(reached[0])}",
            "Let `compress` look at its setting.",
        )

    def test_target_is_met_or_the_miss_is_explained(self) -> None:
        """Reports compare methods at what they achieved; who misses a target says why."""
        trial = self._pruner()
        ratios: tuple[float, ...] = self._subject.settings
        for of in self._subject.descriptor.ratio_targets:
            for ratio in ratios if of == "channels" else ratios[len(ratios) // 2 :][:1]:
                made = trial.made(ratio, of)
                counted = trial.reductions(made)
                reached = counted.get(of, made.achieved.get(of))
                if reached is None:
                    advice = f'Return `Compression(achieved={{"{of}": ...}})`: only the method can know.'
                    require(False, f"at ratio {ratio} of {of} it does not say what it achieved", advice)
                    raise AssertionError
                claims = [
                    name for name in counted if abs(made.achieved.get(name, counted[name]) - counted[name]) > _ROUNDING
                ]
                require(
                    not claims,
                    f"at ratio {ratio} it claims {_percent(made.achieved)}, but {_percent(counted)} are gone",
                    "Claim what was removed, or leave `params` and `macs` to the engine, which counts them.",
                )
                target = made.details.get("target")
                explained = isinstance(target, dict) and bool(target.get("reason"))
                require(
                    explained or abs(ratio - reached) <= _TOLERANCE * (1 - ratio) + _ROUNDING,
                    f"at ratio {ratio} of {of} it removes {reached:.2%} and does not say why",
                    'Come within 1 % of what is to be left, or state the reason: details["target"] = {"reason": ...}.',
                )


def _percent(reductions: dict[str, float]) -> str:
    return ", ".join(f"{value:.2%} of {name}" for name, value in reductions.items())
