from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from bench_segmentation.datasets.descriptors import ADE20K, CAMVID, CITYSCAPES, VOC, WILDSCENES
from bench_segmentation.descriptors import ResidualFCNOptions
from bench_segmentation.models.residual_fcn import ResidualFCN
from bench_segmentation.painting import (
    AGREED,
    BROKEN,
    CHANGED,
    IGNORED,
    MENDED,
    coloured,
    disagreement,
    paint,
    resized,
)
from bench_segmentation.palette import colours_of
from harness.registry.dataset import DatasetMeta

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
META = DatasetMeta(
    splits=("val",), input_size=(2, 3), mean=(0, 0, 0), std=(1, 1, 1), classes=("red", "green", "blue"),
    palette=(RED, GREEN, BLUE), ignore_index=255,
)  # fmt: skip

LABEL = np.array([[0, 0, 1], [1, 2, 255]])
FIRST = np.array([[0, 0, 0], [1, 0, 0]])
SECOND = np.array([[0, 1, 1], [1, 1, 1]])


class Painter(torch.nn.Module):
    """Predicts what it is told, and notes in the samples, as mmseg's networks do."""

    def __init__(self, prediction):
        super().__init__()
        self.prediction = prediction

    def test_step(self, batch):
        for sample in batch["data_samples"]:
            assert "pred_sem_seg" not in sample
            sample.pred_sem_seg = PixelData(data=torch.from_numpy(self.prediction)[None])
        return batch["data_samples"]


def batch_of(image, label, **metainfo):
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.from_numpy(label)[None]), metainfo=metainfo)
    return {"inputs": [torch.from_numpy(image)], "data_samples": [sample]}


def test_labels_have_their_classes_colours_and_ignored_pixels_a_neutral_one():
    painted = coloured(LABEL, META)
    assert painted.dtype == np.uint8
    assert painted.tolist() == [
        [list(RED), list(RED), list(GREEN)], [list(GREEN), list(BLUE), list(IGNORED.colour)],
    ]  # fmt: skip


@pytest.mark.parametrize("descriptor", [ADE20K, CAMVID, CITYSCAPES, VOC, WILDSCENES], ids=lambda found: found.name)
def test_no_class_has_the_colour_of_ignored_pixels(descriptor, tmp_path):
    from bench_segmentation.datasets.listing import open_folder

    layout = {"layout": "index"} if descriptor.name == "camvid" else {}  # it looks for itself in an empty folder
    folder = open_folder(descriptor.options(root=tmp_path, **layout))
    distances = np.abs(np.array(folder.palette) - np.array(IGNORED.colour)).max(axis=1)
    assert distances.min() > 10


def test_classes_without_a_palette_get_colours_of_their_own():
    classes = tuple(f"class {number}" for number in range(150))
    bare = replace(META, classes=classes, palette=())
    colours = np.array(colours_of(bare))
    assert len({tuple(colour) for colour in colours.tolist()}) == len(classes)
    assert np.abs(colours - np.array(IGNORED.colour)).max(axis=1).min() > 100
    assert colours_of(replace(META, palette=(RED,)))[0] == RED
    batch = batch_of(np.zeros((3, 2, 3), dtype=np.uint8), LABEL)
    (picture,) = paint({"model": Painter(FIRST)}, batch, replace(META, palette=()))
    shown = {swatch.label: list(swatch.colour) for swatch in picture.legend}
    assert picture.panels[1].pixels[1].tolist() == [shown["green"], shown["blue"], shown["ignored"]]


def test_an_ignored_label_that_is_a_class_is_ignored_in_the_label_and_painted_in_predictions():
    meta = replace(META, ignore_index=2)  # as CamVid with 12 classes
    label = np.array([[0, 0, 1], [1, 2, 2]])
    (picture,) = paint({"model": Painter(label)}, batch_of(np.zeros((3, 2, 3), np.uint8), label), meta)
    assert picture.panels[1].pixels[1].tolist() == [list(GREEN), list(IGNORED.colour), list(IGNORED.colour)]
    assert picture.panels[2].pixels[1].tolist() == [list(GREEN), list(BLUE), list(BLUE)]
    assert [swatch.label for swatch in picture.legend] == ["red", "green", "blue", "ignored"]
    (alone,) = paint({"model": Painter(label % 2)}, batch_of(np.zeros((3, 2, 3), np.uint8), label), meta)
    assert [swatch.label for swatch in alone.legend] == ["red", "green", "ignored"]


