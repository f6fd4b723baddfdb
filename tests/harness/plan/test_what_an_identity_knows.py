"""Whatever determines a stage's outcome changes its identity and those behind it; nothing else does.

See the table of `docs/design/identity.md`.
"""

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_plugins import invented_registry

from harness.errors import PluginError
from harness.plan import drawing
from harness.plan.identity import CommonFields, StageFields, canonical_json, identity_of
from harness.plan.plan import make_plan
from harness.registry.distribution import PluginDistribution
from harness.spec.benchmark import Benchmark

HARDWARE = {"cpu": "invented", "cores": 2, "machine": "invented", "gpus": []}
KEYS = {"name": "test", "methods": ["prune"], "ratios": [0.5]}

# The stages of a cell, in order, by one letter: train, evaluate the baseline, prepare, compress, evaluate what was
# compressed, recover, evaluate what was recovered, measure.
ALL = "tbpcerfm"
FROM_PREPARE = "pcerfm"
FROM_COMPRESS = "cerfm"
FROM_RECOVER = "rfm"
EVALUATIONS = "bef"
MEASURE = "m"


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(drawing, "hardware", lambda: HARDWARE)
        patch.setattr(drawing, "version", lambda name: "9.9")
        yield invented_registry(folder)


def plan(registry, keys=None, device="cpu", **more):
    return make_plan(Benchmark.model_validate({**KEYS, **(keys or {}), **more}), registry, device=device)


def letters(made, cell=0):
    """The identities of one cell's stages by the letters above."""
    planned = made.cells[cell]
    baseline, compressed, recovered = planned.points
    stages = (
        baseline.made, baseline.evaluated, planned.prepared[0], compressed.made, compressed.evaluated, recovered.made,
        recovered.evaluated, planned.measured,
    )  # fmt: skip
    return {letter: stage.identity for letter, stage in zip(ALL, stages, strict=True)}


def changed(one, other):
    return "".join(letter for letter in ALL if letters(one)[letter] != letters(other)[letter])


def test_pinned_values(registry):
    """A change here means that no result of an earlier version is found again; a new default does that too."""
    assert {letter: identity[:12] for letter, identity in letters(plan(registry)).items()} == {
        "t": "78a2e2830817",
        "b": "c1df53ef3ff1",
        "p": "672a9639196c",
        "c": "3dfdff729ac3",
        "e": "686983ffc73d",
        "r": "c0ca28573544",
        "f": "4f739cd561fe",
        "m": "f9a68386c907",
    }


CHANGES = [
    ({"seeds": [1]}, ALL),
    ({"protocol": "seed"}, FROM_PREPARE),
    ({"deterministic": True}, ALL),
    ({"models": [{"name": "net", "width": 16}]}, ALL),
    ({"datasets": [{"name": "shapes", "size": 64}]}, ALL),
    ({"training": {"iterations": 71}}, ALL),
    ({"training": {"batch_size": 8}}, ALL),
    ({"training": {"optimizer": {"lr": 0.5}}}, ALL),
    ({"training": {"schedule": {"power": 0.5}}}, ALL),
    ({"training": {"amp": True}}, ALL),
    ({"calibration": {"samples": 65}}, FROM_PREPARE),
    ({"calibration": {"batch_size": 8}}, FROM_PREPARE),
    ({"methods": ["prune(steps=2)"]}, FROM_PREPARE),
    ({"methods": ["prune(mode=slow)"]}, FROM_PREPARE),
    ({"methods": ["search"]}, FROM_PREPARE),
    ({"ratios": [0.25]}, FROM_COMPRESS),
    ({"ratio_of": "macs"}, FROM_COMPRESS),
    ({"recovery": {"iterations": 21}}, FROM_RECOVER),
    ({"recovery": {"batch_size": 8}}, FROM_RECOVER),
    ({"recovery": {"optimizer": {"type": "SGD", "lr": 0.5}}}, FROM_RECOVER),
    ({"recovery": {"schedule": {"type": "poly"}}}, FROM_RECOVER),
    ({"recovery": {"amp": True}}, FROM_RECOVER),
    ({"methods": [], "pipelines": ["prune@0.5+tune(rate=2)"]}, FROM_RECOVER),
    ({"methods": [], "pipelines": ["prune@0.5+mimic"]}, FROM_RECOVER),
    ({"methods": [], "pipelines": ["prune@0.5+tune&mimic"]}, FROM_RECOVER),
    ({"evaluation": {"samples": 5}}, EVALUATIONS),
    ({"evaluation": {"batch_size": 8}}, EVALUATIONS),
    ({"measurement": {"batch_size": 2}}, MEASURE),
    ({"measurement": {"rounds": 7}}, MEASURE),
    ({"measurement": {"warmup_seconds": 1}}, MEASURE),
    ({"measurement": {"threads": 2}}, MEASURE),
]


