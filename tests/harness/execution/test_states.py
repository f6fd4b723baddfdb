"""Where stages stand: against a plain reading of the rules, and by what lies in a results folder."""

from itertools import islice

import pytest
from cells import complete, make_cell, make_stage
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.execution.states import RetryRule, StageStates, read_states
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import failure_stamp, publish_failure

TRAIN, EVALUATE, PREPARE, COMPRESS, *REST = make_cell().stages
STAGES = make_cell().stages
BAD = Failure(kind="oom", message="too big")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


class Plain:
    """The rules as one would write them down, with no thought of speed."""

    def __init__(self, stages):
        self.stages, self.states = stages, dict.fromkeys(stages, "waiting")

    def set(self, stage, state):
        before, self.states[stage] = self.states[stage], state
        if state == "failed" and before != "failed":
            behind = {stage}
            for other in self.stages:
                if self.states[other] == "waiting" and any(source in behind for _, source in other.inputs):
                    self.states[other] = "blocked"
                    behind.add(other)

    def ready(self):
        return [
            stage
            for stage in self.stages
            if self.states[stage] == "waiting" and all(self.states[source] == "complete" for _, source in stage.inputs)
        ]

    def count(self, *states):
        return sum(state in states for state in self.states.values())

    def open_by_kind(self):
        kinds = [stage.kind for stage in self.stages if self.states[stage] in ("waiting", "running")]
        return {kind: kinds.count(kind) for kind in kinds}


STATES = ("waiting", "running", "complete", "failed", "blocked", "interrupted")
KINDS = ("train", "compress", "evaluate", "measure")


@st.composite
def graphs(draw):
    stages = []
    for number in range(draw(st.integers(1, 9))):
        sources = draw(st.lists(st.sampled_from(stages), max_size=3)) if stages else []
        inputs = {f"input{place}": source for place, source in enumerate(sources)}
        stages.append(make_stage(draw(st.sampled_from(KINDS)), f"stage {number}", **inputs))
    return stages


CHANGES = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 8), st.sampled_from(STATES)),
    st.tuples(st.just("start"), st.integers(0, 3), st.just("running")),
    st.tuples(st.just("finish as they come"), st.integers(0, 3), st.just("complete")),
)


@settings(max_examples=150, deadline=None)
@given(stages=graphs(), changes=st.lists(CHANGES, max_size=25))
def test_it_is_as_the_plain_rules_say_after_every_change(stages, changes):
    states, plain = StageStates(stages), Plain(stages)
    for what, number, state in changes:
        if what == "set":
            states.set(stages[number % len(stages)], state)
            plain.set(stages[number % len(stages)], state)
        else:
            expected = plain.ready()[:number] if what == "start" else []
            taken = []
            for stage in islice(states.ready(), number):
                taken.append(stage)
                states.set(stage, state)
                plain.set(stage, state)
            assert what != "start" or taken == expected
        assert {stage: states[stage] for stage in stages} == plain.states
        assert list(states.ready()) == plain.ready()
        assert list(states.ready()) == plain.ready(), "to look changes nothing"
        assert states.any_ready() == bool(plain.ready())
        assert states.open_by_kind() == plain.open_by_kind()
        assert [states.count(state) for state in STATES] == [plain.count(state) for state in STATES]
        assert states.count("waiting", "failed") == plain.count("waiting", "failed")


def test_stages_are_ready_in_the_plans_order_behind_their_inputs():
    states, order = StageStates(STAGES), []
    while states.any_ready():
        stage = next(iter(states.ready()))
        states.set(stage, "complete")
        order.append(stage)
    assert order == list(STAGES)


def test_what_becomes_ready_while_one_looks_is_seen():
    states = StageStates(STAGES)
    seen = []
    for stage in states.ready():
        seen.append(stage)
        states.set(stage, "complete")
    assert seen == list(STAGES)


def test_what_was_seen_and_not_started_is_still_ready():
    states = StageStates(STAGES)
    states.set(TRAIN, "complete")
    looking = states.ready()
    assert [next(looking), next(looking)] == [EVALUATE, PREPARE]
    looking.close()
    assert list(states.ready()) == [EVALUATE, PREPARE]


def test_a_complete_stage_that_waits_again_holds_up_what_has_not_run():
    states = StageStates(STAGES)
    for stage in (TRAIN, EVALUATE, PREPARE):
        states.set(stage, "complete")
    assert list(states.ready()) == [COMPRESS]
    states.set(TRAIN, "waiting")
    assert list(states.ready()) == [TRAIN]
    assert states[EVALUATE] == "complete"
    states.set(TRAIN, "complete")
    assert list(states.ready()) == [COMPRESS]


