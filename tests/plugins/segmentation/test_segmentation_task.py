from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from bench_segmentation.descriptors import ResidualFCNOptions, UNetOptions
from bench_segmentation.models.residual_fcn import ResidualFCN
from bench_segmentation.models.unet import UNet
from bench_segmentation.models.zoo import MMSegZoo
from harness.errors import UserError
from harness.registry.descriptors import Options


@pytest.fixture(scope="module")
def configs(meta):
    return {
        "residual_fcn": ResidualFCN(options=ResidualFCNOptions(base_channels=4)).config(meta),
        "unet": UNet(options=UNetOptions(base_channels=4)).config(meta),
        "cascade": _small_cascade(meta),
    }


def _small_cascade(meta):
    zoo = MMSegZoo(options=Options(), member="ocrnet/ocrnet_hr18s_4xb2-40k_cityscapes-512x1024")
    return zoo.config(meta)


@pytest.mark.parametrize("name", ["residual_fcn", "unet"])
def test_same_seed_same_weights(task, configs, name):
    torch.manual_seed(3)
    first = task.build(configs[name]).state_dict()
    torch.manual_seed(3)
    second = task.build(configs[name]).state_dict()
    other = task.build(configs[name]).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_later_initialisation_does_nothing(task, configs):
    model = task.build(configs["residual_fcn"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    model.init_weights()
    assert all(torch.equal(value, torch.full_like(value, 0.5)) for value in model.parameters())


def test_building_leaves_the_callers_config_and_log_alone(task, configs, caplog):
    config = configs["residual_fcn"]
    before = repr(config)
    with caplog.at_level(logging.INFO):
        task.build(config)
    assert repr(config) == before
    assert not [record for record in caplog.records if "init" in record.getMessage()]


def test_synchronised_norms_are_replaced(task, configs):
    config = {**configs["residual_fcn"]}
    config["backbone"] = {**config["backbone"], "norm_cfg": {"type": "SyncBN"}}
    modules = list(task.build(config).backbone.modules())
    assert not any(isinstance(module, nn.SyncBatchNorm) for module in modules)
    assert any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules)


def test_an_unbuildable_config_is_the_users_to_mend(task, configs):
    config = {**configs["residual_fcn"], "backbone": {"type": "mmpretrain.NoSuchBackbone"}}
    with pytest.raises(UserError, match="NoSuchBackbone|mmpretrain"):
        task.build(config)


@pytest.mark.parametrize("name", ["residual_fcn", "unet"])
def test_prediction_is_the_resized_raw_output(task, configs, name):
    model = task.build(configs[name]).eval()
    images = torch.randn(2, 3, 32, 64)
    with torch.no_grad():
        prediction = task.predict(model, images)
        (raw,) = task.forward(model, images)
    assert prediction.shape == (2, 11, 32, 64)
    resized = nn.functional.interpolate(raw, (32, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(prediction, resized)


def test_prediction_is_what_mmseg_itself_infers(task, configs, batch):
    model = task.build(configs["unet"]).eval()
    with torch.no_grad():
        samples = model.test_step(batch)
        data = model.data_preprocessor(batch, False)
        logits = task.predict(model, data["inputs"])
    for sample, expected in zip(samples, logits, strict=True):
        torch.testing.assert_close(sample.seg_logits.data, expected)


def test_forward_returns_every_head_with_its_graph(task, configs):
    model = task.build(configs["cascade"])
    outputs = task.forward(model, torch.randn(2, 3, 32, 32))
    assert len(outputs) == 2
    assert all(output.shape == (2, 11, 8, 8) for output in outputs)
    sum(output.sum() for output in outputs).backward()
    unreached = [name for name, value in model.named_parameters() if value.grad is None]
    assert unreached == []


def test_forward_includes_auxiliary_heads(task, meta):
    zoo = MMSegZoo(options=Options(), member="deeplabv3/deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024")
    model = task.build(zoo.config(meta))
    outputs = task.forward(model, torch.randn(2, 3, 32, 32))
    assert len(outputs) == 2
    outputs[1].sum().backward()
    assert model.auxiliary_head.conv_seg.weight.grad is not None
    assert model.decode_head.conv_seg.weight.grad is None


@pytest.mark.parametrize("name", ["residual_fcn", "unet"])
def test_loss_falls_on_a_repeated_batch(task, configs, batch, name):
    torch.manual_seed(0)
    model = task.build(configs[name]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = task.loss(model, batch)
        assert loss.shape == ()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_metrics_are_fractions_under_the_descriptors_names(task, meta):
    raw = {"mIoU": 50.0, "foreground_mIoU": 40.0, "mAcc": 60.0, "aAcc": float("nan"), "mDice": 70.0, "IoU.car": 1.0}
    figures = task.metrics(raw, meta)
    assert figures.pop("pixel_accuracy") != figures.get("pixel_accuracy")
    expected = {"mIoU": 0.5, "foreground_mIoU": 0.4, "mean_accuracy": 0.6, "mean_dice": 0.7, "IoU.car": 0.01}
    assert figures == pytest.approx(expected)
