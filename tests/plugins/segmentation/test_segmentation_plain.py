"""Any network from images to logits is a segmentation model."""

import pytest
import torch
from torch import nn

from bench_segmentation.models.plain import plain_segmentor
from bench_segmentation.task import Segmentation
from harness.errors import UserError
from harness.registry import DatasetMeta

META = DatasetMeta(
    splits=("val",), input_size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3, classes=("a", "b", "c"), ignore_index=255,
    class_weights=(1.0, 2.0, 3.0),
)  # fmt: skip


class Tiny(nn.Module):
    """Logits at a quarter of the resolution; twice, as nested outputs."""

    def __init__(self, classes, several):
        super().__init__()
        self.conv = nn.Conv2d(3, classes, 4, stride=4)
        self.several = several

    def forward(self, images):
        logits = self.conv(images)
        return [logits * 0, logits] if self.several else logits


@pytest.fixture(params=[False, True])
def built(request):
    task = Segmentation()
    network = {"type": f"{Tiny.__module__}.Tiny", "classes": 3, "several": request.param}
    torch.manual_seed(0)
    return task, task.build(plain_segmentor(META, network))


def test_it_has_no_parameters_but_the_networks(built):
    _, model = built
    assert [name for name, _ in model.named_parameters()] == ["backbone.conv.weight", "backbone.conv.bias"]


def test_forward_gives_raw_logits_and_predict_those_of_the_images_size(built):
    task, model = built
    images = torch.randn(2, 3, 32, 32)
    (logits,) = task.forward(model, images)
    assert torch.equal(logits, model.backbone.conv(images))
    assert task.predict(model.eval(), images).shape == (2, 3, 32, 32)


def test_the_loss_is_the_data_sets_and_has_gradients(built):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    task, model = built
    assert model.decode_head.ignore_index == 255
    assert list(model.decode_head.loss_decode.class_weight) == [1.0, 2.0, 3.0]
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 32, 32, dtype=torch.long)))
    batch = {"inputs": [torch.zeros(3, 32, 32, dtype=torch.uint8)], "data_samples": [sample]}
    task.loss(model.train(), batch).backward()
    assert model.backbone.conv.bias.grad.abs().sum() > 0


class Answers(nn.Module):
    """Logits as a mapping has them, or something else."""

    def __init__(self, classes, key):
        super().__init__()
        self.conv, self.key = nn.Conv2d(3, classes, 4, stride=4), key

    def forward(self, images):
        return {self.key: self.conv(images), "aux": None}


def test_a_mapping_has_its_logits_under_out():
    def made(key):
        return Segmentation().build(plain_segmentor(META, {"type": f"{__name__}.Answers", "classes": 3, "key": key}))

    images = torch.randn(2, 3, 32, 32)
    assert Segmentation().predict(made("out"), images).shape == (2, 3, 32, 32)
    with pytest.raises(UserError, match="returns a dict where logits"):
        Segmentation().predict(made("logits"), images)
