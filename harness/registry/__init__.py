"""Plugins: the contracts that they implement, and how they are found. Torch-free.

Plugin authors import from here.
"""

from harness.registry.context import Context
from harness.registry.dataset import Dataset, DatasetMeta, LoaderRequest, Split
from harness.registry.descriptors import (
    DatasetDescriptor,
    Descriptor,
    ExecutorDescriptor,
    IterativeOptions,
    MethodDescriptor,
    Metric,
    ModelDescriptor,
    Options,
    Publication,
    ReportFormatDescriptor,
    TaskDescriptor,
    TransformDescriptor,
)
from harness.registry.discovery import Registry, discover
from harness.registry.groups import GROUPS
from harness.registry.method import (
    Check,
    Compression,
    Compressor,
    Description,
    FixedLayer,
    Recovery,
    State,
    TrainingRecipe,
    Transform,
    TransformStep,
)
from harness.registry.model import Model
from harness.registry.options import validate_options
from harness.registry.picture import Panel, Picture, Swatch
from harness.registry.plugin import Entry, Plugin, load_implementation
from harness.registry.task import Batch, Task

__all__ = [
    "GROUPS",
    "Batch",
    "Check",
    "Compression",
    "Compressor",
    "Context",
    "Dataset",
    "DatasetDescriptor",
    "DatasetMeta",
    "Description",
    "Descriptor",
    "Entry",
    "ExecutorDescriptor",
    "FixedLayer",
    "IterativeOptions",
    "LoaderRequest",
    "MethodDescriptor",
    "Metric",
    "Model",
    "ModelDescriptor",
    "Options",
    "Panel",
    "Picture",
    "Plugin",
    "Publication",
    "Recovery",
    "Registry",
    "ReportFormatDescriptor",
    "Split",
    "State",
    "Swatch",
    "Task",
    "TaskDescriptor",
    "TrainingRecipe",
    "Transform",
    "TransformDescriptor",
    "TransformStep",
    "discover",
    "load_implementation",
    "validate_options",
]
