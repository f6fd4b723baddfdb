import copy

import pytest
import torch
from pruning_fakes import FakeContext, MmsegTask, randomize

from bench_pruning.channels import surgery
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.fpgm import FPGM
from bench_pruning.descriptors.fpgm import FPGMOptions

pytest.importorskip("mmseg")

NORM = {"type": "BN", "requires_grad": True}


def head(inputs, channels, **values):
    return {
        "type": "FCNHead",
        "in_channels": inputs,
        "channels": channels,
        "num_convs": 1,
        "concat_input": False,
        "dropout_ratio": 0.1,
        "num_classes": 5,
        "norm_cfg": NORM,
        "loss_decode": {"type": "CrossEntropyLoss"},
        **values,
    }


def residual_fcn():
    backbone = {
        "type": "ResNet",
        "depth": 18,
        "stem_channels": 8,
        "base_channels": 8,
        "norm_cfg": NORM,
        "frozen_stages": 1,
    }
    decode = head([8, 16, 32, 64], 16, in_index=[0, 1, 2, 3], input_transform="resize_concat")
    return {"backbone": backbone, "decode_head": decode, "auxiliary_head": head(32, 12, in_index=2)}


def unet():
    backbone = {
        "type": "UNet",
        "base_channels": 8,
        "num_stages": 3,
        "strides": [1] * 3,
        "enc_num_convs": [2] * 3,
        "dec_num_convs": [2] * 2,
        "downsamples": [True] * 2,
        "enc_dilations": [1] * 3,
        "dec_dilations": [1] * 2,
        "norm_cfg": NORM,
    }
    return {
        "backbone": backbone,
        "decode_head": head(8, 8, in_index=2),
        "auxiliary_head": head(16, 8, in_index=1),
    }


def build(config, seed=0):
    from mmseg.registry import MODELS
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    torch.manual_seed(seed)
    return randomize(MODELS.build({"type": "mmseg.EncoderDecoder", **copy.deepcopy(config)}), seed)


@pytest.fixture(params=[residual_fcn, unet], ids=["residual_fcn", "unet"])
def config(request):
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmseg"):
        yield request.param()


CONTEXT = FakeContext(MmsegTask(), size=(64, 64))


def test_half_of_all_channels_leaves_a_quarter_of_the_parameters_and_the_same_function(config):
    model = build(config)
    trainable = [p.requires_grad for p in model.parameters()]
    before = sum(p.numel() for p in model.parameters())
    method = FPGM(options=FPGMOptions())
    state = method.prepare(model, CONTEXT)
    assert [p.requires_grad for p in model.parameters()] == trainable
    result = method.compress(model, 0.5, state, CONTEXT)
    assert result.checks[0].verdict == "pass"
    assert result.checks[0].value < 1e-5
    assert result.achieved == {"channels": 0.5}
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(before / 4, rel=0.04)
    pinned = {entry["module"] for entry in result.details["pinned"]}
    assert pinned == {"decode_head.conv_seg", "auxiliary_head.conv_seg"}
    assert model.auxiliary_head.convs[0].conv.out_channels == config["auxiliary_head"]["channels"] // 2


def test_a_replay_loads_the_weights_and_repeats_the_outputs_bit_by_bit(config):
    model = build(config)
    method = FPGM(options=FPGMOptions(allocation="global", round_to=2))
    result = method.compress(model, 0.4, method.prepare(model, CONTEXT), CONTEXT)
    rebuilt = build(config, seed=7)
    surgery.apply(rebuilt, result.transforms[0].payload)
    rebuilt.load_state_dict(model.state_dict(), strict=True)
    with torch.no_grad():
        pairs = zip(*(MmsegTask().forward(m.eval(), CONTEXT.example_images(2)) for m in (model, rebuilt)), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_pruned_network_trains(config):
    model = build(config)
    method = FPGM(options=FPGMOptions())
    method.compress(model, 0.75, method.prepare(model, CONTEXT), CONTEXT)
    model.train()
    sum(output.square().mean() for output in MmsegTask().forward(model, torch.randn(2, 3, 64, 64))).backward()
    trainable = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.shape == p.shape for p in trainable)


def test_residual_stages_share_their_channels():
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmseg"):
        model = build(residual_fcn())
    groups = {g.name: g for g in trace(model, MmsegTask(), CONTEXT.example_images()).prunable}
    stage = groups["backbone.layer2.0.conv2"]
    assert set(stage.layers) == {
        "backbone.layer2.0.conv2",
        "backbone.layer2.0.downsample.0",
        "backbone.layer2.1.conv2",
    }
    (columns,) = [s for s in stage.slots if s.tensor == "decode_head.convs.0.conv.weight"]
    assert columns.indices == tuple(range(8, 24))
