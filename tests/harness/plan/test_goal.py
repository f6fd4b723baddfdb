"""How far the single-step commands carry a plan out."""

import pytest
from cells import make_cell, make_stage

from harness.plan.goal import stages_towards

BASELINE = ["train model", "evaluate baseline"]
ONE = ["train model", "prepare l1", "compress l1@0.5"]


def labels(goal, pipeline="l1@0.5+finetune"):
    return [stage.label for stage in stages_towards(goal, make_cell(pipeline).stages)]


def test_training_ends_with_the_evaluation_of_the_baseline():
    assert labels("train") == BASELINE


def test_compressing_takes_what_it_starts_from_and_nothing_else():
    assert labels("compress") == ONE


def test_a_second_compressor_starts_from_the_recovery_before_it():
    recovered = "recover finetune after l1@0.5"
    assert labels("compress", "l1@0.5+finetune+l2@0.3+finetune") == [
        *ONE,
        recovered,
        "prepare l2",
        "compress l2@0.3 after finetune",
    ]


def test_recovering_takes_compressions_too_that_nothing_recovers():
    assert labels("recover") == [*ONE, "recover finetune after l1@0.5"]
    assert labels("recover", "l1@0.5+none") == ONE


def test_evaluating_is_everything_but_measuring():
    stages = make_cell().stages
    assert [stage for stage in stages if stage.kind != "measure"] == list(stages_towards("evaluate", stages))


def test_measuring_evaluates_nothing():
    assert labels("measure") == [*ONE, "recover finetune after l1@0.5", "measure l1@0.5+finetune"]
    assert labels("measure", "l1@0.5+none") == [*ONE, "measure l1@0.5+none"]


@pytest.mark.parametrize(
    ("goal", "taken"), [("train", False), ("compress", False), ("recover", False), ("evaluate", True)]
)
def test_an_oracle_and_its_comparison_belong_to_evaluating(goal, taken):
    baseline = make_stage("train", "train model")
    oracle = make_stage("oracle", "oracle", model=baseline)
    compared = make_stage("compare", "compare", baseline=baseline, oracle=oracle)
    assert ({oracle, compared} <= {*stages_towards(goal, (baseline, oracle, compared))}) is taken
