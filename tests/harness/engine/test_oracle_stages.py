"""The stages `oracle` and `compare` on a network whose channels have known worth."""

import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import nn

from harness.engine.oracle import validation
from harness.engine.oracle.validation import ValidationImages
from harness.engine.stages import compare, oracle
from harness.errors import PluginError, UserError
from harness.registry import Compressor, State

WORTH = (0.0, 3.0, 0.0, 5.0, -1.0, 2.0, 0.0, 1.0, 4.0, 0.5)


class Network(BaseModel):
    """What it says of an image is the sum of its channels, each of which is its worth, and a constant of 1."""

    def __init__(self, worth=WORTH, offset=0.0):
        super().__init__(data_preprocessor=Preprocessor())
        self.first = nn.Conv2d(3, len(worth), 1)
        self.norm = nn.BatchNorm2d(len(worth))
        self.head = nn.Conv2d(len(worth), 1, 1)
        nn.init.zeros_(self.first.weight)
        with torch.no_grad():
            self.first.weight[:, 0, 0, 0] = torch.arange(len(worth), 0, -1.0)  # L1 norms, not what they are worth
            self.first.bias.copy_(torch.tensor(worth))
            self.norm.running_mean.fill_(-offset)  # a filter of zeros leaves the offset behind the norm
            self.norm.running_var.fill_(1 - self.norm.eps)
            self.head.weight.fill_(1.0)
            self.head.bias.fill_(1.0)
        self.eval()

    def forward(self, inputs, data_samples=None, mode="tensor"):
        maps = self.head(self.norm(self.first(inputs)))
        return maps if mode == "tensor" else [{"value": float(value)} for value in maps.mean(dim=(1, 2, 3))]


class Preprocessor(BaseDataPreprocessor):
    def forward(self, data, training=False):
        return {"inputs": torch.stack(data["inputs"]), "data_samples": data["data_samples"]}


class Mean(BaseMetric):
    """The mean of what the network says; undefined if it is more than `limit`."""

    limit = math.inf

    def process(self, data_batch, data_samples):
        assert len(data_batch["inputs"]) == len(data_samples)
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        assert self.dataset_meta == {"classes": ("thing",)}
        mean = sum(result["value"] for result in results) / len(results)
        return {"mean": mean if mean <= self.limit else math.nan}


class Task:
    def evaluator_of(self, meta, metric):
        return {"type": Mean}

    def metrics(self, raw, meta):
        return {"score": raw["mean"], "error": raw["mean"]}

    def predict(self, model, images):
        return model(images)

    def batch_problem(self, batch, meta, *, training):
        return ""


class Images(torch.utils.data.Dataset):
    metainfo = {"classes": ("thing",)}

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError
        return {"inputs": torch.zeros(3, 2, 2), "data_samples": {"number": index}}


class Dataset:
    requests = ()

    def loader(self, request):
        self.requests = (*self.requests, request)
        return {
            "dataset": Images(request.samples),
            "batch_size": request.batch_size,
            "drop_last": True,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "num_workers": 0,
        }


def bench_of(*, protocol="corrected", splits=("train", "val", "test"), metric="score", **asked):
    report = "test" if "test" in splits else "val"
    told = []
    return SimpleNamespace(
        parameters={
            "dataset": {"name": "invented"},
            "oracle": {"samples": 6, "layers": [], "max_channels": None, "batch_size": 4, **asked},
            "metric": {"name": metric, "higher_is_better": metric == "score"},
            "protocol": protocol,
            "seed": 0,
            "batch_size": 2,
        },
        task=Task(),
        meta=SimpleNamespace(splits=splits, report_split=report),
        dataset=Dataset(),
        seed=0,
        progress=lambda *parts: told.append(parts),
        told=told,
        job=SimpleNamespace(inputs={}, loader_workers=0),
    )


def run_oracle(monkeypatch, bench, network):
    monkeypatch.setattr(oracle, "load_input", lambda bench, role: SimpleNamespace(model=network))
    return oracle.run_oracle(bench)


def test_a_channel_is_worth_what_the_metric_loses_without_it(monkeypatch):
    bench, network = bench_of(), Network()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    found = run_oracle(monkeypatch, bench, network)
    (layer,) = found["layers"]
    assert (layer["layer"], layer["channels"], layer["analyzed"]) == ("first", 10, list(range(10)))
    assert layer["importance"] == pytest.approx(list(WORTH), abs=1e-5)
    assert (found["split"], found["samples"], found["metric"]) == ("val", 6, "score")
    assert found["value"] == pytest.approx(1 + sum(WORTH), abs=1e-5)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert bench.told[-1] == (10, 10, "first")
    assert [request.samples for request in bench.dataset.requests] == [6], "read once"


