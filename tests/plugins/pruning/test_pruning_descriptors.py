import subprocess
import sys


def test_descriptors_do_not_import_torch():
    code = "import sys, bench_pruning.descriptors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
