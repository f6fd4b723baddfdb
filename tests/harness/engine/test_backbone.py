import logging

import pytest
import torch
from torch import nn

from harness.engine.backbone import load_backbone
from harness.errors import ShapeMismatchError, UserError
from harness.registry import ModelDescriptor

DESCRIPTOR = ModelDescriptor(
    name="small",
    summary="A test's.",
    implementation="nowhere:Nothing",
    task="segmentation",
    foreign_names={"encoder.": "backbone.0.", "0.": "backbone.1.", "last.": "head."},
)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 2, 1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


@pytest.fixture
def saved(tmp_path):
    def save(weights):
        torch.save(weights, tmp_path / "w.pth")
        return tmp_path / "w.pth"

    return save


def doubled(module, prefix=""):
    return {prefix + name: value * 2 for name, value in module.state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_backbones_weights_are_found_alone_and_in_a_whole_network(network, saved, prefix, caplog):
    head, expected = network.head.weight.clone(), doubled(network.backbone)
    report = load_backbone(
        network, saved({**doubled(network.backbone, prefix), f"{prefix}fc.bias": torch.ones(2)}), DESCRIPTOR
    )
    assert all(torch.equal(network.backbone.state_dict()[name], value) for name, value in expected.items())
    assert torch.equal(network.head.weight, head)
    assert len(report.matched) == len(expected)
    assert report.unexpected == ("fc.bias",)


def test_the_log_counts_every_sort(network, saved, caplog):
    weights = doubled(network.backbone)
    del weights["1.running_var"]
    with caplog.at_level(logging.INFO, logger="harness.stage"):
        report = load_backbone(network, saved(weights), DESCRIPTOR)
    assert report.missing == ("1.running_var",)
    assert "missing: 1 (1.running_var)" in caplog.messages
    assert "mismatched: 0" in caplog.messages


def test_other_shapes_other_names_and_infinite_numbers_are_refused(network, saved):
    before = network.backbone[0].weight.clone()
    with pytest.raises(ShapeMismatchError, match=r"mismatched: 1 \(0\.weight\)"):
        load_backbone(network, saved({**doubled(network.backbone), "0.weight": torch.ones(8, 3, 1, 1)}), DESCRIPTOR)
    with pytest.raises(UserError, match="no name in it"):
        load_backbone(network, saved({"layer1.weight": torch.ones(1)}), DESCRIPTOR)
    with pytest.raises(UserError, match="not finite"):
        load_backbone(network, saved({"0.bias": torch.full((4,), float("nan"))}), DESCRIPTOR)
    assert torch.equal(network.backbone[0].weight, before)


def test_a_network_without_a_backbone_is_refused(saved):
    with pytest.raises(UserError, match="Linear has no `backbone`"):
        load_backbone(nn.Linear(1, 1), saved({"weight": torch.ones(1, 1)}), DESCRIPTOR)


def test_names_of_published_checkpoints_are_the_backbones_too(network, saved):
    expected = doubled(network.backbone)
    renamed = {
        "model.encoder.weight": expected["0.weight"],
        "model.encoder.bias": expected["0.bias"],
        "model.0.weight": expected["1.weight"],
        "model.last.weight": torch.zeros(2, 4, 1, 1),
    }
    head = network.head.weight.clone()
    report = load_backbone(network, saved(renamed), DESCRIPTOR)
    for name in ("0.weight", "0.bias", "1.weight"):
        assert torch.equal(network.backbone.state_dict()[name], expected[name])
    assert torch.equal(network.head.weight, head)
    assert report.missing == ("1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked")
    assert [line.split(" -> ")[1] for line in report.renamed] == [
        "backbone.0.weight",
        "backbone.0.bias",
        "backbone.1.weight",
    ]


def test_the_backbones_own_names_are_not_taken_for_foreign_ones(network, saved):
    expected = doubled(network.backbone)
    report = load_backbone(network, saved(expected), DESCRIPTOR)
    assert report.renamed == ()
    assert all(torch.equal(network.backbone.state_dict()[name], value) for name, value in expected.items())