def test_each_kind_of_difference_has_its_colour_and_agreement_shows_the_image():
    image = np.full((2, 3, 3), 100, dtype=np.uint8)
    painted = disagreement(image, LABEL, FIRST, SECOND, META)
    dimmed, dark = [55] * 3, [20] * 3
    assert painted.tolist() == [
        [dimmed, list(BROKEN.colour), list(MENDED.colour)], [dimmed, list(CHANGED.colour), dark],
    ]  # fmt: skip
    everywhere = disagreement(image, LABEL, FIRST, SECOND, replace(META, ignore_index=None))
    assert everywhere[1, 2].tolist() == dark  # no class either


def test_resizing_takes_the_nearest_pixel():
    assert resized(np.array([[1, 2], [3, 4]]), (4, 2)).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert resized(np.arange(16).reshape(4, 4), (2, 2)).tolist() == [[0, 2], [8, 10]]
    assert resized(np.zeros((2, 2, 3)), (1, 3)).shape == (1, 3, 3)


def test_a_picture_has_input_label_predictions_and_disagreement():
    image = np.zeros((3, 2, 3), dtype=np.uint8)
    image[0] = 50  # blue, in the order of OpenCV
    batch = batch_of(image, LABEL, img_path="/data/val/road_1.png")
    (picture,) = paint({"baseline": Painter(FIRST), "l1@0.5": Painter(SECOND)}, batch, META)
    assert picture.sample == "road_1.png"
    assert [panel.title for panel in picture.panels] == ["input", "label", "baseline", "l1@0.5", "disagreement"]
    assert picture.panels[0].pixels[0, 0].tolist() == [0, 0, 50]
    assert np.array_equal(picture.panels[1].pixels, coloured(LABEL, META))
    assert np.array_equal(picture.panels[3].pixels, coloured(SECOND, META))
    assert [panel.note for panel in picture.panels[2:]] == [
        "60.0% of pixels right", "60.0% of pixels right", "60.0% of pixels differ",
    ]  # fmt: skip
    assert picture.panels[4].key == (BROKEN, MENDED, CHANGED, AGREED)
    assert [swatch.label for swatch in picture.legend] == ["red", "green", "blue", "ignored"]


def test_the_batch_stays_as_it_is():
    batch = batch_of(np.zeros((3, 2, 3), dtype=np.uint8), LABEL)
    paint({"model": Painter(FIRST)}, batch, META)
    assert "pred_sem_seg" not in batch["data_samples"][0]


def test_one_model_disagrees_with_nobody_and_the_input_takes_the_labels_size():
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    label = np.zeros((4, 4), dtype=np.int64)
    (picture,) = paint({"model": Painter(label)}, batch_of(image, label), META)
    assert [panel.title for panel in picture.panels] == ["input", "label", "model"]
    assert {panel.pixels.shape for panel in picture.panels} == {(4, 4, 3)}
    assert picture.panels[0].pixels[0, :, 2].tolist() == [0, 0, 1, 1]
    assert [swatch.label for swatch in picture.legend] == ["red"]


def test_a_sample_without_a_single_label_has_no_figures():
    label = np.full((2, 3), 255)
    (picture,) = paint(
        {"a": Painter(FIRST), "b": Painter(SECOND)}, batch_of(np.zeros((3, 2, 3), np.uint8), label), META
    )
    assert [panel.note for panel in picture.panels[2:]] == [
        "none of pixels right", "none of pixels right", "none of pixels differ",
    ]  # fmt: skip


def test_predictions_are_those_of_the_evaluation(task, meta, digits, batch):
    torch.manual_seed(0)
    model = task.build(ResidualFCN(options=ResidualFCNOptions(base_channels=4), member="").config(meta)).eval()
    pictures = task.paint({"model": model}, batch, meta)
    with torch.inference_mode():
        expected = [sample.pred_sem_seg.data[0].numpy() for sample in model.test_step(batch)]
    assert len(pictures) == len(expected) == 4
    for picture, found in zip(pictures, expected, strict=True):
        assert np.array_equal(picture.panels[2].pixels, coloured(found, meta))


def test_a_task_that_does_not_paint_says_so():
    from harness.errors import UnsupportedOperationError
    from harness.registry import Task

    with pytest.raises(UnsupportedOperationError, match="SimpleNamespace paints no predictions"):
        Task.paint(SimpleNamespace(), {}, {}, META)
