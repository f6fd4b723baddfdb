"""The config is made here; the head itself needs mmdet and a compiled mmcv."""

import pytest
import torch

from bench_segmentation.models.mask_query import MaskQuery
from bench_segmentation.task import Segmentation
from bench_segmentation.wildscenes_model_descriptors import MASK_QUERY_WILDSCENES, MaskQueryOptions
from harness.registry import DatasetMeta
from harness.spec.budget import TrainingBudget

META = DatasetMeta(
    splits=("val",), input_size=(64, 64), mean=(0.0,) * 3, std=(1.0,) * 3, classes=("a", "b", "c"), ignore_index=255
)


def config(**options):
    return MaskQuery(options=MaskQueryOptions(**options)).config(META)


def test_the_head_has_pixel_losses_and_no_matching():
    head = config()["decode_head"]
    assert [(loss["type"], loss["loss_weight"]) for loss in head["loss_decode"]] == [
        ("SoftmaxFocalLoss", 1.0),
        ("BatchDiceLoss", 0.5),
    ]
    assert (head["num_queries"], head["num_classes"], head["ignore_index"]) == (100, 3, 255)
    assert "train_cfg" not in head
    assert [loss["type"] for loss in config(loss="cross_entropy")["decode_head"]["loss_decode"]] == [
        "ClassWeightedCrossEntropy"
    ]


def test_the_backbone_is_chosen():
    assert config()["backbone"]["embed_dims"] == 128
    assert config(backbone="swin_t", num_queries=8)["backbone"]["embed_dims"] == 96


def test_recommended_budgets_are_valid():
    assert TrainingBudget.model_validate(MASK_QUERY_WILDSCENES.training).iterations == 60 * (6051 // 8)
    assert TrainingBudget.model_validate(MASK_QUERY_WILDSCENES.recovery).clip_norm == 1.0


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("mmdet")
    pytest.importorskip("mmcv._ext")
    small = config(backbone="swin_t", num_queries=8)
    small["backbone"] |= {"embed_dims": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
    head = small["decode_head"]
    head |= {"in_channels": [8, 16, 32, 64]}
    head["transformer_decoder"]["num_layers"] = 2
    head["pixel_decoder"]["encoder"]["num_layers"] = 1
    torch.manual_seed(0)
    return Segmentation().build(small)


def test_logits_are_a_convolution_of_the_last_masks(model):
    images = torch.randn(2, 3, 64, 64)
    seen = []
    model.decode_head.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        (logits,) = Segmentation().forward(model.eval(), images)
        assert seen[0].shape == (2, 8, 16, 16)
        assert torch.allclose(logits, model.decode_head.classifier(seen[0]))
        assert Segmentation().predict(model, images).shape == (2, 3, 64, 64)


def test_the_loss_reaches_all_parameters(model):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    def sample():
        return SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, 64, 64))))

    batch = {"inputs": [torch.zeros(3, 64, 64, dtype=torch.uint8)] * 2, "data_samples": [sample(), sample()]}
    Segmentation().loss(model.train(), batch).backward()
    assert [name for name, part in model.named_parameters() if part.grad is None] == []