def test_a_failure_blocks_all_that_starts_from_it_and_is_named_by_them():
    states = StageStates(STAGES)
    for stage in (TRAIN, EVALUATE):
        states.set(stage, "complete")
    states.set(PREPARE, "failed", BAD)
    assert states.failures == {PREPARE: BAD}
    assert states.count("complete") == 2
    assert {stage.label: states[stage] for stage in (COMPRESS, *REST)} == {
        stage.label: "blocked" for stage in (COMPRESS, *REST)
    }
    assert {states.blocker(stage) for stage in (COMPRESS, *REST)} == {PREPARE}
    assert states.blocker(PREPARE) is None
    assert not states.any_ready()


def test_a_stage_that_is_named_twice_is_one():
    states = StageStates([*STAGES, *STAGES])
    assert states.stages == list(STAGES)
    assert states.count("waiting") == len(STAGES)


def test_an_input_in_two_roles_is_waited_for_once():
    both = make_stage("measure", "measure", candidate=TRAIN, baseline=TRAIN)
    states = StageStates([TRAIN, both])
    states.set(TRAIN, "complete")
    assert list(states.ready()) == [both]


OOM, MISTAKE, LOST = (Failure(kind=kind, message="x") for kind in ("oom", "config_error", "worker_lost"))
RULES = {
    "interrupted": RetryRule(),
    "none": RetryRule(interrupted=False),
    "all": RetryRule(failed=lambda failure: True),
    "oom": RetryRule(failed=lambda failure: failure.kind == "oom"),
}


@pytest.mark.parametrize(
    ("failure", "transient", "tried"),
    [
        (OOM, False, {"all", "oom"}),
        (OOM, True, {"interrupted", "all", "oom"}),
        (LOST, False, {"all"}),
        (LOST, True, {"interrupted", "all", "oom"}),
        (MISTAKE, False, set(RULES)),
        (MISTAKE, True, set(RULES)),
    ],
)
def test_what_is_tried_again(layout, failure, transient, tried):
    work = layout.work(TRAIN.kind, TRAIN.identity)
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, "train", failure, transient=transient)
    stamp = failure_stamp(layout, TRAIN.kind, TRAIN.identity)
    for name, rule in RULES.items():
        assert rule.applies(failure, transient=transient) is (name in tried)
        states = read_states(STAGES, layout, retry=rule)
        assert states[TRAIN] == ("waiting" if name in tried else "failed"), name
        assert states.retried == ({TRAIN: stamp} if name in tried else {})
        assert states.failures == ({} if name in tried else {TRAIN: failure})
        assert states[EVALUATE] == ("waiting" if name in tried else "blocked")
    as_they_stand = read_states(STAGES, layout)
    assert (as_they_stand[TRAIN], as_they_stand[EVALUATE]) == ("failed", "blocked")


@pytest.mark.parametrize("name", RULES)
def test_what_was_in_flight_is_continued_unless_nothing_is_to_be_tried_again(layout, name):
    layout.work(TRAIN.kind, TRAIN.identity).mkdir(parents=True)
    states = read_states(STAGES, layout, retry=RULES[name])
    assert states[TRAIN] == ("interrupted" if name == "none" else "waiting")
    assert states.any_ready() is (name != "none")


def test_a_complete_stage_is_complete_whatever_else_lies_there(layout):
    publish_failure(layout, layout.work(TRAIN.kind, TRAIN.identity), TRAIN.kind, TRAIN.identity, "train", OOM)
    layout.work(TRAIN.kind, TRAIN.identity).mkdir(parents=True)
    complete(layout, EVALUATE, seconds=3)
    complete(layout, TRAIN, seconds=7)
    states = read_states(STAGES, layout, retry=RULES["none"])
    assert (states[TRAIN], states[EVALUATE], states.count("complete")) == ("complete", "complete", 2)
    assert states.seconds == {TRAIN: 7, EVALUATE: 3}
    assert list(states.ready()) == [PREPARE]


def test_what_cannot_be_believed_is_as_if_it_were_not_there(layout):
    for stage in STAGES:
        complete(layout, stage)
    (layout.stage(TRAIN.kind, TRAIN.identity) / "stage.json").write_text("{")
    (layout.stage(EVALUATE.kind, EVALUATE.identity) / "model" / "weights.bin").write_text("")
    publish_failure(layout, layout.work(TRAIN.kind, TRAIN.identity), TRAIN.kind, TRAIN.identity, "train", OOM)
    (layout.failure(TRAIN.kind, TRAIN.identity) / "failure.json").write_text("{")
    states = read_states(STAGES, layout)
    assert list(states.ready()) == [TRAIN]
    assert states.count("complete") == len(STAGES) - 2


def test_a_read_folder_is_left_as_it_is(layout):
    read_states(STAGES, layout)
    assert list(layout.root.iterdir()) == []
