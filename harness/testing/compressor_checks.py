"""What every compressor must hold, whatever its axis."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness.errors import BenchError
from harness.testing.expectation import require
from harness.testing.tensors import differing, shown

if TYPE_CHECKING:
    from harness.testing.compressor_trial import CompressorTrial


class CompressorChecks:
    """The checks of `MethodSuite` that are about compressors."""

    _subject: ClassVar[Any]

    def _compressor(self) -> CompressorTrial:
        raise NotImplementedError

    def test_compressed_models_pass_the_self_checks(self) -> None:
        """Those of the method, and those of the engine: shapes at two input sizes, gradients, fewer parameters."""
        trial = self._compressor()
        from harness.engine.checks import check_compression

        source = trial.subject.source.model
        for setting in self._subject.settings:
            made = trial.made(setting)
            found = [*made.checks, *check_compression(source, made.model, trial.context(), made.achieved)]
            failed = [f"{check.name}: {check.detail}" for check in found if check.verdict == "fail"]
            require(
                not failed,
                f"the model at {setting} is not what it should be: {'; '.join(failed)}",
                "A benchmark would fail such a cell with `check_failed`.",
            )

    def test_wrong_settings_are_typed_errors(self) -> None:
        """A mistake is told to the user without a traceback."""
        trial = self._compressor()
        if not self._subject.wrong_settings:
            pytest.skip("it has no axis")
        for setting in self._subject.wrong_settings:
            try:
                trial.compress(trial.first.compressor, setting, trial.first.state)
            except BenchError:
                continue
            except Exception as error:  # the method's own, of whatever type
                found = f"raises {type(error).__name__} ({error})"
            else:
                found = "compresses"
            require(
                False,
                f"{self._subject.label} {found} at the setting {setting!r}",
                "Look at the setting first, and raise `harness.errors.UserError(message, hint)`.",
            )

    def test_account_is_plain_json(self) -> None:
        """Records and artifacts hold what `compress` tells."""
        trial = self._compressor()
        made, registry = trial.first.compression, trial.bench.registry
        wrong = {name: value for name, value in made.achieved.items() if not _fraction(value)}
        require(not wrong, f"`achieved` holds {wrong}", "Reductions are fractions from 0 to 1.")
        for what, value in (("details", made.details), ("payload", [step.payload for step in made.transforms])):
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                require(False, f"`{what}` is not plain JSON: {error}", "Hand over numbers, texts, lists and mappings.")
        for step in made.transforms:
            version = registry.transform(step.kind).descriptor.version
            require(
                step.version <= version,
                f"a transform {step.kind!r} of version {step.version}, but only version {version} is read",
                "Raise `version` of the TransformDescriptor with every new form of the payload.",
            )

    def test_compress_leaves_the_state_as_it_was(self) -> None:
        """All settings with one `prepare_key` share one state."""
        trial = self._compressor()
        for setting in self._subject.settings:
            trial.made(setting)
        changed = sorted(set(trial.state_changes))
        require(not changed, f"`compress` has changed {shown(changed)} of the state", "Copy what is changed.")

    def test_state_does_not_hang_on_the_model(self) -> None:
        """The model that `prepare` saw is gone when `compress` runs."""
        import torch

        trial = self._compressor()
        model = trial.subject.private_copy()
        state = trial.prepare(model)
        before = {name: value.clone() for name, value in state.tensors.items()}
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.zero_()
        changed = differing(before, state.tensors)
        require(
            not changed,
            f"{shown(changed)} of the state changes with the model that `prepare` saw",
            "Put clones into the state: `weight.detach().clone()`.",
        )

    def test_a_new_object_with_the_stored_state_gives_the_same(self) -> None:
        """`compress` runs in another process than `prepare`, hours later."""
        trial = self._compressor()
        from harness.testing.compressor_trial import payloads

        advice = "Put all that `compress` needs into the State: tensors, and plain JSON in `data`."
        expected = trial.made(trial.setting)
        try:
            found = trial.from_storage(trial.setting)
        except Exception as error:  # the method's own, of whatever type
            require(False, f"with the stored state it raises {type(error).__name__}: {error}", advice)
            raise
        changed = differing(expected.model.state_dict(), found.model.state_dict())
        if payloads(expected) != payloads(found):
            changed.insert(0, "transforms")
        require(not changed, f"with the stored state it gives another result: {shown(changed)}", advice)

    def test_artifact_rebuilds_the_model_bit_for_bit(self) -> None:
        """A model that is built from another seed, cut by the transforms, and given the stored weights."""
        trial = self._compressor()
        advice = "The transforms must cut a freshly built model to the same structure, from their payload alone."
        for setting in self._subject.settings:
            made = trial.made(setting)
            try:
                rebuilt = trial.rebuilt(made)
            except BenchError as error:
                pytest.fail(f"the artifact at {setting} cannot be loaded: {error}\n  {advice}", pytrace=False)
            changed = differing(made.model.state_dict(), rebuilt.state_dict())
            changed += differing(trial.outputs(made.model), trial.outputs(rebuilt))
            require(not changed, f"the artifact at {setting} differs in {shown(changed)}", advice)


def _fraction(value: float) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= 1
