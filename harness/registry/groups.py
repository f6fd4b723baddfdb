"""The entry-point groups by which plugins are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.registry.descriptors import (
    DatasetDescriptor,
    Descriptor,
    ExecutorDescriptor,
    MethodDescriptor,
    ModelDescriptor,
    ReportFormatDescriptor,
    TaskDescriptor,
    TransformDescriptor,
)


@dataclass(frozen=True)
class Group:
    """One kind of plugin.

    Attributes:
        name: The entry-point group.
        noun: What one of its plugins is called in messages.
        descriptor: What its entry points target.
        keyed_by_task: Whether an entry point is named `task.name`, as the same name may serve several tasks.
    """

    name: str
    noun: str
    descriptor: type[Descriptor]
    keyed_by_task: bool = False

    @property
    def short_name(self) -> str:
        """The name without `bench.`."""
        return self.name.removeprefix("bench.")


GROUPS: Mapping[str, Group] = {
    group.name: group
    for group in (
        Group("bench.tasks", "task", TaskDescriptor),
        Group("bench.models", "model", ModelDescriptor, keyed_by_task=True),
        Group("bench.datasets", "data set", DatasetDescriptor, keyed_by_task=True),
        Group("bench.methods", "method", MethodDescriptor),
        Group("bench.transforms", "transform", TransformDescriptor),
        Group("bench.executors", "executor", ExecutorDescriptor),
        Group("bench.runtimes", "runtime", Descriptor),
        Group("bench.report_formats", "report format", ReportFormatDescriptor),
    )
}
"""The groups by name."""