@pytest.mark.parametrize(
    ("keys", "expected"), CHANGES, ids=lambda value: value if isinstance(value, str) else str(value)
)
def test_what_is_asked_for_reaches_the_stages_that_depend_on_it(registry, keys, expected):
    assert changed(plan(registry), plan(registry, keys)) == expected


def test_options_that_only_compress_acts_on_leave_the_preparation_alone(registry):
    one, other = (plan(registry, {"methods": [f"carve({text})"]}) for text in ("grain=1", "grain=2"))
    assert changed(one, other) == FROM_COMPRESS
    assert changed(one, plan(registry, {"methods": ["carve(mode=slow)"]})) == FROM_PREPARE
    together = plan(registry, {"methods": ["carve(grain=1)", "carve(grain=2)", "carve(grain=2;mode=slow)"]})
    prepared = [stage.fields.parameters["method"] for stage in together.stages if stage.fields.kind == "prepare"]
    assert prepared == [{"name": "carve", "options": {"mode": mode}} for mode in ("fast", "slow")]


def test_a_search_depends_on_what_its_target_is_a_fraction_of(registry):
    """And is not the stale version of a search for another: its subject differs, too."""
    of_channels, of_macs = (plan(registry, {"methods": ["search"], **keys}) for keys in ({}, {"ratio_of": "macs"}))
    assert changed(of_channels, of_macs) == FROM_PREPARE
    subjects = [
        {stage.subject for stage in made.stages if stage.fields.kind == "prepare"} for made in (of_channels, of_macs)
    ]
    assert subjects[0].isdisjoint(subjects[1])
    shared = [
        {s.subject for s in plan(registry, {"ratio_of": of}).stages if s.fields.kind == "prepare"}
        for of in ("macs", "channels")
    ]
    assert shared[0] == shared[1]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("invented-task", ALL),
        ("invented-methods", FROM_PREPARE),
        ("invented-tracing", FROM_PREPARE),
        ("invented-recoveries", FROM_RECOVER),
    ],
)
@pytest.mark.parametrize("key", ["distribution", "version", "source"])
def test_a_plugins_version_and_source_reach_the_stages_that_use_it(registry, monkeypatch, distribution, expected, key):
    before = plan(registry)
    stated = PluginDistribution.provenance

    def changed_provenance(self):
        return {**stated(self), key: "other"} if self.name == distribution else stated(self)

    monkeypatch.setattr(PluginDistribution, "provenance", changed_provenance)
    assert changed(before, plan(registry)) == expected


def test_the_content_of_the_data_and_of_a_zoos_member_reach_everything(registry, monkeypatch):
    before = plan(registry)
    with monkeypatch.context() as patch:
        dataset = type(registry.dataset("painting", "shapes").descriptor)
        patch.setattr(dataset, "fingerprint", lambda self, options: "other shapes")
        assert changed(before, plan(registry)) == ALL
    model = type(registry.model("painting", "net").plugin.descriptor)
    monkeypatch.setattr(model, "fingerprint", lambda self, member: "other config")
    assert changed(before, plan(registry)) == ALL


def test_where_it_runs_reaches_measure_alone(registry, monkeypatch):
    before = plan(registry)
    assert changed(before, plan(registry, device="cuda:1")) == MEASURE
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "hardware", lambda: {**HARDWARE, "cores": 4})
        assert changed(before, plan(registry)) == MEASURE
    monkeypatch.setattr(drawing, "version", lambda name: "10.0")
    assert changed(before, plan(registry)) == MEASURE


def test_the_device_that_auto_means_is_the_device(registry):
    assert changed(plan(registry, device="auto"), plan(registry, device="cpu")) == ""


