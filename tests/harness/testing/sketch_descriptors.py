"""A tiny task with a model, a data set and methods, and ways in which each may be wrong; free of torch."""

import uuid
from typing import Any, Literal

from pydantic import ConfigDict, Field

from harness.registry import (
    DatasetDescriptor,
    MethodDescriptor,
    Metric,
    ModelDescriptor,
    Options,
    TaskDescriptor,
    TransformDescriptor,
)


class Wrong(Options):
    """Options of everything here: what is done wrongly."""

    wrong: str = Field(default="", description="What is wrong.")


class Noted(Options):
    note: Any = Field(default=(1, 2), description="A tuple, which JSON has not.")


class Open(Options):
    model_config = ConfigDict(extra="allow", frozen=True)


class Unique(Options):
    label: str = Field(default_factory=lambda: uuid.uuid4().hex, description="Another one each time.")


class Precise(Options):
    mode: Literal["nearest"] = "nearest"


class Dots(DatasetDescriptor):
    def fingerprint(self, options):
        return "dots" if options.wrong == "fingerprint" else f"dots {options.wrong}"


TASK = TaskDescriptor(
    name="sketch", summary="", implementation="sketch:Sketch", metrics=(Metric(name="score"),),
    demo_model="net", demo_dataset="dots",
)  # fmt: skip
NET = ModelDescriptor(name="net", summary="", implementation="sketch:Net", task="sketch", options=Wrong)
DOTS = Dots(name="dots", summary="", implementation="sketch:DotsOnPaper", task="sketch", options=Wrong)
CUT = TransformDescriptor(name="cut", summary="", implementation="sketch_methods:Cut")

_PRUNING = {"summary": "", "family": "pruning", "axis": "ratio", "has_prepare": True}
SHORTEN = MethodDescriptor(name="shorten", implementation="sketch_methods:Shorten", options=Wrong, **_PRUNING)
NOTED = MethodDescriptor(name="noted", implementation="sketch_methods:Plain", options=Noted, **_PRUNING)
OPEN = MethodDescriptor(name="open", implementation="sketch_methods:Plain", options=Open, **_PRUNING)
UNIQUE = MethodDescriptor(name="unique", implementation="sketch_methods:Plain", options=Unique, **_PRUNING)
FORGOTTEN = MethodDescriptor(
    name="forgotten", implementation="sketch_methods:Unprepared", **{**_PRUNING, "has_prepare": False}
)
MISNAMED = MethodDescriptor(
    name="misnamed", summary="", implementation="sketch_methods:Plain", family="recovery", kind="recovery", trains=False
)
ROUND = MethodDescriptor(
    name="round", summary="", implementation="sketch_methods:Round", family="quantization", axis="precision",
    options=Precise,
)  # fmt: skip
POLISH = MethodDescriptor(
    name="polish", summary="", implementation="sketch_methods:Polish", family="recovery", kind="recovery", options=Wrong
)

POINTS = {
    "bench.tasks": {"sketch": "sketch_descriptors:TASK"},
    "bench.models": {"sketch.net": "sketch_descriptors:NET"},
    "bench.datasets": {"sketch.dots": "sketch_descriptors:DOTS"},
    "bench.transforms": {"cut": "sketch_descriptors:CUT"},
    "bench.methods": {
        **{name: f"sketch_descriptors:{name.upper()}" for name in (
            "shorten", "noted", "open", "unique", "forgotten", "misnamed", "round", "polish",
        )},
        "heavy": "sketch_heavy:HEAVY",
    },
}  # fmt: skip
