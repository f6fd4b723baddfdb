"""What holds for every plugin: its descriptor is free of torch, and its options are plain data."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
import yaml

from harness.errors import BenchError, UserError
from harness.registry import Options, Plugin, validate_options
from harness.testing.expectation import require
from harness.testing.torch_free import Question, ask, find, statement

_UNKNOWN = "no_such_option"


class PluginSuite:
    """Base of the suites; not for inheritance by plugin authors.

    Attributes:
        task: The task; by default the only one that fits.
        time_limit_seconds: Wall time that one run of the plugin may take on the suite's data.
        device: Where models and batches live.
    """

    task: ClassVar[str] = ""
    time_limit_seconds: ClassVar[float] = 60.0
    device: ClassVar[str] = "cpu"
    _subject: ClassVar[Any]
    _folder: ClassVar[TemporaryDirectory[str]]

    @classmethod
    def setup_class(cls) -> None:
        """Looks up what the class names."""
        cls._folder = TemporaryDirectory(prefix="bench-conformance-")
        try:
            cls._subject = cls._open(Path(cls._folder.name))
        except BenchError as error:
            cls._folder.cleanup()
            pytest.fail(f"{cls.__name__}: {error}", pytrace=False)

    @classmethod
    def teardown_class(cls) -> None:
        """Removes the suite's files."""
        cls._folder.cleanup()
        del cls._subject  # it holds models

    @classmethod
    def _open(cls, work: Path) -> Any:
        raise NotImplementedError

    def test_descriptor_loads_without_torch(self) -> None:
        """`bench list`, `bench plan` and `bench report` load descriptors in milliseconds."""
        answer = self._subject.elsewhere
        require(
            not answer["error"],
            f"the descriptor of {self._subject.label} does not load in a new process: {answer['error']}",
            "Its module must import from `harness.registry` and the standard library alone, whatever is imported yet.",
        )
        require(
            not answer["imported"],
            f"loading the descriptor of {self._subject.label} imports {', '.join(answer['imported'])}",
            "Keep the descriptor in a module of its own, and import what computes in the implementation's module.",
        )

    def test_options_survive_json_and_yaml(self) -> None:
        """Options are written in benchmark files, stage records and identities."""
        options, plugin = self._subject.options, self._subject.plugin
        try:
            text = json.dumps(options.model_dump(mode="json"), allow_nan=False)
            read = {
                "JSON": json.loads(text),
                "YAML": yaml.safe_load(yaml.safe_dump(json.loads(text))),
            }
            back = {form: validate_options(plugin, written) for form, written in read.items()}
        except (TypeError, ValueError, UserError) as error:
            pytest.fail(f"the options {options!r} cannot be written and read: {error}\n  {_PLAIN}", pytrace=False)
        for form, found in back.items():
            require(found == options, f"options {options!r} are {found!r} behind {form}", _PLAIN)

    def test_unknown_options_are_refused(self) -> None:
        """A misspelt option must not be a result with its default."""
        written = self._subject.options.model_dump(mode="json")
        try:
            validate_options(self._subject.plugin, {**written, _UNKNOWN: 1})
        except UserError:
            return
        require(False, f"{self._subject.label} takes an option `{_UNKNOWN}`", "Leave `extra` of the options at forbid.")

    def test_identity_is_the_same_for_equal_options(self) -> None:
        """Or finished stages are run again, or others' results are taken for one's own."""
        question: Question = self._subject.question
        here = statement(question)
        spelt_out = {**question, "options": json.loads(here["options"])}
        others = {
            "with its defaults written out": statement(spelt_out),
            "in a second process": self._subject.elsewhere["statement"],
            "in a third process": ask(question, hash_seed=2)["statement"],
        }
        for where, found in others.items():
            changed = [name for name, text in here.items() if found.get(name) != text]
            require(
                not changed,
                f"{', '.join(changed)} of {self._subject.label} differ {where}",
                "They may hang on nothing but the options: no time, no random number, no order of a set, no path.",
            )


class PluginSubject:
    """One plugin of an entry point.

    Args:
        question: Which one, and its options.
    """

    def __init__(self, question: Question) -> None:
        self.question = question

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return str(self.question["name"])

    @cached_property
    def plugin(self) -> Plugin[Any]:
        """The plugin, its descriptor loaded."""
        from harness.registry import discover

        return find(discover(), self.question)[0]

    @cached_property
    def options(self) -> Options:
        """Its options, validated."""
        return validate_options(self.plugin, self.question["options"])

    @cached_property
    def elsewhere(self) -> dict[str, Any]:
        """What a new process says of it."""
        return ask(self.question, hash_seed=1)


_PLAIN = "Use numbers, texts, true, false, none and tuples of these, and validators that take what they return."
