from dataclasses import dataclass

import pytest

from harness.errors import UserError
from harness.spec.expected_failures import fitted, load_expected_failures
from harness.spec.pipeline import parse_pipeline, with_default_recoveries


@dataclass(frozen=True)
class Known:
    kind: str = "compressor"
    default_recovery: str = "finetune"


METHODS = {
    "fpgm": Known(),
    "l1": Known(),
    "finetune": Known("recovery", ""),
    "none": Known("recovery", ""),
}


def cell(pipeline, **more):
    whole = with_default_recoveries(parse_pipeline(pipeline), METHODS.__getitem__)
    calls = [call for step in whole.steps for call in step.calls]
    return {
        "model": "unet",
        "dataset": "digits",
        "method": [call.name for call in calls],
        "ratio": [call.setting for call in calls if isinstance(call.setting, float)],
        "precision": [],
        "seed": 0,
        "pipeline": str(whole),
        **more,
    }


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "known.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def load(written, text):
    return load_expected_failures(written(text))


def test_entries_are_read_with_their_places(written):
    one, other = load(
        written,
        """# what is known
- {method: fpgm, ratio: [0.5, 0.8], kind: oom, reason: too large}
- model: unet
  seed: 1
  kind: [timeout, worker_lost]
  reason: >
    takes
    a week
""",
    )
    assert one.failure.wanted() == {"method": ("fpgm",), "ratio": (0.5, 0.8)}
    assert one.failure.kind == ("oom",)
    assert one.place.endswith("known.yaml:2")
    assert other.failure.wanted() == {"model": ("unet",), "seed": (1,)}
    assert other.failure.kind == ("timeout", "worker_lost")
    assert other.failure.reason == "takes a week"
    assert other.place.endswith("known.yaml:3")


def test_no_entry_is_a_file_too(written):
    assert load(written, "[]") == ()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{method: fpgm}", ":2: [0].reason: is required"),
        ("{method: fpgm, reason: ' '}", ":2: [0].reason: must say in words why"),
        ("{method: fpgm, reason: }", ":2: [0].reason: must say in words why"),
        ("{method: fpgm, reason: 3}", ":2: [0].reason: must say in words why"),
        ("{reason: x}", ":2: [0]: an entry that names no cells would expect every cell to fail"),
        ("{kind: oom, reason: x}", "keys are model, dataset, method, ratio, precision, seed, pipeline"),
        ("{method: fpgm, kind: ooom, reason: x}", ":2: [0].kind: 'ooom' is not one of oom, nan_loss"),
        ("{method: fpgm, kind: [oom, time_out], reason: x}", ":2: [0].kind[1]: 'time_out' is not one of"),
        ("{method: fpgm, kind: [oom, time_out], reason: x}", "did you mean 'timeout'?"),
        ("{methd: fpgm, reason: x}", "did you mean 'method'?"),
        ("{method: fpgm, ratio: 1.5, reason: x}", ":2: [0].ratio: 1.5 is not a ratio"),
        ("{pipeline: 'fpgm@', reason: x}", "expected a setting"),
        ("fpgm", ":2: [0]: 'fpgm' is not a mapping"),
        ("[fpgm]", ":2: [0]: ['fpgm'] is not a mapping"),
        ("", ":2: [0]: None is not a mapping"),
    ],
)
def test_mistakes_are_told_with_their_lines(written, entry, told):
    with pytest.raises(UserError) as raised:
        load(written, f"# comment\n- {entry}\n")
    assert told in str(raised.value)
    assert "known.yaml" in str(raised.value)


def test_all_mistakes_are_told_at_once(written):
    with pytest.raises(UserError) as raised:
        load(written, "- {method: fpgm, reason: x}\n- {method: l1}\n- {seed: one, reason: y}\n")
    message = str(raised.value)
    assert "has 2 problems" in message
    assert message.index("line 2: [1].reason: is required") < message.index("line 3: [2].seed")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("method: fpgm", "is not a list of expected failures: it holds dict"),
        ("- {method: fpgm, method: l1, reason: x}", "key 'method' appears twice"),
        ("- {method: fpgm", "not YAML"),
        ("- !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_what_is_no_list_of_entries(written, text, told):
    with pytest.raises(UserError, match=told):
        load(written, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="file of expected failures .* does not exist"):
        load_expected_failures(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("pipeline", ["fpgm@0.5", "fpgm@0.50 + finetune", "[l1@0.1, fpgm@0.5]"])
def test_default_recoveries_may_be_written_or_left_out(written, pipeline):
    cells = [cell("fpgm@0.5"), cell("fpgm@0.5+none"), cell("fpgm@0.5(round_to=8)")]
    (expectation,) = fitted(load(written, f"- {{pipeline: {pipeline}, reason: x}}"), cells, METHODS)
    assert [expectation.concerns(facts) for facts in cells] == [True, False, False]


def test_all_keys_must_match(written):
    (expectation,) = load(written, "- {model: unet, method: finetune, ratio: 0.5, seed: 1, reason: x}")
    assert expectation.concerns(cell("fpgm@0.5", seed=1))
    assert not expectation.concerns(cell("fpgm@0.5", seed=0))
    assert not expectation.concerns(cell("fpgm@0.5+none", seed=1))
    assert not expectation.concerns(cell("fpgm@0.5", seed=1, model="fcn"))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("method: fpmg", "no cell has method fpmg\n  did you mean 'fpgm'? the benchmark's methods: finetune, fpgm, l1"),
        ("ratio: 0.9", "no cell has ratio 0.9\n  the benchmark's ratios: 0.2, 0.5"),
        ("seed: [3, 4]", "no cell has seed 3 or 4\n  the benchmark's seeds: 0"),
        ("precision: int8", "no cell has precision int8\n  the benchmark's precisions: none"),
        ("pipeline: fpgm@0.9", "no cell has pipeline fpgm@0.9+finetune"),
        ("pipeline: unknown@0.9", "no cell has pipeline unknown@0.9"),
        ("method: l1, ratio: 0.5", "no cell matches all keys of this entry"),
        ("pipeline: fpgm@0.5&finetune", "joins fpgm, which compresses"),
    ],
)
def test_an_entry_that_matches_no_cell_is_an_error_with_its_line(written, entry, told):
    entries = load(written, f"- {{method: fpgm, reason: x}}\n- {{{entry}, reason: x}}\n")
    with pytest.raises(UserError) as raised:
        fitted(entries, [cell("fpgm@0.5"), cell("l1@0.2")], METHODS)
    assert "known.yaml:2: " in str(raised.value)
    assert told in str(raised.value)
