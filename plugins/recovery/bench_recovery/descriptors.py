"""What this distribution offers; free of torch."""

from __future__ import annotations

from harness.registry.descriptors import MethodDescriptor

FINETUNE = MethodDescriptor(
    name="finetune",
    summary="Trains the compressed model further under the benchmark's budget.",
    implementation="bench_recovery.finetune:Finetune",
    family="recovery",
    kind="recovery",
    needs=frozenset({"weights", "training"}),
)

SCRATCH = MethodDescriptor(
    name="scratch",
    summary="Trains the compressed architecture from fresh weights: what its shape alone is worth.",
    implementation="bench_recovery.scratch:Scratch",
    family="recovery",
    kind="recovery",
    needs=frozenset({"training"}),
)

NONE = MethodDescriptor(
    name="none",
    summary="No recovery: the compressed model is evaluated as it is.",
    implementation="bench_recovery.none:NoRecovery",
    family="recovery",
    kind="recovery",
    trains=False,
    needs=frozenset(),
)
