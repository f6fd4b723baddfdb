from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from harness.spec.benchmark import Benchmark
from harness.spec.benchmark_file import load_benchmark, override

FULL = """\
name: street
task: segmentation
models:
  - residual_fcn
  - {name: unet, width: 16}
datasets: digits
methods:
  - fpgm
  - other-dist:l1
  - l2: {scope: [local, global], steps: 2}
ratios: [0, 0.5, 5.0e-1, 0.75]
ratio_of: macs
precisions: [int8]
pipelines:
  - sirfp@0.50 + cwd + ptq@int8
controls: [random]
seeds: [0, 1]
exclude:
  - {model: unet, ratio: [0.75]}
protocol: seed
training: {iterations: 1400}
recovery:
  iterations: 300
  optimizer: {lr: 1e-3}
calibration: {samples: 32}
evaluation: {batch_size: 8, samples: 100}
measurement: {rounds: 20}
deterministic: true
"""


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        (tmp_path / "demo.yaml").write_text(text, encoding="utf-8")
        return load_benchmark(tmp_path / "demo.yaml")

    return load_text


@pytest.fixture
def problem(load, tmp_path):
    def problem_of(text):
        with pytest.raises(UserError) as caught:
            load(text)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return problem_of


def test_a_full_file(load):
    benchmark = load(FULL)
    assert benchmark.name == "street"
    assert [(model.name, model.options) for model in benchmark.models] == [
        ("residual_fcn", {}),
        ("unet", {"width": 16}),
    ]
    assert benchmark.datasets[0].name == "digits"
    assert benchmark.methods == ("fpgm", "other-dist:l1", {"l2": {"scope": ["local", "global"], "steps": 2}})
    assert benchmark.ratios == (0.0, 0.5, 0.75)
    assert benchmark.pipelines == ("sirfp@0.5+cwd+ptq@int8",)
    assert benchmark.exclude[0].ratio == (0.75,)
    assert benchmark.recovery is not None
    assert benchmark.recovery.optimizer == {"lr": 0.001}
    assert benchmark.recovery.model_fields_set == {"iterations", "optimizer"}
    assert (benchmark.calibration.samples, benchmark.calibration.batch_size) == (32, 16)
    assert benchmark.deterministic


def test_what_was_written_makes_the_same_benchmark(load):
    benchmark = load(FULL)
    again = Benchmark.model_validate(yaml.safe_load(yaml.safe_dump(benchmark.written())))
    assert again == benchmark
    assert again.written() == benchmark.written()
    assert "calibration" not in load("task: segmentation").written()


def test_the_name_is_the_files_stem(load):
    assert load("ratios: 0.5").name == "demo"


def test_anchors_and_merges_may_override(load):
    benchmark = load("training: &budget {iterations: 5, batch_size: 2}\nrecovery:\n  <<: *budget\n  iterations: 7")
    assert (benchmark.recovery.iterations, benchmark.recovery.batch_size) == (7, 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "task: a\nrecovery:\n  iteration: 5",
            "demo.yaml:3: recovery.iteration: unknown key\n  did you mean 'iterations'?",
        ),
        ("rations: [0.5]", "demo.yaml:1: rations: unknown key\n  did you mean 'ratios'?"),
        (
            "recovery:\n  schedule:\n    max: 1",
            "demo.yaml:3: recovery.schedule.max: unknown key\n  did you mean 'max_lr'?",
        ),
        (
            "exclude:\n  - ratio: 0.5\n  - mode: x",
            "demo.yaml:3: exclude[1].mode: unknown key\n  did you mean 'model'?",
        ),
        (
            "ratios:\n  - 0.5\n  - 1.5",
            "demo.yaml:3: ratios[1]: 1.5 is not a ratio: it must be at least 0 and below 1",
        ),
        ("ratios: [true]", "demo.yaml:1: ratios[0]: True is not a ratio"),
        ("ratios: [.nan]", "demo.yaml:1: ratios[0]: nan is not a ratio"),
        ("ratio_of: flops", "demo.yaml:1: ratio_of: 'flops' is not one of channels, params, macs"),
        ("ratio_of: param", "did you mean 'params'?"),
        ("training: {iterations: 0}", "training.iterations: 0 is not greater than or equal to 1"),
        ("training: many", "demo.yaml:1: training: 'many'"),
        ("calibration: {samples: '3'}", "calibration.samples: '3' is not a valid integer"),
        ("seeds: [true]", "seeds[0]: True is not a valid integer"),
        ("seeds: []", "demo.yaml:1: seeds: there must be at least one seed"),
        ("name: 2024", "name: 2024 is not a valid string"),
        ("models:\n  - width: 3", "demo.yaml:2: models[0].name: is required"),
        ("methods: [fpgm@0.5]", "methods[0]: 'fpgm@0.5' has a setting"),
        ("methods: [fpgm+cwd]", "methods[0]: 'fpgm+cwd' is a pipeline"),
        ("methods: [[fpgm]]", "methods[0]: ['fpgm'] is not a method"),
        ("methods:\n  - l1: {scope: []}", "demo.yaml:2: methods[0]: option scope of l1 lists no value"),
        ("methods:\n  - l1: {scope: {a: 1}}", "{'a': 1} cannot be an option value"),
        ("pipelines: ['fpgm@+cwd']", "pipelines[0]: expected a setting"),
        ("exclude: [{}]", "demo.yaml:1: exclude[0]: an empty rule would drop every cell"),
        ("1: 2", "demo.yaml:1: 1: unknown key"),
    ],
)
def test_one_wrong_value(problem, text, told):
    assert told in problem(text)


