"""The config of the installed mmsegmentation, for other classes; building it needs mmdet and a compiled mmcv."""

import pytest

from bench_segmentation.models.mask2former import Mask2FormerSwinL
from bench_segmentation.wildscenes_model_descriptors import MASK2FORMER_SWIN_L
from harness.registry import DatasetMeta, Options
from harness.spec.budget import TrainingBudget

META = DatasetMeta(
    splits=("val",), input_size=(64, 64), mean=(0.0,) * 3, std=(1.0,) * 3,
    classes=tuple(map(str, range(15))), ignore_index=11,
)  # fmt: skip


@pytest.fixture(scope="module")
def config():
    return Mask2FormerSwinL(options=Options()).config(META)


def test_it_is_swin_l_with_a_hundred_queries(config):
    backbone, head = config["backbone"], config["decode_head"]
    assert (backbone["embed_dims"], backbone["depths"], backbone["window_size"]) == (192, [2, 2, 18, 2], 12)
    assert backbone["num_heads"] == [6, 12, 24, 48]
    assert head["num_queries"] == 100


def test_classes_and_the_ignored_label_are_the_data_sets(config):
    head = config["decode_head"]
    assert (head["num_classes"], head["ignore_index"]) == (15, 11)
    assert head["loss_cls"]["class_weight"] == [1.0] * 15 + [0.1]


def test_nothing_would_be_fetched(config):
    assert "init_cfg" not in config["backbone"]


def test_its_content_is_that_of_the_shipped_files():
    from bench_segmentation.models.zoo import fingerprint

    assert MASK2FORMER_SWIN_L.fingerprint("") == fingerprint(MASK2FORMER_SWIN_L.configs[0])


def test_recommended_budgets_are_valid():
    assert TrainingBudget.model_validate(MASK2FORMER_SWIN_L.training).batch_size == 2 * 20
    assert TrainingBudget.model_validate(MASK2FORMER_SWIN_L.recovery).iterations == 20_000