def test_where_lower_is_better_a_rise_is_a_loss(monkeypatch):
    found = run_oracle(monkeypatch, bench_of(metric="error"), Network())
    assert found["layers"][0]["importance"] == pytest.approx([-value for value in WORTH], abs=1e-5)


def test_under_the_seed_protocol_a_filter_of_zeros_leaves_its_constant_and_nothing_is_worth_less_than_zero(monkeypatch):
    network = Network(offset=2.0)
    corrected = run_oracle(monkeypatch, bench_of(), network)["layers"][0]["importance"]
    assert corrected == pytest.approx([value + 2 for value in WORTH], abs=1e-5)
    original = run_oracle(monkeypatch, bench_of(protocol="seed"), network)["layers"][0]["importance"]
    assert original == pytest.approx([max(0.0, value) for value in WORTH], abs=1e-5)


def test_of_many_channels_some_are_drawn_by_the_seed(monkeypatch):
    layers = []
    for seed in (0, 0, 1):
        bench = bench_of(max_channels=4)
        bench.seed = seed
        layers.append(run_oracle(monkeypatch, bench, Network())["layers"][0])
    first, again, other = (layer["analyzed"] for layer in layers)
    assert len(set(first)) == 4
    assert first == sorted(first) == again != other
    assert layers[0]["importance"] == pytest.approx([WORTH[channel] for channel in first], abs=1e-5)


def test_what_is_undefined_without_a_channel_is_null_and_without_any_a_mistake(monkeypatch):
    monkeypatch.setattr(Mean, "limit", 1 + sum(WORTH) + 0.5)  # without channel 4 the mean is above it
    importance = run_oracle(monkeypatch, bench_of(), Network())["layers"][0]["importance"]
    assert [number for number, value in enumerate(importance) if value is None] == [4]
    monkeypatch.setattr(Mean, "limit", -1.0)
    with pytest.raises(UserError, match=r"oracle\.samples: score is not defined on the 6 images of val"):
        run_oracle(monkeypatch, bench_of(), Network())


@pytest.mark.parametrize(
    ("splits", "split"), [(("train", "val", "test"), "val"), (("train", "test"), "test"), (("train", "val"), "val")]
)
def test_the_images_are_of_the_validation_split_where_there_is_one(splits, split):
    images = ValidationImages(bench_of(splits=splits), samples=3, batch_size=4)
    assert (images.split, images.count, len(images.batches)) == (split, 3, 1)


def test_no_image_is_left_out_where_evaluations_leave_out_the_last_ones():
    """`Dataset` leaves out a last batch that is not full."""
    images = ValidationImages(bench_of(), samples=10, batch_size=4)
    assert [len(batch["inputs"]) for batch in images.batches] == [4, 4, 2]
    assert images.count == 10


def test_the_log_is_spared_a_table_an_evaluation(monkeypatch):
    levels = []
    monkeypatch.setattr(Mean, "compute_metrics", lambda self, results: levels.append(logger.level) or {"mean": 0.0})
    logger = validation.MMLogger.get_current_instance()
    before = logger.level
    ValidationImages(bench_of(), samples=1, batch_size=1).figure(Network(), "score")
    assert levels == [validation.logging.ERROR]
    assert logger.level == before


class Ranking(Compressor):
    scores = {"first": torch.tensor(WORTH)}

    def compress(self, model, setting, state, context):
        raise NotImplementedError

    def channel_scores(self, model, state, context):
        return self.scores


def run_compare(monkeypatch, bench, importance=WORTH, scores=None, analyzed=range(10)):
    worth = [importance[channel] for channel in analyzed]
    found = {"layer": "first", "channels": 10, "analyzed": list(analyzed), "importance": worth}
    result = {"metric": "score", "split": "val", "samples": 6, "layers": [found]}
    models = {"baseline": Network(), "candidate": Network(worth=[*WORTH[:-1], WORTH[-1] + 2])}
    monkeypatch.setattr(compare, "_oracle", lambda bench: result)
    monkeypatch.setattr(compare, "load_input", lambda bench, role: SimpleNamespace(model=models[role]))
    monkeypatch.setattr(compare, "load_compressor", lambda bench: method)
    monkeypatch.setattr(compare, "StageContext", lambda bench: None)
    method = Ranking(options=None)
    if scores is not None:
        method.scores = scores
        bench.parameters["method"] = {"name": "invented"}
    return compare.run_compare(bench)


