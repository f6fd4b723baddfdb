import math

import pytest
import torch

pytest.importorskip("mmseg")

from zoo_gate import pass_gate  # noqa: E402
from zoo_models import ZOO, missing  # noqa: E402

from bench_pruning.channels.verification import TOLERANCE  # noqa: E402

SLOW = {"FCN-R50", "DeepLabV3-R50"}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def marked(model):
    marks = [pytest.mark.ops] * bool(model.needs) + [pytest.mark.slow] * (model.name in SLOW)
    return pytest.param(model, id=model.name, marks=marks)


@pytest.mark.parametrize("model", [marked(model) for model in ZOO])
def test_half_of_the_channels_go_and_the_rest_does_what_it_did(model):
    if reason := missing(model):
        pytest.skip(reason)
    passage = pass_gate(model)
    assert passage.channels == pytest.approx(0.5, abs=0.01)
    assert passage.shapes[1] == passage.shapes[0]
    assert [check for check in passage.checks if check.verdict == "fail"] == []
    assert passage.mask.verdict == "pass"
    assert passage.mask.value <= TOLERANCE
    assert passage.leak is None or passage.leak < 1e-12
    assert passage.effect > 1000 * TOLERANCE
    assert passage.parameters[1] < passage.parameters[0]
    assert passage.macs[1] < passage.macs[0]
    assert math.isfinite(passage.loss)
    assert passage.stuck == []
    assert passage.differing == []
