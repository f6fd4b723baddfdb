from pathlib import Path

import pytest
import torch

import harness

ARTIFACTS = Path(__file__).parents[2] / "fixtures" / "artifacts"

pytest.importorskip("mmseg")


def test_an_artifact_of_the_first_engine_still_loads():
    model = harness.load(ARTIFACTS / "v1").double()
    images = torch.linspace(-2, 2, 3 * 32 * 32, dtype=torch.float64).reshape(1, 3, 32, 32)
    meta = {"ori_shape": (32, 32), "img_shape": (32, 32), "pad_shape": (32, 32), "padding_size": [0] * 4}
    with torch.no_grad():
        logits = model.encode_decode(images, [meta])
    assert sum(parameter.numel() for parameter in model.parameters()) == 12397
    # What the version that wrote it computed.
    expected = [0.05606784085835458, -0.044294826817034595, -0.06814013619240977, -0.04679039836608305]
    assert logits.flatten()[::2000][:4].tolist() == pytest.approx(expected, abs=1e-12)
