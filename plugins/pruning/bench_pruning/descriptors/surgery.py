"""The transform that replays a pruning, without torch."""

from __future__ import annotations

from harness.registry.descriptors import TransformDescriptor

PRUNE = TransformDescriptor(
    name="prune",
    summary="Removes channels from a freshly built model.",
    implementation="bench_pruning.transform:PruneTransform",
    version=2,
)
