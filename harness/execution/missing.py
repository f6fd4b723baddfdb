"""Why values of a record are null."""

from __future__ import annotations

from collections.abc import Iterator

from harness.store.comparison import NO_ORACLE
from harness.store.earlier_records import CONVOLUTIONS_NOT_COUNTED, LABELS_NOT_NOTED
from harness.store.record import CellRecord, StepResult

_STATUS_REASONS = {
    "interrupted": "the run was interrupted",
    "never_run": "the cell has not been run",
}


def missing_reasons(record: CellRecord) -> dict[str, str]:
    """Returns a reason for every null of a record, by its path, e.g. `"steps.1.metrics.mIoU"`.

    Not for `failure` and `failed_stage`, which are null where nothing failed, nor inside `stages` and `checks`,
    where a stage's kind and state say why it has no figures.
    """
    parts = (_of_setting, _of_labels, _of_models, _of_figures, _of_reductions, _of_comparison)
    return dict(pair for part in parts for pair in part(record))


def _of_setting(record: CellRecord) -> Iterator[tuple[str, str]]:
    if record.setting is None:
        yield "setting", f"{record.method} has no setting"
    for name in ("ratio", "ratio_of"):
        if getattr(record, name) is None:
            yield name, f"the setting of {record.method} is not a ratio"


def _of_labels(record: CellRecord) -> Iterator[tuple[str, str]]:
    if record.labels is None:
        evaluated = record.baseline is not None and record.baseline.metrics is not None
        yield "labels", LABELS_NOT_NOTED if evaluated else _unfinished(record)
    elif record.labels.ignore_index is None:
        yield "labels.ignore_index", "every label of the data set is a class"


def _of_models(record: CellRecord) -> Iterator[tuple[str, str]]:
    models = [("baseline", record.baseline)] if record.baseline else []
    for path, step in [*models, *((f"steps.{index}", step) for index, step in enumerate(record.steps))]:
        for name in StepResult.model_fields:
            if getattr(step, name) is None:
                yield f"{path}.{name}", _unfinished(record)
        if step.size is not None and step.size.convolutions is None:
            yield f"{path}.size.convolutions", CONVOLUTIONS_NOT_COUNTED
        for metric, value in (step.metrics or {}).items():
            if value is None:
                yield f"{path}.metrics.{metric}", "not defined by the evaluator"


def _of_figures(record: CellRecord) -> Iterator[tuple[str, str]]:
    kinds = {step.kind for step in record.steps}
    undefined = f"{record.primary_metric} is not defined by the evaluator"
    for name in ("before_recovery", "after_recovery", "retention", "delta"):
        if getattr(record, name) is not None:
            continue
        if name == "after_recovery" and "recover" not in kinds:
            yield name, "the pipeline has no recovery"
        elif name == "before_recovery" and "compress" not in kinds:
            yield name, "the pipeline has no compressor"
        elif name == "retention" and record.metric_info[record.primary_metric].unit == "dB":
            yield name, "a ratio of decibels means nothing"
        elif name == "retention" and record.delta is not None:
            yield name, f"a ratio to a {record.primary_metric} of 0 is not defined"
        else:
            yield name, undefined if record.status == "complete" else _unfinished(record)
    for name in ("latency", "seconds"):
        if getattr(record, name) is None:
            yield name, _unfinished(record)


def _of_reductions(record: CellRecord) -> Iterator[tuple[str, str]]:
    if record.achieved.channels is None:
        complete = record.status == "complete"
        yield "achieved.channels", "the pipeline removes no channels" if complete else _unfinished(record)
    for name in ("params", "macs"):
        if getattr(record.achieved, name) is None:
            yield f"achieved.{name}", _unfinished(record)
    if record.target is None:
        if record.ratio is None:
            yield "target", f"the setting of {record.method} is not a ratio"
        elif record.status == "complete":
            yield "target", "the pipeline has several compressors, or removes nothing that its ratio is about"
        else:
            yield "target", _unfinished(record)


def _of_comparison(record: CellRecord) -> Iterator[tuple[str, str]]:
    found = record.comparison
    if found is None:
        asked = any(stage.kind == "compare" for stage in record.stages)
        yield "comparison", _unfinished(record) if asked else NO_ORACLE
        return
    if found.reconstruction_mse is None:
        yield "comparison.reconstruction_mse", "the outputs are not finite"
    for index, layer in enumerate(found.layers):
        path = f"comparison.layers.{index}"
        if layer.method is None:
            yield f"{path}.method", layer.method_missing
        if layer.l1 is None:
            yield f"{path}.l1", f"{found.metric} is not defined without any of the channels"
        for name, ranking in (("method", layer.method), ("l1", layer.l1)):
            if ranking is not None and ranking.correlation is None:
                yield f"{path}.{name}.correlation", "the scores, or what the oracle says, are all the same"


def _unfinished(record: CellRecord) -> str:
    if record.status == "interrupted" and not any(stage.state == "interrupted" for stage in record.stages):
        return "the cell has not been run to its end"
    return _STATUS_REASONS.get(record.status, f"stage {record.failed_stage!r} failed")
