import subprocess
import sys
from pathlib import Path

import bench_pruning


def test_descriptors_do_not_import_torch():
    modules = sorted(path.stem for path in Path(bench_pruning.__path__[0]).glob("*descriptor*.py"))
    assert {"descriptors", "fgp_descriptor", "fpgm_descriptor"} <= set(modules)
    imports = ", ".join(f"bench_pruning.{module}" for module in modules)
    code = f"import sys, {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
