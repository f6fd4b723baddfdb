"""What the plugin offers; torch-free."""

from bench_pruning.descriptors import pruning_method

REDUNDANCY = pruning_method(
    name="redundancy",
    summary="Filters that are most similar to another one, whatever their scale (example plugin).",
    implementation="bench_example.criterion:Redundancy",
)
