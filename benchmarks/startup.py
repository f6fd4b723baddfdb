"""CPU seconds of `bench --help`, over an empty Python and over Typer's smallest program."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

_RUNS = 11
_PROGRAMS = {
    "empty python": "pass",
    "typer alone": "import typer; a = typer.Typer(); a.command()(lambda: None); a(['--help'])",
    "bench --help": "import sys; sys.argv = ['bench', '--help']; from harness.cli import main; main()",
    "bench list": "import sys; sys.argv = ['bench', 'list']; from harness.cli import main; main()",
}


def main() -> None:
    """Prints the median of each program's user + system time."""
    seconds = {name: statistics.median(_cpu(code) for _ in range(_RUNS)) for name, code in _PROGRAMS.items()}
    for name, figure in seconds.items():
        print(f"{name:13s} {figure:.3f} CPU s   x{figure / seconds['empty python']:.1f} of an empty Python")


def _cpu(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