def test_several_wrong_values_are_told_together_in_the_order_of_the_file(problem):
    told = problem("seeds: [x]\nratio: 0.5\nrecovery:\n  amp: 3x\n").split("\n")
    assert told[0] == "demo.yaml has 3 problems:"
    assert told[1].startswith("  line 1: seeds[0]: 'x' is not a valid integer")
    assert told[2].startswith("  line 2: ratio: unknown key; did you mean 'ratios'")
    assert told[3].startswith("  line 4: recovery.amp: '3x'")
    assert len(told) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "demo.yaml is empty"),
        ("# nothing\n", "demo.yaml is empty"),
        ("- a\n- b", "is not a mapping of benchmark keys: it holds list ['a', 'b']"),
        ("just text", "is not a mapping of benchmark keys: it holds str 'just text'"),
        ("a: [1", "demo.yaml:1:6: not YAML: while parsing a flow sequence"),
        ("recovery:\n\titerations: 3", "demo.yaml:2:1: not YAML"),
        ("recovery:\n\titerations: 3", "indented with spaces, not with tabs"),
        (
            "ratios: 0.5\nseeds: 1\nratios: 0.2",
            "demo.yaml:3: key 'ratios' appears twice\n  it is already on line 1",
        ),
        ("recovery:\n  amp: true\n  amp: false", "demo.yaml:3: key 'amp' appears twice"),
        ("task: a\n---\ntask: b", "demo.yaml:2:1: not YAML: expected a single document"),
        ("task: !!python/object:os.system x", "demo.yaml:1:7: not YAML: could not determine a constructor"),
        ("task: 2024-13-45", "cannot be read as YAML: month must be in 1..12"),
        ("task: a\x01b", "cannot be read as YAML"),
        ("[" * 1500, "demo.yaml is nested too deeply"),
        ("seeds: [0x" + "f" * 5000 + "]", "demo.yaml:1:9: not YAML: a number that is too large"),
        ('task: "\\ud800"', "demo.yaml:1:7: not YAML: text with an escape that is half a character"),
        ("models: &a [*a]", "models[0]"),
    ],
)
def test_what_is_not_a_yaml_mapping(problem, text, told):
    assert told in problem(text)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "demo.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(UserError, match=r"demo\.yaml' is not UTF-8 text \(byte 9\)"):
        load_benchmark(tmp_path / "demo.yaml")
    with pytest.raises(
        UserError, match=r"benchmark file '.*demo\.yml' does not exist\n  did you mean '.*/demo\.yaml'\?"
    ):
        load_benchmark(tmp_path / "demo.yml")
    with pytest.raises(UserError, match=r"is a folder\n  '.*' holds demo\.yaml"):
        load_benchmark(tmp_path)
    with pytest.raises(UserError, match=r"does not exist\n  the folder '.*/nowhere' does not exist either"):
        load_benchmark(tmp_path / "nowhere" / "demo.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no YAML file is in"):
        load_benchmark(tmp_path / "empty" / "x.yaml")


def test_flags_win_over_the_file_and_assignments_over_flags(load):
    benchmark = load(FULL)
    changed = override(
        benchmark,
        {
            "ratios": "0.2, 0.4",
            "seeds": [7],
            "methods": "l1(scope=global),l2",
            "protocol": None,
            "deterministic": False,
        },
        [
            "recovery.iterations=50",
            "recovery.optimizer.weight_decay=1e-2",
            "seeds=3,4",
            "training=",
            "exclude=[]",
        ],
    )
    assert changed.ratios == (0.2, 0.4)
    assert changed.seeds == (3, 4)
    assert changed.methods == ("l1(scope=global)", "l2")
    assert changed.protocol == "seed"
    assert changed.deterministic is False
    assert changed.recovery.iterations == 50
    assert changed.recovery.optimizer == {"lr": 0.001, "weight_decay": 0.01}
    assert changed.training is None
    assert changed.exclude == ()
    assert changed.models == benchmark.models
    assert benchmark.recovery.iterations == 300


