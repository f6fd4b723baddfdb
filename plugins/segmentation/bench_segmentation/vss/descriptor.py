"""The report format `vss`, without torch."""

from __future__ import annotations

from harness.registry.descriptors import ReportFormatDescriptor

VSS = ReportFormatDescriptor(
    name="vss",
    summary="benchmark_summary.json and a report.json of each experiment, as the VSS pruning benchmark writes them.",
    implementation="bench_segmentation.vss.report:VSSReport",
)
