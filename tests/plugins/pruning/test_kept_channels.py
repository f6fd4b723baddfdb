"""Kept channels of a trained network, against a computation of the authors' definitions that shares no code."""

import ast
import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from pruning_fakes import FakeContext
from safetensors.torch import load_file

from bench_pruning.criteria.fpgm import FPGM
from bench_pruning.criteria.sirfp import SIRFP
from bench_pruning.criteria.slimming import Slimming
from bench_pruning.criteria.taylor import Taylor
from bench_pruning.descriptors.fpgm import FPGMOptions
from bench_pruning.descriptors.sirfp import SIRFPOptions
from bench_pruning.descriptors.slimming import SlimmingOptions
from bench_pruning.descriptors.taylor import TaylorOptions
from bench_segmentation.task import Segmentation
from harness.registry.dataset import DatasetMeta

FOLDER = Path(__file__).parents[2] / "fixtures" / "kept_channels"
STORED = json.loads((FOLDER / "indices.json").read_text(encoding="utf-8"))
ALL_BUT_INNER = ("backbone.stem", "*.conv2", "*.downsample", "decode_head")
"""What the definitions do not rank: layers that share channels, and the head."""

METHODS = {
    "fpgm": lambda protect: FPGM(options=FPGMOptions(protect=protect)),
    "slimming": lambda protect: Slimming(options=SlimmingOptions(protect=protect)),
    "taylor": lambda protect: Taylor(options=TaylorOptions(protect=protect)),
    "sirfp_reference": lambda protect: SIRFP(options=SIRFPOptions(protect=protect, variant="reference")),
    "sirfp_paper": lambda protect: SIRFP(options=SIRFPOptions(protect=protect, variant="paper")),
}
CASES = [(name, ratio) for name, kept in STORED["kept"].items() for ratio in kept]
ROUNDING = 1e-4
"""How far scores in 32 bits may be from those in 64 bits, as a part of them."""

CANCELLED = 1e-6
"""The same as a part of the layer's largest: in small scores, large terms of both signs have cancelled."""


class StoredContext(FakeContext):
    """The stored mini-batches as a loader gives them; training ends with the stored sparse weights."""

    def __init__(self, config):
        super().__init__(Segmentation(), size=(64, 64))
        self.meta = DatasetMeta(splits=("train",), input_size=(64, 64), mean=(0.0,) * 3, std=(1.0,) * 3)
        self.config = config
        with np.load(FOLDER / "batches.npz") as stored:
            self._pairs = list(zip(stored["images"], stored["labels"], strict=True))

    def calibration_batches(self, samples=None):
        for images, labels in self._pairs:
            yield {
                "inputs": [torch.from_numpy(image[:, :, ::-1].transpose(2, 0, 1).copy()) for image in images],
                "data_samples": [self._sample(label) for label in labels],
            }

    def train(self, model, budget, purpose, hooks=()):
        model.load_state_dict(load_file(FOLDER / "sparse.safetensors"))
        return budget.iterations

    @staticmethod
    def _sample(label):
        data = PixelData(data=torch.from_numpy(label.astype(np.int64))[None])
        return SegDataSample(gt_sem_seg=data, metainfo={"img_shape": label.shape, "ori_shape": label.shape})


@pytest.fixture(scope="module")
def independent():
    spec = importlib.util.spec_from_file_location("kept_channels_independent", FOLDER / "independent.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def context():
    return StoredContext(json.loads((FOLDER / "network.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def trained(context):
    model = context.task.build(context.config)
    model.load_state_dict(load_file(FOLDER / "trained.safetensors"))
    return model


@pytest.fixture(scope="module")
def states(trained, context):
    """Returns what prepares a method once, for all ratios."""
    found = {}

    def state(name):
        if name not in found:
            found[name] = METHODS[name](ALL_BUT_INNER).prepare(copy.deepcopy(trained), context)
        return found[name]

    return state


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_methods_keep_the_channels_of_the_definition(trained, context, states, name, ratio):
    method = METHODS[name](ALL_BUT_INNER)
    result = method.compress(copy.deepcopy(trained), float(ratio), states(name), context)
    kept = result.transforms[0].payload["kept"]
    ranked = {layer: kept[f"{layer}.weight"]["0"] for layer in STORED["kept"][name][ratio] if f"{layer}.weight" in kept}
    whole = {layer: list(range(trained.get_submodule(layer).out_channels)) for layer in STORED["kept"][name][ratio]}
    assert {**whole, **ranked} == STORED["kept"][name][ratio]
    lost = {layer for layer, size in result.details["layers"].items() if size["after"] < size["before"]}
    assert lost <= set(whole), "what the definition does not rank stays whole"


@pytest.mark.parametrize("name", METHODS)
def test_scores_are_those_of_the_definition(independent, states, name):
    state = states(name)
    possible = [independent.scores_of(name, first_of_equals) for first_of_equals in (min, max)]
    for layer in independent.LAYERS:
        scores = state.tensors[f"scores.{layer}"].double().numpy()
        rounding = CANCELLED * np.abs(scores).max()
        assert any(np.allclose(scores, each[layer], rtol=ROUNDING, atol=rounding) for each in possible)


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_the_independent_computation_finds_the_stored_channels(independent, name, ratio):
    choice = independent.choose(name, float(ratio))
    assert choice.kept == STORED["kept"][name][ratio]
    assert choice.kept == independent.choose(name, float(ratio), max).kept, "the order of equals decides nothing"
    assert choice.margin == pytest.approx(STORED["margins"][name][ratio], rel=1e-3)
    assert choice.margin > 2 * ROUNDING, "the last channel to go must not be chosen by rounding"


def test_methods_and_ratios_are_told_apart():
    kept = [json.dumps(STORED["kept"][name][ratio]) for name, ratio in CASES]
    assert len(set(kept)) == len(CASES) == 10


def test_the_independent_computation_imports_nothing_of_ours():
    tree = ast.parse((FOLDER / "independent.py").read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [name for name in names if name.split(".")[0] == "harness" or name.startswith("bench_")]
