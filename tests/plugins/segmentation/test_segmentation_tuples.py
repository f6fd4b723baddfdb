from __future__ import annotations

import json

import pytest
from mmengine.registry import DefaultScope, Registry
from mmseg.registry import MODELS

from bench_segmentation.models.tuples import with_tuples
from bench_segmentation.models.zoo import MMSegZoo
from bench_segmentation.task import Segmentation
from harness.registry.descriptors import Options


@pytest.fixture(autouse=True)
def _mmseg():
    with DefaultScope.overwrite_default_scope(Segmentation().setup()):
        yield


def test_a_parameter_whose_default_is_a_tuple_gets_one():
    found = with_tuples(
        {"type": "LRASPPHead", "branch_channels": [32, 64], "in_index": [0, 1, 2], "channels": 8}, MODELS
    )
    assert found == {"type": "LRASPPHead", "branch_channels": (32, 64), "in_index": [0, 1, 2], "channels": 8}


def test_classes_are_found_at_any_depth_and_what_is_none_stays():
    backbone = {"type": "ResNet", "strides": [1, 2], "norm_cfg": {"type": "BN", "eps": 1e-5}, "unknown": [1]}
    config = {"type": "EncoderDecoder", "heads": [{"backbone": backbone}], "init": {"type": "NoSuchClass", "x": [1]}}
    assert with_tuples(config, MODELS) == {**config, "heads": [{"backbone": {**backbone, "strides": (1, 2)}}]}


@pytest.mark.parametrize(
    "member",
    ["cgnet/cgnet_fcn_4xb8-60k_cityscapes-512x1024", "fastfcn/fastfcn_r50-d32_jpu_psp_4xb2-80k_cityscapes-512x1024"],
)
def test_networks_that_refuse_lists_are_built_from_json(member, meta):
    config = json.loads(json.dumps(MMSegZoo(options=Options(), member=member).config(meta)))
    assert Segmentation().build(config) is not None


def test_defaults_of_bases_and_inner_tuples_count():
    class Base:
        def __init__(self, sizes=((1, 2), (3, 4)), own=(5,)):
            pass

    class Handed(Base):
        def __init__(self, own=None, **kwargs):
            pass

    registry = Registry("tests")
    registry.register_module(module=Handed)
    found = with_tuples({"type": "Handed", "sizes": [[7, 8]], "own": [9]}, registry)
    assert found == {"type": "Handed", "sizes": ((7, 8),), "own": [9]}
