from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from bench_segmentation.descriptors import SEGMENTATION, ResidualFCNOptions
from bench_segmentation.metric import ForegroundIoUMetric
from bench_segmentation.models.residual_fcn import ResidualFCN
from harness.registry.dataset import LoaderRequest


def confusion_figures(labels, predictions, classes, ignored):
    """Figures from a confusion matrix [label, prediction], independent of mmseg."""
    kept = labels != ignored
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (labels[kept], predictions[kept]), 1)
    hits, label_area, predicted_area = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    with np.errstate(invalid="ignore"):
        iou = hits / (label_area + predicted_area - hits)
        accuracy = hits / label_area
    return {
        "mIoU": np.nanmean(iou),
        "foreground_mIoU": np.nanmean(iou[1:]),
        "mean_accuracy": np.nanmean(accuracy),
        "pixel_accuracy": hits.sum() / matrix.sum(),
    }


def test_test_loop_agrees_with_a_confusion_matrix(task, digits, meta, tmp_path):
    torch.manual_seed(0)
    model = task.build(ResidualFCN(options=ResidualFCNOptions(base_channels=4)).config(meta))
    # Fresh heads predict one class; large random weights make every class occur.
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    loader = digits.loader(LoaderRequest(split="test", batch_size=4))
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        test_dataloader=loader,
        test_cfg={"type": "TestLoop"},
        test_evaluator=task.evaluator(meta),
        default_hooks={"checkpoint": None},
        default_scope="mmseg",
        experiment_name="metric",
        log_level="ERROR",
    )
    figures = task.metrics(runner.test(), meta)

    labels, predictions = [], []
    with torch.no_grad():
        for batch in Runner.build_dataloader(loader):
            logits = task.predict(model, model.data_preprocessor(batch, False)["inputs"])
            predictions.append(logits.argmax(1).numpy())
            labels += [sample.gt_sem_seg.data.numpy() for sample in batch["data_samples"]]
    expected = confusion_figures(
        np.concatenate(labels), np.concatenate(predictions), len(meta.classes), meta.ignore_index
    )
    assert len(labels) == 6
    assert len(np.unique(np.concatenate(predictions))) > 3
    assert set(figures) == {metric.name for metric in SEGMENTATION.metrics}
    assert figures == pytest.approx(expected, abs=1e-6)


def areas(labels, predictions, classes=3):
    return [
        ForegroundIoUMetric.intersect_and_union(
            torch.tensor(predictions), torch.tensor(labels), classes, ignore_index=255
        )
    ]


def metric(background):
    made = ForegroundIoUMetric(background=background, iou_metrics=["mIoU"])
    made.dataset_meta = {"classes": ("background", "one", "two")}
    return made


def test_an_absent_class_is_left_out_and_an_ignored_pixel_counts_nowhere():
    figures = metric(0).compute_metrics(areas([0, 0, 0, 1, 255], [0, 0, 1, 1, 0]))
    assert figures["mIoU"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    assert figures["foreground_mIoU"] == pytest.approx(50.0)
    assert figures["mAcc"] == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert figures["aAcc"] == pytest.approx(75.0)


def test_no_foreground_at_all_is_not_a_number():
    figures = metric(0).compute_metrics(areas([0, 0], [0, 0]))
    assert figures["mIoU"] == 100.0
    assert np.isnan(figures["foreground_mIoU"])


def test_without_a_background_everything_is_foreground():
    figures = metric(None).compute_metrics(areas([0, 1, 2], [0, 1, 1]))
    assert figures["foreground_mIoU"] == figures["mIoU"] == pytest.approx(100 * (1 + 1 / 2 + 0) / 3)
