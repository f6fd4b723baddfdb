"""Flags that `bench run` and `bench plan` share, and the benchmark that they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.spec.benchmark import Benchmark

BenchmarkFile = Annotated[
    Path | None,
    typer.Argument(metavar="[BENCHMARK.yaml]", help="Benchmark file; flags override it.", show_default=False),
]
Task = Annotated[str | None, typer.Option("--task", help="Task; default: that of the models, or the demo's.")]
Models = Annotated[str | None, typer.Option("--models", help="Models, e.g. residual_fcn,unet or mmseg::<zoo config>.")]
Datasets = Annotated[str | None, typer.Option("--datasets", help="Data sets, e.g. digits.")]
Methods = Annotated[str | None, typer.Option("--methods", help="Methods, e.g. fpgm,l1(allocation=global).")]
Ratios = Annotated[str | None, typer.Option("--ratios", help="Fractions to remove, e.g. 0.2,0.5.")]
RatioOf = Annotated[str | None, typer.Option("--ratio-of", help="Of what: channels, params or macs.")]
Precisions = Annotated[str | None, typer.Option("--precisions", help="Settings of quantization methods, e.g. int8.")]
Pipelines = Annotated[str | None, typer.Option("--pipelines", help="Whole pipelines, e.g. fpgm@0.5+none.")]
Controls = Annotated[
    str | None,
    typer.Option("--controls", help="Methods that the others must beat, e.g. random; default: what each names itself."),
]
NoControls = Annotated[bool, typer.Option("--no-controls", help="Only what is asked for, nothing to compare it with.")]
Protect = Annotated[
    list[str] | None,
    typer.Option(
        "--protect",
        metavar="PATTERN",
        help="Layers that keep all channels, with all below them, e.g. backbone.layer4; may be repeated.",
    ),
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Seeds, e.g. 0,1,2; every cell runs with each.")]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="seed|corrected",
        help="What the first code of a row did, or what it should have done.  [default: corrected]",
        show_default=False,
    ),
]
OracleSamples = Annotated[
    int | None,
    typer.Option(
        "--oracle-samples",
        min=0,
        metavar="N",
        help="Find out on N validation images what each channel is worth, and compare; 0: not.",
        show_default=False,
    ),
]
OracleLayers = Annotated[
    str | None,
    typer.Option(
        "--oracle-layers", metavar="LAYERS", help="Convolutions for that, e.g. backbone.conv1; default: the first one."
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any key of the benchmark file, e.g. recovery.iterations=50."),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="PATH",
        help="Weights of the one model's baseline, instead of its training: .pth, .safetensors or an artifact.",
        show_default=False,
    ),
]
TrustedCheckpoints = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust-checkpoint",
        metavar="PATH",
        help="A checkpoint in use that may be unpickled without restrictions, which can run any code.",
    ),
]
Visualizers = Annotated[
    list[str] | None,
    typer.Option(
        "--visualizer",
        metavar="NAME",
        help="Write the curves of trainings there too: tensorboard, local, mlflow, aim or wandb; may be repeated.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Results folder.  [default: results/<benchmark name>]", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Stages to run at once.")]
LoaderWorkers = Annotated[
    int,
    typer.Option(
        "--loader-workers", min=0, metavar="N", help="Processes that read samples for each stage; 0: its own."
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Where the data set lies: its option `root`.", show_default=False),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=1, help="Seconds a stage may take.", show_default="no limit")
]
FailFast = Annotated[
    bool,
    typer.Option("--fail-fast/--keep-going", help="Stop at the first failure, or run what it leaves."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N cells.")]
Skip = Annotated[
    bool,
    typer.Option("--skip-existing/--no-skip-existing", help="Keep complete stages, or run everything again."),
]
Retry = Annotated[
    str,
    typer.Option("--retry", help="What to try again: interrupted, none, all, or kinds of failure such as oom,timeout."),
]
Force = Annotated[
    str | None,
    typer.Option(
        "--force", metavar="STAGE|all", help="Stages to run again, with all that starts from them, e.g. measure."
    ),
]
Deterministic = Annotated[
    bool | None,
    typer.Option(
        "--deterministic/--no-deterministic",
        help="Bit-identical results: deterministic kernels, one thread a worker.",
        show_default=False,
    ),
]
Disable = Annotated[
    str | None,
    typer.Option("--disable", help="Plugins to switch off: a name, a distribution, or group:name."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_NAME = "adhoc"
"""What a benchmark without a file is called."""

_GRID = (
    "task", "models", "datasets", "methods", "ratios", "ratio_of", "precisions", "pipelines", "controls", "seeds",
    "protocol", "deterministic",
)  # fmt: skip


def grid_flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the flags that override a key of the benchmark file, by that key.

    Args:
        given: A command's arguments by name.

    Raises:
        UserError: Two flags contradict each other.
    """
    flags = {name: given[name] for name in _GRID}
    if given["no_controls"]:
        if given["controls"] is not None:
            message = f"--no-controls: --controls {given['controls']} asks for the opposite"
            raise UserError(message, "Give one of the two.")
        flags["controls"] = []
    patterns = given["protect"]
    layers = given["oracle_layers"]
    return {
        **flags,
        "protect": None if patterns is None else list(patterns_of(patterns)),
        "oracle.samples": given["oracle_samples"],
        "oracle.layers": None if layers is None else list(names_of(layers)),
    }


def make_benchmark(file: Path | None, flags: dict[str, Any], assignments: list[str] | None) -> Benchmark:
    """Returns the benchmark of a file and the flags over it.

    Args:
        file: The benchmark file, if one is named.
        flags: Values by benchmark key; `None` for a flag that was not given.
        assignments: `--set` texts.
    """
    from harness.cli.config_files import require_named
    from harness.spec.benchmark import Benchmark
    from harness.spec.benchmark_file import load_benchmark, override

    if file is None:
        return override(Benchmark(name=DEFAULT_NAME), flags, assignments or [])
    stated = load_benchmark(file)
    made = override(stated, flags, assignments or [])
    require_named(file, stated, made, keys_of_flags(flags, assignments))
    return made


def keys_of_flags(flags: Mapping[str, Any], assignments: list[str] | None) -> set[str]:
    """Returns the benchmark keys that flags and `--set` texts have set."""
    given = {key for key, value in flags.items() if value is not None}
    return given | {text.partition("=")[0].strip() for text in assignments or ()}


def results_folder(benchmark: Benchmark, out: Path | None) -> Path:
    """Returns the results folder: the named one, or the benchmark's own, never one with a time stamp."""
    from harness.store.slug import slug

    return out if out is not None else Path("results") / slug(benchmark.name or DEFAULT_NAME)


def check_device(text: str) -> None:
    """Looks whether `--device` can name a device; whether it exists here, only torch can tell.

    Raises:
        UserError: It cannot.
    """
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", text) is None:
        message = f"--device: {text!r} is not a device"
        raise UserError(message, "Write auto, cpu, cuda, or cuda:1 for the second GPU.")


def patterns_of(given: list[str] | None) -> tuple[str, ...]:
    """Returns the patterns of all `--protect` flags, each of which may list several."""
    return tuple(name for text in given or () for name in names_of(text))


def names_of(text: str | None) -> tuple[str, ...]:
    """Returns the names in a flag's comma list."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
