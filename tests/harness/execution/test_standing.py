"""Where stages and cells stand, and the reason that people are told."""

import os
import shutil

import pytest
from cells import complete, complete_cell, make_cell

from harness.execution.standing import EarlierStages, Standing, Standings
from harness.execution.states import RetryRule, read_states
from harness.plan.identity import StageFields
from harness.plan.stage import Stage
from harness.plan.staleness import changes, explained
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import publish_failure

PLANNED = make_cell()
TRAIN, EVALUATE, PREPARE, COMPRESS, *_ = PLANNED.stages
MEASURE = PLANNED.measured


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def standings(layout, stages=PLANNED.stages, **reading):
    return Standings(read_states(stages, layout, **reading), layout)


def cell(layout, **reading):
    return standings(layout, **reading).cell(PLANNED)


def fail(layout, stage, kind="oom", **keys):
    work, failure = layout.work(stage.kind, stage.identity), Failure(kind=kind, message="too big")
    publish_failure(layout, work, stage.kind, stage.identity, stage.label, failure, **keys)


def interrupt(layout, stage):
    layout.work(stage.kind, stage.identity).mkdir(parents=True)


def outdate(layout, stage):
    """Completes what the stage was before a plugin's new version."""
    plugins = {"task": {**stage.fields.plugins["task"], "version": "0"}}
    complete(layout, remade(stage, plugins=plugins))


def remade(stage, inputs=None, **fields):
    inputs = dict(stage.inputs) if inputs is None else inputs
    identities = {role: source.identity for role, source in inputs.items()}
    made = stage.fields.model_copy(update={**fields, "inputs": identities})
    return Stage(fields=made, label=stage.label, subject=stage.subject, inputs=tuple(inputs.items()))


def damage(layout, stage):
    (layout.stage(stage.kind, stage.identity) / "stage.json").write_text("{")


class TestStage:
    def test_complete(self, layout):
        complete(layout, TRAIN)
        assert standings(layout).stage(TRAIN) == Standing("complete")

    def test_complete_meanwhile(self, layout):
        """Published by another process since the states were read."""
        states = read_states(PLANNED.stages, layout)
        complete(layout, TRAIN)
        assert Standings(states, layout).stage(TRAIN) == Standing("complete")

    def test_never_run(self, layout):
        assert standings(layout).stage(TRAIN) == Standing("never_run")

    def test_in_flight_here(self, layout):
        lock = StageLock(layout, TRAIN.kind, TRAIN.identity)
        assert lock.acquire()
        interrupt(layout, TRAIN)
        standing = standings(layout).stage(TRAIN)
        lock.release()
        assert standing.state == "in_flight"
        assert standing.reason.startswith(f"process {os.getpid()} on ")
        assert standings(layout).stage(TRAIN).state == "interrupted"

    @pytest.mark.parametrize("rule", [None, RetryRule(lambda failure: True)], ids=["kept", "retried"])
    def test_failed_also_when_it_is_to_be_tried_again(self, layout, rule):
        fail(layout, TRAIN)
        found = standings(layout, retry=rule)
        assert found.stage(TRAIN) == Standing("failed", "oom: too big")

    def test_blocked(self, layout):
        fail(layout, TRAIN)
        assert standings(layout).stage(MEASURE) == Standing("blocked", "train model failed")

    @pytest.mark.parametrize("rule", [None, RetryRule(interrupted=False)], ids=["continued", "left"])
    def test_interrupted(self, layout, rule):
        interrupt(layout, TRAIN)
        assert standings(layout, retry=rule).stage(TRAIN) == Standing("interrupted", "stopped while it was in flight")

    def test_failed_from_outside_is_failed_although_its_work_is_there(self, layout):
        interrupt(layout, TRAIN)
        fail(layout, TRAIN, kind="worker_lost", transient=True)
        assert standings(layout).stage(TRAIN) == Standing("failed", "worker_lost: too big")

    def test_damaged(self, layout):
        complete(layout, TRAIN)
        damage(layout, TRAIN)
        folder = layout.stage(TRAIN.kind, TRAIN.identity)
        standing = standings(layout).stage(TRAIN)
        assert standing.state == "stale"
        assert standing.reason.startswith(f"damaged: {folder / 'stage.json'}: is not JSON")

    def test_without_its_weights(self, layout):
        complete(layout, TRAIN)
        (layout.stage(TRAIN.kind, TRAIN.identity) / "model" / "weights.bin").unlink()
        assert str(standings(layout).stage(TRAIN)).endswith("model/weights.bin is missing")

    def test_stale(self, layout):
        outdate(layout, TRAIN)
        assert standings(layout).stage(TRAIN) == Standing("stale", "invented 0 -> 1")


