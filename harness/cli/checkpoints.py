"""`--checkpoint` and `--trust-checkpoint`: given weights on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UserError
from harness.plan.expansion import choose_models, choose_task
from harness.registry import Registry
from harness.registry.starting import BACKBONE
from harness.spec.benchmark import Benchmark, ModelChoice


def with_checkpoint(benchmark: Benchmark, path: Path, registry: Registry) -> Benchmark:
    """Returns the benchmark with `path` as the baseline of its one model.

    Raises:
        UserError: It has several models.
    """
    models = choose_models(benchmark, choose_task(benchmark, registry))
    if len(models) > 1:
        message = f"--checkpoint {path}: the benchmark has {len(models)} models, and the flag is for one"
        entry = f"{{name: {models[0].name}, checkpoint: {path}}}"
        raise UserError(message, f"Say it in the benchmark file: models: [{entry}, ...]")
    given = models[0].model_copy(update={"checkpoint": path})
    return benchmark.model_copy(update={"models": (given,)}).with_paths_below(Path.cwd())


def trusted_checkpoints(benchmark: Benchmark, paths: Iterable[Path]) -> frozenset[Path]:
    """Returns those of the benchmark's files of weights, backbones' included, that `paths` name, as it writes them.

    Raises:
        UserError: A path is none of them.
    """
    used = [path for model in benchmark.models if (path := _weights_of(model)) is not None]
    trusted: set[Path] = set()
    for path in paths:
        same = {checkpoint for checkpoint in used if checkpoint.resolve() == path.expanduser().resolve()}
        if not same:
            message = f"--trust-checkpoint {path}: no model of the benchmark uses it"
            raise UserError(message, f"It uses {', '.join(map(str, used)) or 'no checkpoint; see --checkpoint'}.")
        trusted |= same
    return frozenset(trusted)


def _weights_of(model: ModelChoice) -> Path | None:
    """Returns the file of weights that the model's first stage reads: a given baseline needs no backbone."""
    backbone = model.options.get(BACKBONE)
    return model.checkpoint or (Path(str(backbone)) if backbone else None)