@pytest.mark.parametrize(
    ("written", "flags", "assignments", "expected"),
    [
        ("", {}, [], None),
        ("controls:", {}, [], None),
        ("controls: []", {}, [], ()),
        ("controls: random", {}, [], ("random",)),
        ("controls: [random]", {"controls": "l1,l2"}, [], ("l1", "l2")),
        ("controls: [random]", {"controls": []}, [], ()),
        ("", {"controls": []}, ["controls=l1(x=1,2),l2"], ("l1(x=1,2)", "l2")),
        ("", {}, ["controls="], ()),
    ],
)
def test_controls_are_none_stated_or_left_to_the_methods(load, written, flags, assignments, expected):
    benchmark = override(load(f"ratios: [0.5]\n{written}"), flags, assignments)
    assert benchmark.controls == expected
    assert Benchmark.model_validate(benchmark.written()).controls == expected, "as a results folder keeps it"


def test_a_control_that_is_no_method_is_told_as_one_is(load):
    with pytest.raises(UserError, match=r"controls\[0\]: 'l1@0.5' has a setting"):
        load("controls: [l1@0.5]")


def test_flags_alone_make_a_benchmark():
    benchmark = override(
        Benchmark(),
        {
            "models": "unet,mmseg::fcn/fcn_r50",
            "pipelines": "a(x=1,2)@0.5".replace("(x=1,2)@0.5", "@0.5(x=1,2)"),
        },
        ["evaluation.samples=10", "exclude=[{model: unet, seed: 0}]", "name='12'"],
    )
    assert [model.name for model in benchmark.models] == ["unet", "mmseg::fcn/fcn_r50"]
    assert benchmark.pipelines == ("a@0.5(x=1,2)",)
    assert benchmark.evaluation.samples == 10
    assert benchmark.exclude[0].seed == (0,)
    assert benchmark.name == "12"


@pytest.mark.parametrize(
    ("flags", "assignments", "told"),
    [
        (
            {"ratios": "1.5"},
            [],
            "--ratios: 1.5 is not a ratio: it must be at least 0 and below 1 (0.5 removes half)",
        ),
        ({"ratios": [0.5, 1.5]}, [], "--ratios: 1.5 is not a ratio"),
        ({"ratios": "half"}, [], "--ratios: half is not a ratio"),
        ({"ratios": "0.2,,0.5"}, [], "--ratios: expected an item at column 5"),
        ({"seeds": "a"}, [], "--seeds: 'a' is not a valid integer"),
        (
            {"ratio_of": "chanels"},
            [],
            "--ratio-of: 'chanels' is not one of channels, params, macs\n  did you mean",
        ),
        ({"evaluation.samples": 0}, [], "--evaluation-samples: 0 is not greater than or equal to 1"),
        ({"pipelines": "fpgm@"}, [], "--pipelines: expected a setting"),
        (
            {},
            ["recovery.iteration=5"],
            "--set recovery.iteration=5: unknown key 'recovery.iteration'\n  did you mean 'iterations'?",
        ),
        (
            {},
            ["recovry.iterations=5"],
            "--set recovry.iterations=5: unknown key 'recovry'\n  did you mean 'recovery'?",
        ),
        ({}, ["recovery.iterations=x"], "--set recovery.iterations=x: 'x' is not a valid integer"),
        ({}, ["recovery.iterations"], "--set recovery.iterations: expected key=value"),
        ({}, ["ratios.x=3"], "--set ratios.x=3: ratios has no keys"),
        ({}, ["task=[1"], "--set task=[1:1:3: not YAML"),
        ({"seeds": "1"}, ["seeds=x"], "--set seeds=x: 'x' is not a valid integer"),
    ],
)
def test_errors_name_the_flag(flags, assignments, told):
    benchmark = Benchmark(ratios=[0.1])
    with pytest.raises(UserError) as caught:
        override(benchmark, flags, assignments)
    assert str(caught.value).startswith(told)


def test_several_wrong_flags_are_told_together():
    with pytest.raises(UserError) as caught:
        override(Benchmark(), {"ratios": "2", "protocol": "x"})
    told = str(caught.value).split("\n")
    assert told[0] == "the flags have 2 problems:"
    assert sorted(line.split(":")[0] for line in told[1:]) == ["  --protocol", "  --ratios"]


def test_every_field_is_described():
    schema = Benchmark.model_json_schema()
    for name, definition in {"Benchmark": schema, **schema["$defs"]}.items():
        for key, field in definition["properties"].items():
            target = schema["$defs"].get(str(field.get("$ref", "")).rpartition("/")[2], {})
            assert field.get("description") or target.get("description"), f"{name}.{key}"


def test_reading_needs_a_path_only(tmp_path, monkeypatch):
    (tmp_path / "grid.yaml").write_text("ratios: [0.5]")
    monkeypatch.chdir(tmp_path)
    assert load_benchmark(Path("grid.yaml")).name == "grid"