class TestCell:
    def test_complete(self, layout):
        complete_cell(layout, PLANNED)
        assert str(cell(layout)) == "complete"

    def test_never_run(self, layout):
        assert str(cell(layout)) == "never run"

    def test_never_run_although_shared_stages_are_there(self, layout):
        for stage in (TRAIN, EVALUATE, PREPARE):
            complete(layout, stage)
        assert str(cell(layout)) == "never run: 3 of 8 stages are there already"

    def test_interrupted_between_two_stages(self, layout):
        for stage in (TRAIN, EVALUATE, PREPARE, COMPRESS):
            complete(layout, stage)
        assert str(cell(layout)) == "interrupted: 4 of 8 stages are there"

    def test_interrupted_within_a_stage(self, layout):
        interrupt(layout, TRAIN)
        assert str(cell(layout)) == "interrupted: train model: stopped while it was in flight"

    @pytest.mark.parametrize(("stage", "state"), [(TRAIN, "blocked"), (PREPARE, "blocked"), (COMPRESS, "failed")])
    def test_failed_by_its_own_work_and_blocked_by_what_it_shares(self, layout, stage, state):
        fail(layout, stage)
        assert cell(layout) == Standing(state, f"{stage.label}: oom: too big")

    def test_in_flight(self, layout):
        lock = StageLock(layout, PREPARE.kind, PREPARE.identity)
        assert lock.acquire()
        standing = cell(layout)
        lock.release()
        assert standing.state == "in_flight"
        assert standing.reason.startswith(f"prepare l1: process {os.getpid()} on ")

    def test_stale(self, layout):
        complete_cell(layout, PLANNED)
        shutil.rmtree(layout.stage(MEASURE.kind, MEASURE.identity))
        outdate(layout, MEASURE)
        assert cell(layout) == Standing("stale", "invented 0 -> 1")

    def test_damaged(self, layout):
        complete_cell(layout, PLANNED)
        damage(layout, MEASURE)
        assert str(cell(layout)).startswith("stale: damaged: ")

    def test_the_worst_comes_first(self, layout):
        """One thing after another is put right, the worst first; the cell's state follows."""
        complete(layout, TRAIN)
        complete(layout, COMPRESS)
        for stage in PLANNED.stages[4:]:
            outdate(layout, stage)
        interrupt(layout, PREPARE)
        lock = StageLock(layout, EVALUATE.kind, EVALUATE.identity)
        assert lock.acquire()
        fail(layout, MEASURE)
        assert cell(layout).state == "failed"
        shutil.rmtree(layout.failure(MEASURE.kind, MEASURE.identity))
        assert cell(layout).state == "in_flight"
        lock.release()
        assert cell(layout).state == "interrupted"
        shutil.rmtree(layout.work(PREPARE.kind, PREPARE.identity))
        assert cell(layout).state == "stale"
        shutil.rmtree(layout.stages)
        complete(layout, COMPRESS)
        assert cell(layout).state == "interrupted"
        shutil.rmtree(layout.stages)
        assert cell(layout).state == "never_run"


FIELDS = {
    "kind": "compress",
    "parameters": {"budget": {"iterations": 50, "lr": 0.01}, "seed": 0, "checkpoint": {"sha256": "aa"}, "ratio": 0.5},
    "plugins": {
        "method": {"distribution": "bench-pruning", "version": "0.1.0", "source": "aa"},
        "task": {"distribution": "bench-segmentation", "version": "0.1.0", "source": None},
    },
    "dataset": "f" * 64,
    "inputs": {"model": "1" * 64},
    "semantics": 1,
}
BEFORE = StageFields.model_validate(FIELDS).model_dump(mode="json")


def with_value(path, value):
    """The fields with another value at a dotted path."""
    changed = StageFields.model_validate(FIELDS).model_dump(mode="json")
    *way, last = path.split(".")
    place = changed
    for key in way:
        place = place[key]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "phrase"),
    [
        ("plugins.method.version", "0.2.0", "bench-pruning 0.1.0 -> 0.2.0"),
        ("plugins.method.source", "bb", "source of bench-pruning"),
        ("plugins.task.source", "bb", "source of bench-segmentation"),
        ("plugins.method.distribution", "other", "plugin method.distribution bench-pruning -> other"),
        ("dataset", "e" * 64, "data set fingerprint"),
        ("dataset", None, "data set fingerprint"),
        ("parameters.budget.iterations", 100, "budget.iterations 50 -> 100"),
        ("parameters.budget.amp", True, "budget.amp none -> True"),
        ("parameters.seed", 1, "seed 0 -> 1"),
        ("parameters.ratio", None, "ratio 0.5 -> none"),
        ("parameters.ratio", "x" * 50, f"ratio 0.5 -> {'x' * 37}..."),
        ("parameters.budget", [1, 2], "budget {'iterations': 50, 'lr': 0.01} -> [1, 2]"),
        ("parameters.checkpoint.sha256", "bb", "content of checkpoint"),
        ("inputs.model", "2" * 64, "input model"),
        ("semantics", 2, "engine semantics 1 -> 2"),
        ("identity_version", 2, "identity_version 1 -> 2"),
    ],
)
def test_a_changed_field_is_told_in_words(path, value, phrase):
    (change,) = changes(BEFORE, with_value(path, value))
    assert str(change) == phrase
    assert ".".join(change.path) == path


