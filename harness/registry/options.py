"""Validates the options that a person wrote for a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from harness.errors import UserError
from harness.registry.descriptors import Options
from harness.registry.plugin import Plugin
from harness.spec.problem import find_problems, path_text, problem_lines


def validate_options(plugin: Plugin[Any], options: Mapping[str, Any], where: str = "") -> Options:
    """Returns the plugin's options, with its defaults for what is not written.

    Args:
        plugin: A model, data set or method.
        options: Written options by name.
        where: The flag or key that they come from, e.g. `"--methods fpgm"`; default: the plugin's name.

    Raises:
        UserError: An option is unknown or its value not allowed; all problems at once.
    """
    model: type[Options] = plugin.descriptor.options
    place = where or plugin.name
    written = dict(options)
    try:
        return model.model_validate(written)
    except ValidationError as error:
        problems = [
            replace(
                problem,
                text="unknown option",
                hint=problem.hint.replace("known keys", f"options of {plugin.name}"),
            )
            if problem.text == "unknown key"
            else problem
            for problem in find_problems(error, model, written)
        ]
        if len(problems) > 1:
            message = f"{place}: {len(problems)} options are wrong:\n{problem_lines(problems)}"
            raise UserError(message) from error
        (problem,) = problems
        key = f"{path_text(problem.path)}: " if problem.path else ""
        message = f"{place}: {key}{problem.text}"
        raise UserError(message, problem.hint) from error