@pytest.mark.parametrize(
    "keys",
    [
        {"name": "another"},
        {"seeds": [0, 1]},
        {"methods": ["prune", "search"], "ratios": [0.5, 0.2]},
        {"controls": ["search"], "exclude": [{"ratio": 0.1}]},
        {"methods": ["prune(mode=fast;steps=1)"]},
        {"methods": [{"prune": {"steps": 1, "mode": "fast"}}]},
        {"methods": ["invented-methods:prune"]},
        {"methods": [], "pipelines": ["prune@0.50 + tune(rate=1)"]},
        {"models": ["net"], "datasets": [{"name": "shapes", "size": 32}], "task": "painting"},
        {"models": ["invented-task:net"], "datasets": ["invented-task:shapes"]},
        {"training": {"iterations": 70}, "recovery": {"iterations": 20}, "calibration": {}, "evaluation": {}},
    ],
    ids=str,
)
def test_how_it_is_written_and_what_else_is_asked_for_reach_nothing(registry, keys):
    assert changed(plan(registry), plan(registry, keys)) == ""


def test_no_path_and_no_worker_count_is_in_any_field(registry, monkeypatch, tmp_path):
    before = plan(registry)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    moved = plan(registry)
    assert changed(before, moved) == ""
    written = canonical_json([stage.fields.model_dump(mode="json") for stage in moved.stages])
    assert "/" not in written.replace("method/invented-tracing", "")
    assert "worker" not in written


MIXED = [
    ({"seeds": [0]}, {"seeds": [1]}),
    ({"ratios": [0.5]}, {"ratios": [0.25]}),
    ({"methods": ["prune"]}, {"methods": [{"prune": {"mode": "slow"}}]}),
    ({"protocol": "corrected"}, {"protocol": "seed"}),
    ({"deterministic": False}, {"deterministic": True}),
    ({"training": {"iterations": 70}}, {"training": {"iterations": 1}}),
    ({"recovery": {"iterations": 20}}, {"recovery": {"iterations": 1}}),
    ({"calibration": {"samples": 64}}, {"calibration": {"samples": 1}}),
    ({"evaluation": {"samples": None}}, {"evaluation": {"samples": 1}}),
    ({"measurement": {"rounds": 50}}, {"measurement": {"rounds": 5}}),
]
choices = st.tuples(*(st.integers(0, 1) for _ in MIXED))


@settings(max_examples=80, deadline=None)
@given(choices, choices, st.randoms(use_true_random=False))
def test_two_benchmarks_share_their_cells_exactly_if_they_ask_for_the_same(registry, one, other, random):
    """Each choice reaches a stage that it alone decides on; the order in which keys stand decides nothing."""

    def identities(chosen):
        keys = {key: value for pair, index in zip(MIXED, chosen, strict=True) for key, value in pair[index].items()}
        written = list(keys.items())
        random.shuffle(written)
        return letters(plan(registry, dict(written)))

    assert (identities(one) == identities(other)) == (one == other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(max_size=5), json_values, max_size=4)


def reordered(value, random):
    """The value with the keys of all objects in another order."""
    if isinstance(value, list):
        return [reordered(item, random) for item in value]
    if not isinstance(value, dict):
        return value
    items = [(key, reordered(item, random)) for key, item in value.items()]
    random.shuffle(items)
    return dict(items)