def test_equal_fields_have_not_changed():
    assert changes(BEFORE, with_value("parameters.seed", 0)) == []


def test_several_changes_are_one_phrase_and_each_is_said_once():
    after = with_value("parameters.seed", 1)
    for role in ("method", "task"):
        after["plugins"][role] = {"distribution": "bench-pruning", "version": "0.2.0", "source": None}
    before = {**BEFORE, "plugins": {role: FIELDS["plugins"]["method"] for role in ("method", "task")}}
    phrase = explained(changes(before, after))
    assert phrase == "seed 0 -> 1, source of bench-pruning, bench-pruning 0.1.0 -> 0.2.0"
    assert explained([]) == ""


class TestCause:
    """Why a stage has to run again is found where the change happened, not where it shows."""

    def test_it_is_found_through_two_inputs(self, layout):
        old = remade(TRAIN, parameters={**TRAIN.fields.parameters, "budget": {"iterations": 50}})
        new = remade(TRAIN, parameters={**TRAIN.fields.parameters, "budget": {"iterations": 100}})
        chains = []
        for train in (old, new):
            prepared = remade(PREPARE, {"model": train})
            compressed = remade(COMPRESS, {"model": train, "state": prepared})
            chains.append((train, prepared, compressed, remade(MEASURE, {"candidate": compressed, "baseline": train})))
        for stage in chains[0]:
            complete(layout, stage)
        found = standings(layout, chains[1])
        for stage in chains[1]:
            assert found.stage(stage) == Standing("stale", "budget.iterations 50 -> 100"), stage.label

    def test_its_own_change_is_told_with_that_of_its_input(self, layout):
        complete(layout, remade(TRAIN, dataset="a"))
        complete(layout, remade(PREPARE, {"model": remade(TRAIN, dataset="a")}, semantics=0))
        planned = [remade(TRAIN, dataset="b")]
        planned.append(remade(PREPARE, {"model": planned[0]}))
        assert standings(layout, planned).stage(planned[1]).reason == "data set fingerprint, engine semantics 0 -> 1"

    def test_an_input_of_which_nothing_is_known_is_named_itself(self, layout):
        complete(layout, remade(PREPARE, {"model": remade(TRAIN, dataset="a")}))
        assert standings(layout).stage(PREPARE).reason == "input model"

    @pytest.mark.parametrize("days", [(1, 2), (2, 1)])
    def test_it_is_told_against_the_likest_of_the_earlier_ones(self, layout, days):
        far = {"task": {**TRAIN.fields.plugins["task"], "version": "0"}}
        complete(layout, remade(TRAIN, plugins=far, dataset="a", semantics=0), day=days[0])
        complete(layout, remade(TRAIN, dataset="b"), day=days[1])
        assert standings(layout).stage(TRAIN).reason == "data set fingerprint"

    @pytest.mark.parametrize("newest", [2, 3, 4])
    def test_of_equally_like_ones_it_is_told_against_the_newest(self, layout, newest):
        for semantics in (2, 3, 4):
            complete(layout, remade(TRAIN, semantics=semantics), day=9 if semantics == newest else semantics)
        assert standings(layout).stage(TRAIN).reason == f"engine semantics {newest} -> 1"

    def test_stages_of_another_model_or_seed_or_label_say_nothing(self, layout):
        for key in ("label", "subject"):
            other = remade(TRAIN, dataset="a")
            texts = {"label": TRAIN.label, "subject": TRAIN.subject, key: "another"}
            complete(layout, Stage(fields=other.fields, **texts))
            assert standings(layout).stage(TRAIN) == Standing("never_run")


def test_earlier_stages_are_those_the_plan_does_not_ask_for(layout):
    complete(layout, TRAIN)
    old = remade(TRAIN, dataset="a")
    complete(layout, old)
    damaged = remade(TRAIN, dataset="b")
    complete(layout, damaged)
    damage(layout, damaged)
    earlier = EarlierStages(layout, frozenset([TRAIN.identity]))
    assert [file.identity for file in earlier] == [old.identity]
    assert [file.identity for file in earlier.like(TRAIN)] == [old.identity]
    assert earlier.like(MEASURE) == []
