from collections import Counter

import numpy as np
import pytest
from mmengine.runner import Runner

from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.loading import FolderDataset
from harness.errors import DataError
from harness.registry.dataset import LoaderRequest

PLAIN = {"flip": 0.0, "rotation": 0.0, "blur": 0.0}


def samples(options, count=None, **request):
    """Returns the images and data samples that a loader yields."""
    loader = Runner.build_dataloader(FolderDataset(options=options).loader(LoaderRequest(**request)))
    images, found = [], []
    for batch in loader:
        images += batch["inputs"]
        found += batch["data_samples"]
        if count is not None and len(found) >= count:
            break
    return images, found


def stems(found):
    return [sample.img_path.rpartition("/")[2] for sample in found]


def test_each_pass_of_a_training_has_every_sample_once_in_an_order_of_its_own(written):
    options = written("camvid", samples=5, height=18, width=24)
    request = {"split": "train", "batch_size": 5, "shuffle": True, "iterations": 3}
    first = stems(samples(options, 15, seed=0, **request)[1])
    other = stems(samples(options, 15, seed=1, **request)[1])
    passes = [first[start : start + 5] for start in (0, 5, 10)]
    assert all(len(set(names)) == 5 for names in passes)
    assert len({tuple(names) for names in passes}) > 1
    assert first != other


def test_augmentation_differs_from_pass_to_pass_and_leaves_numpy_alone(written):
    options = written("camvid", samples=1, height=18, width=24, rotation=20)
    config = FolderDataset(options=options).loader(
        LoaderRequest(split="train", batch_size=1, shuffle=True, iterations=3)
    )["dataset"]
    drawn = config.pop("type")(**config)
    np.random.seed(7)
    expected = np.random.random(2)
    np.random.seed(7)
    values = [np.random.random()]
    images = [drawn[index]["inputs"].numpy().tobytes() for index in (0, 1, 2, 1)]
    values.append(np.random.random())
    assert len(set(images)) == 3
    assert images[1] == images[3]
    np.testing.assert_array_equal(values, expected)


def test_one_pass_is_in_order_and_a_part_of_it_is_spread_evenly(written):
    options = written("camvid", samples=9, height=18, width=24)
    whole = stems(samples(options, split="val", batch_size=4)[1])
    assert whole == sorted(whole)
    assert len(whole) == 9
    assert stems(samples(options, split="val", batch_size=4, samples=3)[1]) == [whole[0], whole[3], whole[6]]
    assert stems(samples(options, split="train", batch_size=4, samples=99)[1]) == whole


@pytest.mark.parametrize(
    ("evaluate_at", "image", "labels"),
    [
        ("input", (24, 30), (24, 30)),
        ("label_size", (24, 30), (75, 100)),
        ("whole_image", (75, 100), (75, 100)),
    ],
)
def test_predictions_are_compared_where_the_option_says(evaluate_at, image, labels, written):
    options = written("voc", samples=1, height=24, width=30, evaluate_at=evaluate_at)
    (pixels,), (sample,) = samples(options, split="val", batch_size=1)
    assert tuple(pixels.shape) == (3, *image)
    assert tuple(sample.gt_sem_seg.data.shape) == (1, *labels)
    assert tuple(sample.ori_shape) == labels
    (pixels,), (sample,) = samples(options, split="train", batch_size=1)
    assert tuple(pixels.shape[1:]) == tuple(sample.gt_sem_seg.data.shape[1:]) == (24, 30)


def test_samples_are_what_the_files_hold(written):
    options = written("camvid", samples=1, height=72, width=96)
    pair = open_folder(options).pairs("val")[0]
    (image,), (sample,) = samples(options, split="val", batch_size=1)
    from PIL import Image

    assert np.array_equal(image.numpy()[::-1].transpose(1, 2, 0), np.asarray(Image.open(pair.image)))
    expected = open_folder(options).table.read(pair.labels)
    assert np.array_equal(sample.gt_sem_seg.data[0].numpy(), expected)


def test_corners_of_a_rotation_are_ignored_or_of_class_0(written):
    def labels(**options):
        drawn = written("wildscenes", samples=3, folder=str(options), height=32, width=32, **{**PLAIN, **options})
        _, found = samples(drawn, 3, split="train", batch_size=3, shuffle=True, iterations=1)
        return Counter(value for sample in found for value in sample.gt_sem_seg.data.flatten().tolist())

    still, turned, seed = labels(), labels(rotation=45), labels(rotation=45, rotation_label="class_0")
    assert turned[255] > still[255] + 100
    assert seed[0] - turned[0] == turned[255] - seed[255] > 100


def test_a_random_window_has_the_input_size_or_is_padded_later(written):
    options = written("voc", samples=3, height=40, width=48, crop_scale=(0.5, 2.0), evaluate_at="whole_image", **PLAIN)
    images, found = samples(options, 24, split="train", batch_size=3, shuffle=True, iterations=8)
    shapes = {tuple(image.shape[1:]) for image in images}
    assert (40, 48) in shapes
    assert all(height <= 40 and width <= 48 for height, width in shapes)
    assert all(sample.gt_sem_seg.shape == image.shape[1:] for image, sample in zip(images, found, strict=True))


def test_bad_requests_name_what_is_wrong(written):
    dataset = FolderDataset(options=written("cityscapes", samples=1))
    with pytest.raises(DataError, match="no test split"):
        dataset.loader(LoaderRequest(split="test", batch_size=1))
    with pytest.raises(DataError, match="number of iterations"):
        dataset.loader(LoaderRequest(split="train", batch_size=1, shuffle=True))


def test_facts_are_those_of_the_folder(written):
    meta = FolderDataset(options=written("camvid", samples=1, classes=12)).meta()
    assert (len(meta.classes), meta.ignore_index, meta.report_split) == (12, 11, "test")
    assert meta.input_size == (360, 480)
    meta = FolderDataset(options=written("wildscenes", samples=1, folder="w", labels="seed")).meta()
    assert (len(meta.classes), meta.ignore_index, meta.input_size) == (17, 255, (256, 256))
    meta = FolderDataset(options=written("cityscapes", samples=1, folder="c")).meta()
    assert (meta.report_split, meta.input_size) == ("val", (512, 1024))


@pytest.mark.parametrize("classes", [11, 12])
def test_tasks_can_read_both_forms_of_camvid(classes, written):
    from bench_segmentation.labels import label_problem

    dataset = FolderDataset(options=written("camvid", samples=2, height=36, width=48, rotation=30, classes=classes))
    request = LoaderRequest(split="train", batch_size=2, shuffle=True, iterations=1)
    batch = next(iter(Runner.build_dataloader(dataset.loader(request))))
    assert label_problem(batch, dataset.meta(), training=True) == ""
    values = {value for sample in batch["data_samples"] for value in sample.gt_sem_seg.data.flatten().tolist()}
    assert dataset.meta().ignore_index in values