@settings(max_examples=200, deadline=None)
@given(json_objects, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter_at_any_depth(parameters, random):
    fields = StageFields(kind="compress", parameters=parameters, inputs={"model": "aa", "state": "bb"})
    data = reordered(fields.model_dump(mode="json"), random)
    assert identity_of(StageFields.model_validate(data)) == identity_of(fields)


@settings(max_examples=200, deadline=None)
@given(json_objects)
def test_what_was_stored_has_the_identity_of_what_was_planned(parameters):
    fields = StageFields(kind="compress", parameters=parameters)
    stored = json.loads(json.dumps(fields.model_dump(mode="json"), indent=2, ensure_ascii=False))
    assert identity_of(StageFields.model_validate(stored)) == identity_of(fields)


@settings(max_examples=200, deadline=None)
@given(json_objects, st.dictionaries(st.sampled_from(["model", "state", "é"]), st.text(max_size=5), max_size=3))
def test_fields_that_are_written_out_once_give_the_same_identity(parameters, inputs):
    common = CommonFields(StageFields(kind="recover", parameters=parameters, inputs={"model": "of another"}))
    fields, identity = common.with_inputs(inputs)
    assert fields == StageFields(kind="recover", parameters=parameters, inputs=inputs)
    assert identity == identity_of(fields)


@settings(max_examples=200, deadline=None)
@given(json_values, json_values)
def test_two_values_share_an_identity_exactly_if_they_are_written_alike(one, other):
    first, second = (identity_of(StageFields(kind="train", parameters={"value": value})) for value in (one, other))
    assert (first == second) == (canonical_json(one) == canonical_json(other))


@pytest.mark.parametrize("values", list(permutations([1, 1.0, True, "1", [1], None], 2)), ids=str)
def test_values_of_different_types_are_different(values):
    first, second = (identity_of(StageFields(kind="train", parameters={"value": value})) for value in values)
    assert first != second


def test_planned_identities_are_those_of_their_fields_as_stored(registry):
    made = plan(registry, methods=["prune", "search"], ratios=[0.2, 0.5], seeds=[0, 1])
    for stage in made.stages:
        stored = json.loads(json.dumps(stage.fields.model_dump(mode="json")))
        assert identity_of(StageFields.model_validate(stored)) == stage.identity


def test_a_cell_has_the_stages_that_it_has_alone(registry):
    """Whatever cells share while they are planned, none gets what belongs to another."""
    grid = {
        "models": ["net", "wide_net"],
        "datasets": ["shapes", "dots"],
        "methods": ["prune", "prune(steps=2)", "search"],
        "pipelines": ["prune@0.5+nothing+prune@0.5+tune(rate=2)", "prune@0.5+tune&mimic"],
        "ratios": [0.2, 0.5],
        "seeds": [0, 1],
    }
    planned_cells = plan(registry, grid).cells
    assert len(planned_cells) == 64
    for planned in planned_cells:
        cell = planned.cell
        keys = {"models": [cell.model], "datasets": [cell.dataset], "seeds": [cell.seed]}
        (alone,) = plan(registry, methods=[], pipelines=[str(cell.pipeline)], **keys).cells
        assert [stage.identity for stage in planned.stages] == [stage.identity for stage in alone.stages]


def test_a_longer_recovery_reaches_the_preparation_of_a_method_that_trains(registry):
    one, other = (plan(registry, methods=["search"], recovery={"iterations": number}) for number in (20, 21))
    assert changed(one, other) == FROM_PREPARE


def test_a_method_that_prepares_for_each_setting_shares_no_preparation(registry):
    made = plan(registry, methods=["prune", "search"], ratios=[0.2, 0.5])
    prepared = [letters(made, cell)["p"] for cell in range(4)]
    assert prepared[0] == prepared[1]
    assert len(set(prepared)) == 3


def test_a_key_that_is_no_json_is_the_plugins_fault(registry):
    with pytest.raises(PluginError, match="`prepare_key` of vague"):
        plan(registry, methods=["vague"])


def test_seeds_share_a_given_baseline_and_nothing_else(registry, tmp_path):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    made = plan(registry, models=[{"name": "net", "checkpoint": str(weights)}], seeds=[0, 1])
    one, other = letters(made, 0), letters(made, 1)
    assert "".join(letter for letter in ALL if one[letter] == other[letter]) == "tb"


def test_no_stage_is_drawn_twice(registry, monkeypatch):
    """Cells whose pipelines begin alike, or differ in settings or in a recovery alone, draw what they share once."""
    drawn = []
    with_inputs = CommonFields.with_inputs
    monkeypatch.setattr(CommonFields, "with_inputs", lambda self, inputs: drawn.append(1) or with_inputs(self, inputs))
    pipelines = [
        f"prune@{ratio}+{recovery}" for ratio in (0.2, 0.5) for recovery in ("tune", "mimic", "nothing+prune@0.1")
    ]
    made = plan(registry, methods=["search"], pipelines=pipelines, seeds=[0, 1])
    assert len(drawn) == len(made.stages)
