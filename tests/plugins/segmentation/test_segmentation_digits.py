from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from bench_digits import SceneGenerator
from bench_segmentation.descriptors import DigitsOptions, ResidualFCNOptions
from bench_segmentation.digits import Digits
from bench_segmentation.models.residual_fcn import ResidualFCN
from harness.errors import DataError
from harness.registry.dataset import LoaderRequest


def scenes(digits, **request):
    """Returns the images and scene numbers that a loader yields."""
    loader = Runner.build_dataloader(digits.loader(LoaderRequest(**request)))
    images, numbers = [], []
    for batch in loader:
        images += batch["inputs"]
        numbers += [sample.img_id for sample in batch["data_samples"]]
        if request.get("shuffle") and len(numbers) >= request["iterations"] * request["batch_size"]:
            break
    return images, numbers


@pytest.mark.usefixtures("task")
def test_training_counts_scenes_and_repeats_none(digits):
    images, numbers = scenes(digits, split="train", batch_size=4, shuffle=True, iterations=5)
    assert numbers == list(range(20))
    assert len({image.numpy().tobytes() for image in images}) == 20


@pytest.mark.usefixtures("task")
def test_training_scenes_follow_the_seed_and_test_scenes_do_not(digits):
    def first(split, seed):
        return scenes(digits, split=split, batch_size=4, seed=seed)[0][0]

    assert torch.equal(first("train", 1), first("train", 1))
    assert not torch.equal(first("train", 1), first("train", 2))
    assert torch.equal(first("test", 1), first("test", 2))
    assert not torch.equal(first("test", 1), first("val", 1))


@pytest.mark.usefixtures("task")
def test_a_pass_has_the_requested_number_of_samples(digits):
    assert scenes(digits, split="val", batch_size=4)[1] == [0, 1, 2, 3]
    assert scenes(digits, split="train", batch_size=4)[1] == list(range(8))
    assert scenes(digits, split="train", batch_size=4, samples=3)[1] == [0, 1, 2]
    assert scenes(digits, split="val", batch_size=4, samples=99)[1] == [0, 1, 2, 3]


def test_a_sample_is_the_scene_in_the_colour_order_of_mmseg(digits, batch):
    scene = SceneGenerator("train", 0, 32).scene(2)
    image, sample = batch["inputs"][2], batch["data_samples"][2]
    assert image.dtype == torch.uint8
    assert np.array_equal(image.numpy()[::-1].transpose(1, 2, 0), scene.image)
    assert sample.gt_sem_seg.data.dtype == torch.int64
    assert np.array_equal(sample.gt_sem_seg.data[0].numpy(), scene.mask)


def test_the_network_sees_normalised_rgb(task, digits, meta, batch):
    model = task.build(ResidualFCN(options=ResidualFCNOptions(base_channels=4)).config(meta))
    scene = SceneGenerator("train", 0, 32).scene(1)
    expected = (scene.image.astype(np.float64) - meta.mean) / meta.std
    actual = model.data_preprocessor(batch, True)["inputs"][1]
    np.testing.assert_allclose(actual.numpy().transpose(1, 2, 0), expected, atol=1e-5)


def test_bad_requests_name_what_is_wrong(digits):
    with pytest.raises(DataError, match="no split 'holdout'"):
        digits.loader(LoaderRequest(split="holdout", batch_size=1))
    with pytest.raises(DataError, match="iterations"):
        digits.loader(LoaderRequest(split="train", batch_size=1, shuffle=True))


def test_facts_fit_together(meta):
    assert len(meta.classes) == len(meta.palette) == len(meta.class_weights) == 11
    assert meta.classes[0] == "background"
    assert 0 < meta.class_weights[0] < 1
    assert set(meta.class_weights[1:]) == {1.0}
    assert meta.input_size == (32, 32)
    assert meta.report_split == "test"


def test_export_writes_what_the_networks_see(digits, tmp_path):
    seen = []
    digits.export(tmp_path, 2, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)
    scene = SceneGenerator("val", 0, 32).scene(1)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "images/val/00001.png")), scene.image)
    mask = Image.open(tmp_path / "masks/val/00001.png")
    assert mask.mode == "P"
    assert np.array_equal(np.asarray(mask), scene.mask)
    boxes = json.loads((tmp_path / "boxes.json").read_text())["images/val/00001.png"]
    assert [entry["box"] for entry in boxes] == [[float(edge) for edge in box] for box in scene.boxes]
    for entry in boxes:
        left, top, right, bottom = (int(edge) for edge in entry["box"])
        inside = scene.mask[top:bottom, left:right]
        assert digits.meta().classes.index(entry["class"]) in inside
    assert boxes


def test_a_runner_trains_the_very_model_it_is_given(task, digits, meta, tmp_path):
    torch.manual_seed(0)
    model = task.build(ResidualFCN(options=ResidualFCNOptions(base_channels=4)).config(meta))
    before = {name: value.clone() for name, value in model.named_parameters()}
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=digits.loader(LoaderRequest(split="train", batch_size=2, shuffle=True, iterations=2)),
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 2},
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.0}},
        default_hooks={"checkpoint": None},
        default_scope="mmseg",
        experiment_name="same_model",
        log_level="ERROR",
    )
    runner.train()
    assert runner.model is model
    assert all(torch.equal(before[name], value) for name, value in model.named_parameters())
    assert any(buffer.any() for name, buffer in model.named_buffers() if name.endswith("running_mean"))


def test_other_scene_seeds_are_other_scenes():
    first, second = (
        Digits(options=DigitsOptions(size=32, scene_seed=seed)).loader(LoaderRequest(split="train", batch_size=1))
        for seed in (0, 1)
    )
    assert first["dataset"]["seed"] != second["dataset"]["seed"]