def test_the_methods_ranking_and_l1_are_compared_with_the_oracle(monkeypatch):
    found = run_compare(monkeypatch, bench_of(), scores=Ranking.scores)
    (layer,) = found["layers"]
    assert (layer["analyzed"], layer["method_missing"], found["oracle_of"]) == (10, "", "baseline")
    assert layer["method"]["correlation"] == pytest.approx(1.0)
    # Lowest are channel 4 and, by chance, one of 0, 2 and 6, on both sides.
    assert layer["method"]["accuracy"] == pytest.approx((1 + 3 * (1 / 3) ** 2) / 2)
    # The lowest L1 norms are those of the last two channels, which are worth something.
    assert (layer["l1"]["accuracy"], layer["l1"]["k"], layer["l1"]["chance"]) == (0.0, 2, 0.2)


def test_outputs_and_convolutions_of_both_models_are_compared(monkeypatch):
    bench = bench_of()
    found = run_compare(monkeypatch, bench)
    assert found["reconstruction_mse"] == pytest.approx(4.0, abs=1e-4)  # they differ by 2 everywhere
    assert found["images"] == bench.dataset.requests[0].samples == 6, "three batches of two"
    assert found["convolutions_before"] == found["convolutions_after"] == {"layers": 2, "channels": 11}


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (None, compare.NO_COMPRESSOR),
        ({}, "invented ranks no channels"),
        ({"other": torch.zeros(3)}, "invented ranks no channels of it"),
        ({"first": torch.full((10,), math.nan)}, "all scores are NaN: no channel of it may go"),
    ],
)
def test_where_the_method_says_nothing_the_reason_is_told(monkeypatch, scores, reason):
    (layer,) = run_compare(monkeypatch, bench_of(), scores=scores)["layers"]
    assert (layer["method"], layer["method_missing"]) == (None, reason)
    assert layer["l1"]["channels"] == 10


PINNED = torch.tensor([math.nan] * 4 + [1.0] * 6)


@pytest.mark.parametrize(
    ("importance", "analyzed", "reason"),
    [
        ([None] * 10, range(10), "score is not defined without any of the channels"),
        (WORTH, range(3), "the scores of all channels that the oracle has looked at are NaN: none of them may go"),
        (WORTH[:4] + (None,) * 6, range(10), "score is not defined without any of the channels that may go"),
    ],
)
def test_the_reason_is_the_one_that_it_is(monkeypatch, importance, analyzed, reason):
    (layer,) = run_compare(monkeypatch, bench_of(), importance, {"first": PINNED}, analyzed)["layers"]
    assert (layer["method"], layer["method_missing"]) == (None, reason)


def test_a_method_that_trains_before_it_ranks_is_not_asked(monkeypatch):
    bench = bench_of()
    bench.parameters["trains_first"] = "invented"
    (layer,) = run_compare(monkeypatch, bench)["layers"]
    assert layer["method"] is None
    assert layer["method_missing"] == "invented ranks the channels of the model that its own preparation has trained"


def test_under_the_seed_protocol_the_last_models_norms_alone_are_compared(monkeypatch):
    found = run_compare(monkeypatch, bench_of(protocol="seed"), scores=Ranking.scores)
    assert found["oracle_of"] == "candidate"
    assert (found["layers"][0]["method"], found["layers"][0]["method_missing"]) == (None, compare.ORIGINAL)


def test_channels_of_unknown_worth_are_left_out(monkeypatch):
    importance = [None, *WORTH[1:]]
    (layer,) = run_compare(monkeypatch, bench_of(), importance, scores=Ranking.scores)["layers"]
    assert layer["method"]["channels"] == layer["l1"]["channels"] == 9
    (layer,) = run_compare(monkeypatch, bench_of(), [None] * 10, scores=Ranking.scores)["layers"]
    assert layer["l1"] is None


def test_scores_of_another_number_are_the_plugins_fault(monkeypatch):
    with pytest.raises(PluginError, match=r"`channel_scores` gave \[3\] for the 10 channels of first"):
        run_compare(monkeypatch, bench_of(), scores={"first": torch.zeros(3)})


def test_by_default_a_compressor_ranks_nothing():
    assert Compressor.channel_scores(Ranking(options=None), nn.Identity(), State(), None) == {}
