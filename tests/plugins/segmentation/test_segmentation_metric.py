from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

from bench_segmentation.descriptors import SEGMENTATION, ResidualFCNOptions
from bench_segmentation.metrics.segmentation_metric import SegmentationMetric
from bench_segmentation.models.residual_fcn import ResidualFCN
from harness.registry.dataset import LoaderRequest


def confusion_figures(labels, predictions, classes, ignored):
    """Figures from a confusion matrix [label, prediction], independent of mmseg."""
    kept = labels != ignored
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(matrix, (labels[kept], predictions[kept]), 1)
    hits, label_area, predicted_area = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    with np.errstate(invalid="ignore"):
        iou = hits / (label_area + predicted_area - hits)
        accuracy = hits / label_area
        dice = 2 * hits / (label_area + predicted_area)
    return {
        "mIoU": np.nanmean(iou),
        "foreground_mIoU": np.nanmean(iou[1:]),
        "mean_accuracy": np.nanmean(accuracy),
        "pixel_accuracy": hits.sum() / matrix.sum(),
        "fwIoU": np.nansum(label_area / matrix.sum() * iou),
        "mean_dice": np.nanmean(dice),
        **{f"IoU.{name}": value for name, value in zip(classes, iou, strict=True)},
        **{f"accuracy.{name}": value for name, value in zip(classes, accuracy, strict=True)},
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
    expected = confusion_figures(np.concatenate(labels), np.concatenate(predictions), meta.classes, meta.ignore_index)
    assert len(labels) == 6
    assert len(np.unique(np.concatenate(predictions))) > 3
    names = {metric.name for metric in SEGMENTATION.metrics}
    of_classes = {f"{figure}.{name}" for figure in ("IoU", "accuracy", "boundary_f") for name in meta.classes}
    assert set(figures) == names | of_classes
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-6, nan_ok=True)


def samples(labels, predictions):
    """One image a row."""
    made = []
    for label, prediction in zip(labels, predictions, strict=True):
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.tensor(label)[None])
        sample.pred_sem_seg = PixelData(data=torch.tensor(prediction)[None])
        made.append(sample.to_dict())
    return made


def evaluated(metric, batches, classes=("background", "one", "two")):
    metric.dataset_meta = {"classes": classes}
    for labels, predictions in batches:
        metric.process({}, samples(labels, predictions))
    return metric.compute_metrics(metric.results)


def figures_of(batches, background=0, **arguments):
    return evaluated(SegmentationMetric(background=background, iou_metrics=["mIoU"], **arguments), batches)


def test_an_absent_class_is_left_out_and_an_ignored_pixel_counts_nowhere():
    figures = figures_of([([[[0, 0, 0, 1, 255]]], [[[0, 0, 1, 1, 0]]])])
    assert figures["mIoU"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    assert figures["foreground_mIoU"] == pytest.approx(50.0)
    assert figures["mAcc"] == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert figures["aAcc"] == pytest.approx(75.0)
    assert figures["fwIoU"] == pytest.approx(100 * (3 / 4 * 2 / 3 + 1 / 4 * 1 / 2))
    assert figures["mDice"] == pytest.approx(100 * (4 / 5 + 2 / 3) / 2)
    assert figures["IoU.one"] == pytest.approx(50.0)
    assert np.isnan(figures["IoU.two"])


def test_no_foreground_at_all_is_not_a_number():
    figures = figures_of([([[[0, 0]]], [[[0, 0]]])])
    assert figures["mIoU"] == 100.0
    assert np.isnan(figures["foreground_mIoU"])
    assert np.isnan(figures["boundary_f"])


def test_nothing_but_ignored_pixels_has_no_figures_but_those_that_make_absent_classes_count():
    figures = figures_of([([[[255, 255]]], [[[0, 1]]])])
    defined = {name: value for name, value in figures.items() if not np.isnan(value)}
    assert defined == {
        "mIoU_dataset_eps": 0.0,
        "mean_accuracy_dataset_eps": 0.0,
        "mIoU_batch_absent1": 100.0,
        "mean_dice_batch_absent1": 100.0,
        "mIoU_image_absent0": 0.0,
    }


def test_without_a_background_everything_is_foreground():
    figures = figures_of([([[[0, 1, 2]]], [[[0, 1, 1]]])], background=None)
    assert figures["foreground_mIoU"] == figures["mIoU"] == pytest.approx(100 * (1 + 1 / 2 + 0) / 3)


@pytest.mark.parametrize("seed", range(3))
def test_equals_mmsegs_metric_on_the_same_predictions(seed):
    random = np.random.default_rng(seed)
    classes = tuple("abcdef")
    label, prediction = random.integers(0, 5, (2, 4, 9, 7)), random.integers(0, 6, (2, 4, 9, 7))
    label[random.random(label.shape) < 0.1] = 255
    batches = list(zip(label, prediction, strict=True))
    ours = evaluated(SegmentationMetric(iou_metrics=["mIoU"]), batches, classes)
    theirs = evaluated(IoUMetric(iou_metrics=["mIoU", "mDice"]), batches, classes)
    assert theirs == {name: pytest.approx(ours[name], abs=0.00501) for name in ("aAcc", "mIoU", "mAcc", "mDice")}


def test_batches_are_told_apart():
    """Two batches of two images or one of four: the data set is the same, the means over batches are not."""
    label, prediction = [[[0, 1]], [[1, 1]], [[0, 0]], [[0, 2]]], [[[0, 1]], [[1, 0]], [[0, 1]], [[2, 2]]]
    two = figures_of([(label[:2], prediction[:2]), (label[2:], prediction[2:])])
    one = figures_of([(label, prediction)])
    assert two["mIoU"] == one["mIoU"]
    assert two["mIoU_batch_absent1"] == pytest.approx(100 * ((1 / 2 + 2 / 3 + 1) / 3 + (1 / 3 + 0 + 1 / 2) / 3) / 2)
    assert one["mIoU_batch_absent1"] == pytest.approx(one["mIoU"])


def test_metrics_are_read_from_several_processes_batches(monkeypatch):
    from bench_segmentation.metrics import segmentation_metric

    metric = SegmentationMetric(iou_metrics=["mIoU"])
    monkeypatch.setattr(segmentation_metric, "get_rank", lambda: 3)
    evaluated(metric, [([[[0, 1]]], [[[0, 1]]]), ([[[0, 1]]], [[[0, 1]]])])
    assert [result.batch for result in metric.results] == [(3, 0), (3, 1)]


def test_without_boundaries_all_other_figures_are_the_same(task, meta):
    rng = np.random.default_rng(0)
    labels, predictions = (rng.integers(0, len(meta.classes), (2, 16, 16)) for _ in range(2))
    samples = [
        {"pred_sem_seg": {"data": torch.from_numpy(made)[None]}, "gt_sem_seg": {"data": torch.from_numpy(true)[None]}}
        for made, true in zip(predictions, labels, strict=True)
    ]

    def figures(config):
        metric = SegmentationMetric(**{key: value for key, value in config.items() if key != "type"})
        metric.dataset_meta = {"classes": meta.classes}
        metric.process({}, samples)
        return task.metrics(metric.compute_metrics(metric.results), meta)

    whole, light = figures(task.evaluator(meta)), figures(task.evaluator_of(meta, "mIoU"))
    left_out = {key for key in whole if key.startswith("boundary_f")}
    assert len(left_out) == 1 + len(meta.classes)
    assert light == {key: value for key, value in whole.items() if key not in left_out}
    asked = figures(task.evaluator_of(meta, "boundary_f"))
    assert asked["boundary_f"] == whole["boundary_f"] > 0
