from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from bench_segmentation.models.zoo import MMSegZoo, members
from bench_segmentation.models.zoo_adaptation import adapt
from harness.errors import UserError
from harness.registry.descriptors import Options

FCN = "fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024"


def config(member, meta):
    return MMSegZoo(options=Options(), member=member).config(meta)


def values(node, key):
    """Yields every value under `key`, at any depth."""
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from values(item, key)


def test_members_are_the_installed_configs():
    names = members()
    assert FCN in names
    assert len(names) > 500
    assert not [name for name in names if name.startswith("_base_")]


@pytest.mark.parametrize(
    "member",
    [
        FCN,
        "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512",
        "unet/unet-s5-d16_fcn_4xb4-ce-1.0-dice-3.0-40k_hrf-256x256",
        "pointrend/../point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024".replace("pointrend/../", ""),
        "knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512",
        "ocrnet/ocrnet_r101-d8_4xb2-40k_cityscapes-512x1024",
    ],
)
def test_configs_are_adapted_and_plain(member, meta):
    adapted = config(member, meta)
    assert json.loads(json.dumps(adapted)) == adapted
    assert set(values(adapted, "num_classes")) == {11}
    assert not list(values(adapted, "pretrained"))
    assert "Pretrained" not in json.dumps(adapted)
    assert adapted["test_cfg"]["mode"] == "whole"
    assert "crop_size" not in adapted["test_cfg"]
    assert adapted["data_preprocessor"]["size"] == [32, 32]
    assert adapted["data_preprocessor"]["mean"] == list(meta.mean)


def test_losses_get_the_class_weights_and_keep_their_own_factor(meta):
    adapted = config(FCN, meta)
    for head, factor in (("decode_head", 1.0), ("auxiliary_head", 0.4)):
        loss = adapted[head]["loss_decode"]
        assert loss["class_weight"] == list(meta.class_weights)
        assert loss["loss_weight"] == factor
        assert adapted[head]["ignore_index"] == 255


def test_class_weights_of_the_old_data_set_are_replaced(meta):
    losses = list(values(config("ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024", meta), "class_weight"))
    assert losses
    assert all(len(weights) == 11 for weights in losses)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1042", FCN),
        ("fcn_r50-d8_4xb2-40k_cityscapes-512x1024", FCN),
    ],
)
def test_an_unknown_member_gets_suggestions(meta, written, expected):
    with pytest.raises(UserError, match="no config") as caught:
        config(written, meta)
    assert f"mmseg::{expected}" in caught.value.hint
    assert "bench list models --zoo" in caught.value.hint


def test_a_name_cannot_leave_the_zoo(meta):
    with pytest.raises(UserError, match="no config"):
        config("../../../setup", meta)


def test_a_head_without_a_class_count_is_refused(meta):
    model = {"type": "EncoderDecoder", "backbone": {"type": "ResNet"}, "decode_head": {"type": "OddHead"}}
    with pytest.raises(UserError, match="decode_head OddHead says no num_classes"):
        adapt(model, meta, "mmseg::odd")


def test_other_kinds_of_networks_are_refused(meta):
    with pytest.raises(UserError, match="DepthEstimator"):
        config("vpd/vpd_sd_4xb8-25k_nyu-512x512", meta)


def test_nothing_is_fetched(meta):
    backbone = {"type": "ResNet", "weights_path": "https://example.org/weights.pth"}
    model = {"type": "EncoderDecoder", "backbone": backbone, "decode_head": {"num_classes": 3}}
    with pytest.raises(UserError, match="would fetch https://example.org"):
        adapt(model, meta, "mmseg::remote")


def test_pretrained_initialisation_is_dropped_and_other_initialisation_kept(meta):
    other = {"type": "Normal", "std": 0.01}
    model = {
        "type": "EncoderDecoder",
        "pretrained": "open-mmlab://resnet50_v1c",
        "backbone": {"type": "A", "init_cfg": {"type": "Pretrained", "checkpoint": "x"}},
        "neck": {"type": "B", "init_cfg": [other, {"type": "Pretrained", "checkpoint": "x"}]},
        "decode_head": {"type": "C", "channels": 8, "num_classes": 2, "out_channels": 1, "threshold": 0.3},
    }
    adapted = adapt(model, meta, "mmseg::pretrained")
    assert adapted["backbone"] == {"type": "A"}
    assert adapted["neck"]["init_cfg"] == [other]
    assert adapted["decode_head"]["num_classes"] == 11
    assert not {"out_channels", "threshold"} & set(adapted["decode_head"])


@pytest.mark.parametrize(
    "member",
    [
        "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512",
        "knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512",
        "deeplabv3/deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024",
    ],
)
def test_members_train_and_predict(task, meta, batch, member):
    model = task.build(json.loads(json.dumps(config(member, meta))))
    loss = task.loss(model.train(), batch)
    loss.backward()
    assert torch.isfinite(loss)
    with torch.no_grad():
        assert task.predict(model.eval(), torch.randn(1, 3, 32, 32)).shape == (1, 11, 32, 32)


def test_the_weights_of_a_mask_classifier_follow_the_number_of_classes(meta):
    head = {"type": "Head", "num_classes": 19, "loss_cls": {"type": "Loss", "class_weight": [1.0] * 19 + [0.1]}}
    model = {"type": "EncoderDecoder", "backbone": {"type": "Backbone"}, "decode_head": head}
    adapted = adapt(model, meta, "mmseg::x")["decode_head"]
    assert adapted["num_classes"] == len(meta.classes)
    assert adapted["loss_cls"]["class_weight"] == [1.0] * len(meta.classes) + [0.1]


@pytest.mark.parametrize(
    "member",
    [
        "mask2former/mask2former_r50_8xb2-160k_ade20k-512x512",
        "maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512",
        "knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512",
    ],
)
def test_the_ignored_label_reaches_heads_of_every_kind(member, meta):
    head = config(member, replace(meta, ignore_index=7))["decode_head"]
    assert head.get("kernel_generate_head", head)["ignore_index"] == 7


@pytest.mark.ops
def test_mask2former_makes_no_mask_of_the_ignored_label(meta, task):
    pytest.importorskip("mmdet")
    pytest.importorskip("mmcv._ext")
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    model = task.build(config("mask2former/mask2former_r50_8xb2-160k_ade20k-512x512", replace(meta, ignore_index=7)))
    labels = torch.tensor([[[0, 7], [3, 3]]])
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo={"img_shape": (2, 2)})
    instances, _ = model.decode_head._seg_data_to_instance_data([sample])
    assert instances[0].labels.tolist() == [0, 3]
