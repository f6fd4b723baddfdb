import re

import pytest
import torch

pytest.importorskip("mmseg")

from zoo_gate import GateError, pass_gate, problems  # noqa: E402
from zoo_models import PASS, ZOO, missing  # noqa: E402

QUICK = {
    "FCN-R18",
    "PSPNet-R18",
    "DeepLabV3+-R18",
    "UNet",
    "BiSeNetV2",
    "Fast-SCNN",
    "HRNet-W18s",
    "SegFormer-B0",
    "STDC1",
    "SegNeXt-T",
}
"""What every test run takes, of many kinds and without compiled operations."""

QUICK_DETECTORS = {"YOLOX-tiny", "RTMDet-tiny", "Faster R-CNN-R50"}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def marked(model):
    marks = [pytest.mark.slow] * (model.name not in QUICK | QUICK_DETECTORS) + [pytest.mark.ops] * bool(model.needs)
    return pytest.param(model, id=model.name, marks=marks)


def outcome(model):
    """Returns `pass`, or why the model does not pass."""
    try:
        found = problems(pass_gate(model))
    except GateError as error:
        return str(error)
    return "; ".join(found) or PASS


@pytest.mark.parametrize("model", [marked(model) for model in ZOO])
def test_half_of_the_channels_go_and_the_rest_does_what_it_did(model):
    """What fails does so for the reason that the list names; that it suddenly passes is a failure, too."""
    if reason := missing(model):
        pytest.skip(reason)
    found = outcome(model)
    assert found == PASS if model.expected == PASS else re.search(model.expected, found), found


def test_the_quick_ones_are_ten_of_the_list():
    assert len(QUICK) == 10
    assert {model.name for model in ZOO} >= QUICK | QUICK_DETECTORS
