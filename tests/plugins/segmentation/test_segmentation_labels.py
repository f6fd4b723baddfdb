"""What mmseg cannot take is said of the first batch, by sample, with what was found and what was expected."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

FIRST, SECOND = (f"sample {position} of the first batch" for position in (0, 1))


def make_batch(images=((3, 32, 32),) * 2, labels=((1, 32, 32),) * 2, **metainfo):
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(shape, dtype=torch.int64)), metainfo=metainfo)
        for shape in labels
    ]
    return {"inputs": [torch.zeros(shape, dtype=torch.uint8) for shape in images], "data_samples": samples}


def problem(task, meta, batch, training=True):
    return task.batch_problem(batch, meta, training=training)


def labelled(*values):
    batch = make_batch(img_path="a.png")
    batch["data_samples"][1].gt_sem_seg.data[0, 0, : len(values)] = torch.tensor(values)
    return batch


@pytest.mark.parametrize("training", [True, False])
def test_the_digit_scenes_are_as_they_should_be(task, meta, batch, training):
    assert problem(task, meta, batch, training) == ""
    assert problem(task, meta, labelled(0, 10, 255), training) == ""


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([1, 2], "a batch is list; expected a mapping with inputs and data_samples"),
        ({"image": 1}, "a batch is a mapping of image; expected"),
        ({"inputs": [], "data_samples": []}, "a batch has 0 inputs and 0 data_samples; expected"),
        (make_batch(labels=[(1, 32, 32)]), "a batch has 2 inputs and 1 data_samples"),
        (make_batch([(3, 32, 32), (1, 32, 32)]),
         f"{SECOND}: its image is [1, 32, 32]; expected [3, H, W]"),
        (make_batch([(32, 32), (3, 32, 32)]), f"{FIRST}: its image is [32, 32]; expected [3, H, W]"),
        ({"inputs": ["x"], "data_samples": [None]}, f"{FIRST}: its image is str; expected"),
        (make_batch(labels=[(1, 32, 32), (1, 30, 32)], img_path="b/a.png"),
         f"{SECOND} (img_path b/a.png): its label map is [1, 30, 32]; expected [1, 32, 32], the size of its image"),
        (make_batch(labels=[(1, 32, 32), (3, 32, 32)]),
         f"{SECOND}: its label map is [3, 32, 32]; expected"),
        (labelled(255, 11, 3, -1, 11),
         f"{SECOND} (img_path a.png): its label map holds -1, 11; expected 0..10 or 255, of 11 classes"),
        (labelled(*range(11, 21)), "holds 11, 12, 13, 14, 15, ...; expected"),
        (make_batch([(3, 32, 32), (3, 40, 32)], [(1, 32, 32), (1, 40, 32)]),
         f"{SECOND}: its image is [3, 40, 32], that of sample 0 [3, 32, 32]; expected one size in a batch"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(task, meta, batch, expected):
    assert expected in problem(task, meta, batch)


def test_labels_are_expected_and_of_whole_numbers(task, meta):
    batch = make_batch()
    del batch["data_samples"][0].gt_sem_seg
    assert problem(task, meta, batch) == "sample 0 of the first batch: it has no label map; expected gt_sem_seg"
    for dtype, said in ((torch.float32, "float32"), (torch.bool, "bool"), (torch.uint8, "uint8")):
        batch = make_batch()
        batch["data_samples"][0].gt_sem_seg = PixelData(data=torch.zeros((1, 32, 32), dtype=dtype))
        assert f"its label map is {said}; expected int64" in problem(task, meta, batch)
    assert problem(task, meta, batch, training=False) == "", "a metric takes whole numbers of any width"
    batch["data_samples"][0].gt_sem_seg.data[0, 0, 0] = 156
    no_ignored_label = replace(meta, ignore_index=None)
    assert "holds 156; expected 0..10, of 11" in problem(task, no_ignored_label, batch, training=False)


def test_images_are_finite_numbers(task, meta):
    batch = make_batch()
    batch["inputs"][1] = torch.full((3, 32, 32), torch.nan)
    assert problem(task, meta, batch) == "sample 1 of the first batch: its image is not finite; expected 0..255"
    batch["inputs"][1] = torch.zeros((3, 32, 32), dtype=torch.bool)
    assert "its image is bool; expected uint8 or floating point" in problem(task, meta, batch)


def test_smaller_images_are_padded_in_training_only(task, meta):
    batch = make_batch([(3, 32, 32), (3, 20, 32)], [(1, 32, 32), (1, 20, 32)])
    assert problem(task, meta, batch) == ""
    assert "expected one size in a batch" in problem(task, meta, batch, training=False)


def test_evaluation_compares_at_the_original_size(task, meta):
    batch = make_batch(labels=[(1, 60, 50)] * 2, ori_shape=(60, 50))
    assert problem(task, meta, batch, training=False) == ""
    assert "its label map is [1, 60, 50]; expected [1, 32, 32]" in problem(task, meta, batch)
    smaller = make_batch(ori_shape=(60, 50))
    assert "its label map is [1, 32, 32]; expected [1, 60, 50], its ori_shape" in problem(task, meta, smaller, False)
