"""Weights under somebody else's names: what is renamed, and what is left for the caller to refuse."""

import logging

import pytest
import torch

from harness.engine.foreign_names import under_own_names
from harness.engine.stages import run_stage
from harness.engine.workbench import load_model_plugin, open_workbench
from harness.errors import ShapeMismatchError
from harness.plan.job import StageJob
from harness.plan.plan import make_plan
from harness.registry import ModelDescriptor, discover
from harness.spec.benchmark import Benchmark


@pytest.fixture
def named():
    def name(own, given, foreign=None, parts=()):
        descriptor = ModelDescriptor(
            name="x", summary="", implementation="", task="", foreign_names=foreign or {}, training_parts=parts
        )
        as_weights = [{name: torch.tensor(float(place)) for place, name in enumerate(names)} for names in (own, given)]
        found = under_own_names(*as_weights, descriptor)
        places = {name: int(value) for name, value in found.weights.items()}
        return places, found.report

    return name


def test_names_that_fit_stay_whatever_a_rule_says(named):
    places, report = named(["head.a", "b.head.a"], ["head.a", "b.head.a"], {"head.": "b.head."})
    assert places == {"head.a": 0, "b.head.a": 1}
    assert not report.renamed
    assert report.lines()[1:] == ["missing: 0", "unexpected: 0", "mismatched: 0"]


def test_the_longest_beginning_counts(named):
    places, report = named(["x.a", "y.a"], ["up.1.a", "up.a"], {"up.": "y.", "up.1.": "x."})
    assert places == {"x.a": 0, "y.a": 1}
    assert report.renamed == ("up.1.a -> x.a", "up.a -> y.a")
    assert "renamed: 2 (up.1.a -> x.a, up.a -> y.a)" in report.lines()


@pytest.mark.parametrize("own_first", [True, False])
def test_a_rule_takes_no_name_that_the_file_has(named, own_first):
    given = ["b.a", "head.a"] if own_first else ["head.a", "b.a"]
    places, report = named(["b.a"], given, {"head.": "b."})
    assert places["b.a"] == given.index("b.a")
    assert report.unexpected == ("head.a",)


def test_what_stands_in_front_of_all_names_is_taken_off_unless_it_is_known(named):
    assert named(["a.w", "b.w"], ["net.module.a.w", "net.module.b.w"])[0] == {"a.w": 0, "b.w": 1}
    assert named(["a.w", "b.w"], ["net.a.w", "b.w"])[1].unexpected == ("net.a.w",)
    assert named(["head.w"], ["classifier.w"], {"classifier.": "head."})[0] == {"head.w": 0}
    assert named(["a.w", "a.v"], ["a.w", "a.u"])[1].unexpected == ("a.u",)


def test_what_is_neither_ours_nor_theirs_is_reported(named):
    places, report = named(["a.w"], ["odd.w", "c.w"], {"c.": "b."})
    assert report.unexpected == ("odd.w", "c.w")
    assert report.missing == ("a.w",)
    assert set(places) == {"odd.w", "c.w"}


def test_parts_for_training_are_left_out_where_the_network_has_none(named):
    given, rules = ["a.w", "aux.w"], {"aux.": "extra."}
    assert named(["a.w"], given, rules, ("extra.",))[1].left_out == ("aux.w",)
    assert named(["a.w", "extra.v"], given, rules, ("extra.",))[1].unexpected == ("aux.w",)
    assert named(["a.w"], given, rules)[1].unexpected == ("aux.w",)


def test_counters_that_older_checkpoints_lack_are_the_networks(named):
    places, report = named(["n.running_mean", "n.num_batches_tracked"], ["n.running_mean"])
    assert places["n.num_batches_tracked"] == 1
    assert report.counters == ("n.num_batches_tracked",)
    assert not report.missing


@pytest.fixture
def job(tmp_path):
    """The stage that loads a checkpoint of a network with torchvision's names."""

    def make(checkpoint):
        model = {"name": "fcn_resnet50", "base_channels": 2, **({"checkpoint": checkpoint} if checkpoint else {})}
        benchmark = Benchmark.model_validate(
            {"methods": ["l1"], "controls": [], "ratios": [0.5], "models": [model], "datasets": ["digits"]}
        )
        stage = make_plan(benchmark, discover()).stages[0]
        return StageJob(
            fields=stage.fields, identity=stage.identity, label="x", inputs={}, work=tmp_path, root=tmp_path,
            device="cpu", checkpoint=stage.checkpoint,
        )  # fmt: skip

    return make


def quiet(done, total, text):
    pass


def test_a_checkpoint_of_the_vss_benchmark_is_loaded_and_another_class_count_told(job, tmp_path, caplog):
    bench = open_workbench(job(None), quiet)
    network = bench.task.build(load_model_plugin(bench).config(bench.meta))
    weights = {f"model.{name.replace('decode_head.', '')}": value for name, value in network.state_dict().items()}
    path = tmp_path / "best.pt"
    entry = {"epoch": 3, "val_miou": 0.5, "train_history": [{"loss": 1.0}]}
    torch.save({**entry, "model": weights}, path)
    with caplog.at_level(logging.INFO, logger="harness.stage"):
        result = run_stage(job(str(path)), quiet)
    assert result["checkpoint"]["name"] == "best.pt"
    assert f"matched: {len(weights)} (" in caplog.text
    assert f"renamed: {len(weights)} (model.backbone.conv1.weight -> backbone.conv1.weight, " in caplog.text
    for name in ("weight", "bias"):
        weights[f"model.classifier.4.{name}"] = torch.zeros(19, *weights[f"model.classifier.4.{name}"].shape[1:])
    torch.save({**entry, "model": weights}, path)
    with pytest.raises(ShapeMismatchError, match=r"2 of other shape .*classifier\.4\.bias \[19\] for \[11\]") as caught:
        run_stage(job(str(path)), quiet)
    assert "names renamed: model." in caught.value.message
    assert "another number of classes" in caught.value.hint
