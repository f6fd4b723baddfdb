"""Scripts that people have for the VSS benchmark read our summary: pandas over its results, a curve a method."""

import json
import os
import subprocess
import sys

from records import make_record

from harness.registry import discover
from harness.report.collection import collect_runs
from harness.report.files import write_files
from harness.store.layout import Layout
from harness.store.record import write_record

# As the guide plots it: x the ratio, y the retention, one line a method. It knows nothing of this project.
SNIPPET = """
import json
import matplotlib.pyplot as plt
import pandas as pd

with open("benchmark_summary.json") as f:
    summary = json.load(f)

df = pd.DataFrame(summary["results"])
for method in df["method"].unique():
    data = df[df["method"] == method].sort_values("ratio")
    plt.plot(data["ratio"], data["miou_retention"], marker="o", label=method)
plt.xlabel("Pruning Ratio")
plt.ylabel("mIoU Retention")
plt.legend()
plt.savefig("pruning_comparison.png")

lines = {line.get_label(): line.get_xydata().tolist() for line in plt.gca().get_lines()}
print(json.dumps({"lines": lines, "columns": [c for c in ("speedup_latency", "channel_reduction") if c in df]}))
"""


def test_the_guides_plot_is_drawn_from_our_summary(tmp_path):
    layout = Layout(tmp_path / "run")
    for method, better in (("fpgm", 0.03), ("l1", 0.0)):
        for ratio in (0.5, 0.2):
            record = make_record(f"{method}@{ratio}", ratio=ratio)
            pruned = record.steps[0].model_copy(update={"metrics": {"mIoU": 0.6 - ratio / 2 + better}})
            write_record(layout, record.model_copy(update={"steps": [pruned]}))
            for change in ({"protocol": "seed"}, {"seed": 1}):
                other = {"cell": f"{record.cell}__{change}", "steps": [pruned], **change}
                write_record(layout, record.model_copy(update=other))
    found = write_files(discover().report_format("vss"), collect_runs(layout.root), tmp_path / "vss")
    assert tmp_path / "vss" / "benchmark_summary.json" in found
    surroundings = {**os.environ, "MPLBACKEND": "agg", "MPLCONFIGDIR": str(tmp_path / "mpl")}
    run = subprocess.run(
        [sys.executable, "-c", SNIPPET], cwd=tmp_path / "vss", env=surroundings, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    drawn = json.loads(run.stdout.splitlines()[-1])
    results = json.loads((tmp_path / "vss" / "benchmark_summary.json").read_text())["results"]
    expected = {
        method: sorted([entry["ratio"], entry["miou_retention"]] for entry in results if entry["method"] == method)
        for method in ("fpgm", "l1")
    }
    assert [len(points) for points in drawn["lines"].values()] == [2, 2], "seeds and protocols are no further points"
    assert drawn == {"lines": expected, "columns": ["speedup_latency", "channel_reduction"]}
    assert [point[0] for point in drawn["lines"]["fpgm"]] == [0.2, 0.5]
    assert drawn["lines"]["fpgm"][0][1] > drawn["lines"]["l1"][0][1] > drawn["lines"]["l1"][1][1]
    assert (tmp_path / "vss" / "pruning_comparison.png").read_bytes().startswith(b"\x89PNG")
