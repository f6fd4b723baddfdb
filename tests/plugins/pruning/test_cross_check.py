"""Which channels stand and fall together, against Torch-Pruning's dependency graph on networks where that is exact."""

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeTask, Residual, Separable, randomize
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from bench_pruning.channels.tracing import trace

torch_pruning = pytest.importorskip("torch_pruning")

SIZE = 64


def coupled_by_torch_pruning(model, task, images):
    """Returns the sets of (weight, dimension, index) that each channel of each layer is removed with."""
    with torch.random.fork_rng():
        graph = torch_pruning.DependencyGraph().build_dependency(model, images, forward_fn=task.forward, verbose=False)
    paths = {module: path for path, module in model.named_modules()}
    sets = set()
    for root in model.modules():
        if not isinstance(root, (_ConvNd, nn.Linear)) or root not in graph.module2node:
            continue
        prune = graph.get_pruner_of_module(root).prune_out_channels
        width = root.weight.shape[_dimension(root, outgoing=True)]
        channels = {}
        for item in graph.get_pruning_group(root, prune, list(range(width))):
            module, outgoing = item.dep.target.module, graph.is_out_channel_pruning_fn(item.dep.handler)
            if module in paths and isinstance(getattr(module, "weight", None), torch.Tensor):
                place = f"{paths[module]}.weight", _dimension(module, outgoing=outgoing)
                for index, channel in zip(item.idxs, item.root_idxs, strict=True):
                    channels.setdefault(channel, set()).add((*place, index))
        sets.update(map(frozenset, channels.values()))
    return sets


def coupled_by_us(groups):
    sets = set()
    for group in groups:
        slots = [slot for slot in group.slots if slot.parameter == "weight"]
        for channel in range(group.size):
            pairs = [
                (slot, index)
                for slot in slots
                for index, own in zip(slot.indices, slot.channels, strict=True)
                if own == channel
            ]
            sets.add(frozenset((slot.tensor, slot.dim, index) for slot, index in pairs))
    return sets


def _dimension(module, *, outgoing):
    if not isinstance(module, (_ConvNd, nn.Linear)):
        return 0
    if isinstance(module, _ConvNd) and 1 < module.groups == module.in_channels == module.out_channels:
        return 0
    return int(outgoing == isinstance(module, _ConvTransposeNd))


def compare(model, task, images, classifiers):
    """Both see the same sets; those with a classifier's channels are pinned, all others prunable."""
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=True)
    found = trace(model, task, images)
    theirs = coupled_by_torch_pruning(model, task, images)
    outputs = {f"{path}.weight" for path in classifiers}
    free = {
        channel for channel in theirs if not any((name, dim) in {(o, 0) for o in outputs} for name, dim, _ in channel)
    }
    assert coupled_by_us(found.prunable) == free
    assert {path for path, _ in found.pinned} == set(classifiers)
    assert all(group.mixing is None for group in found.prunable)
    return found


@pytest.mark.parametrize(
    ("network", "classifiers"),
    [(Chain, ["classifier"]), (Residual, ["head", "auxiliary"]), (Concatenation, ["head"]), (Separable, ["head"])],
)
def test_small_networks(network, classifiers):
    found = compare(randomize(network()).eval(), FakeTask(), torch.randn(1, 3, 16, 16), classifiers)
    assert len(found.prunable) > 1


@pytest.fixture
def task():
    pytest.importorskip("mmseg")
    from bench_segmentation.task import Segmentation

    return Segmentation()


def own_config(name):
    """Returns the config of one of our own networks, eight channels wide at first."""
    from bench_segmentation.descriptors import ResidualFCNOptions, UNetOptions
    from bench_segmentation.models.residual_fcn import ResidualFCN
    from bench_segmentation.models.unet import UNet
    from harness.registry.dataset import DatasetMeta

    classes = tuple("abcde")
    meta = DatasetMeta(splits=("val",), input_size=(SIZE, SIZE), mean=(0.0,) * 3, std=(1.0,) * 3, classes=classes)
    if name == "unet":
        return UNet(options=UNetOptions(base_channels=8)).config(meta)
    config = ResidualFCN(options=ResidualFCNOptions(base_channels=8)).config(meta)
    if name == "pspnet":
        head = {"in_channels": 64, "channels": 10, "num_classes": 5, "norm_cfg": {"type": "BN"}}
        config["decode_head"] = {"type": "PSPHead", "in_index": 3, "pool_scales": (1, 2, 3, 6), **head}
        config["auxiliary_head"] = {"type": "FCNHead", "in_index": 2, **head, "in_channels": 32}
    return config


@pytest.mark.parametrize("name", ["residual_fcn", "unet", "pspnet"])
def test_segmentation_networks(name, task):
    torch.manual_seed(0)
    model = randomize(task.build(own_config(name))).eval()
    heads = [path for path, _ in model.named_modules() if path.endswith("conv_seg")]
    found = compare(model, task, torch.randn(1, 3, SIZE, SIZE), heads)
    assert len(found.prunable) > 10
