import subprocess
import sys
from pathlib import Path

from bench_pruning import descriptors


def test_descriptors_do_not_import_torch():
    modules = sorted(path.stem for path in Path(descriptors.__path__[0]).glob("[!_]*.py"))
    assert {"common", "norms", "fgp", "dmcp"} <= set(modules)
    imports = ", ".join(f"bench_pruning.descriptors.{module}" for module in modules)
    code = f"import sys, {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
