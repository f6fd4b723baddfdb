"""A descriptor in a module that imports torch."""

import torch

from harness.registry import MethodDescriptor

HEAVY = MethodDescriptor(
    name="heavy", summary=torch.__name__, implementation="sketch_methods:Plain", family="pruning", axis="ratio",
    has_prepare=True,
)  # fmt: skip
