import pytest

from harness.spec.expected_failures import Expectation, ExpectedFailure
from harness.spec.failure_verdict import CellOutcome, judge


def expect(place="known.yaml:1", **keys):
    return Expectation(ExpectedFailure.model_validate({"reason": "known", **keys}), place)


def outcome(status, kind=None, name="cell", **facts):
    return CellOutcome(name, {"method": ["fpgm", "finetune"], "seed": 0, **facts}, status, kind)


def names(cells):
    return [cell.outcome.name for cell in cells]


@pytest.mark.parametrize(
    ("status", "kind", "expected_kinds", "where"),
    [
        ("failed", "oom", [], "expected"),
        ("failed", "oom", ["oom"], "expected"),
        ("failed", "timeout", ["oom", "timeout"], "expected"),
        ("failed", "timeout", ["oom"], "unexpected"),
        ("failed", None, ["oom"], "unexpected"),
        ("failed", None, [], "expected"),
        ("blocked", "oom", ["oom"], "expected"),
        ("blocked", "timeout", ["oom"], "unexpected"),
        ("complete", None, [], "passed"),
        ("complete", None, ["oom"], "passed"),
        ("interrupted", None, [], None),
        ("never_run", None, [], None),
    ],
)
def test_a_cell_that_is_expected_to_fail(status, kind, expected_kinds, where):
    verdict = judge([expect(method="fpgm", kind=expected_kinds)], [outcome(status, kind)])
    assert {place for place in ("expected", "unexpected", "passed") if getattr(verdict, place)} == {where} - {None}
    assert verdict.is_as_expected == (where in ("expected", None))


@pytest.mark.parametrize(
    ("status", "kind", "is_red"),
    [("failed", "oom", True), ("blocked", "oom", True), ("complete", None, False), ("interrupted", None, False)],
)
def test_a_cell_that_no_entry_is_about(status, kind, is_red):
    verdict = judge([expect(method="l1")], [outcome(status, kind)])
    assert names(verdict.unexpected) == (["cell"] if is_red else [])
    assert not verdict.expected
    assert not verdict.passed
    assert verdict.is_as_expected is not is_red


def test_without_entries_every_failure_is_unexpected():
    verdict = judge([], [outcome("complete", name="a"), outcome("failed", "oom", name="b")])
    assert names(verdict.unexpected) == ["b"]
    assert judge([], []).is_as_expected


def test_one_of_several_entries_must_cover_the_failure():
    entries = [expect("known.yaml:1", method="fpgm", kind="oom"), expect("known.yaml:2", seed=0, kind="timeout")]
    (judged,) = judge(entries, [outcome("failed", "timeout")]).expected
    assert judged.expectation is entries[1]
    (judged,) = judge(entries, [outcome("failed", "nan_loss")]).unexpected
    assert judged.expectation is entries[0]


def test_every_cell_of_an_entry_has_to_fail():
    outcomes = [outcome("failed", "oom", name="a", seed=0), outcome("complete", name="b", seed=1)]
    verdict = judge([expect(method="fpgm")], outcomes)
    assert names(verdict.expected) == ["a"]
    assert names(verdict.passed) == ["b"]
    assert not verdict.is_as_expected


def test_a_sentence_for_each_cell():
    entries = [expect("k.yaml:1", seed=0, reason="too large"), expect("k.yaml:2", seed=1, kind=["oom", "timeout"])]
    outcomes = [
        outcome("complete", name="a", seed=0),
        outcome("blocked", "oom", name="b", seed=0),
        outcome("failed", "nan_loss", name="c", seed=1),
        outcome("failed", None, name="d", seed=2),
        outcome("complete", name="e", seed=2),
    ]
    assert judge(entries, outcomes).lines() == [
        "b blocked (oom) as expected: too large (k.yaml:1)",
        "c failed (nan_loss), not as expected: oom or timeout was (k.yaml:2)",
        "d failed (unknown), not as expected",
        "a passed, but was expected to fail: too large (k.yaml:1)",
    ]
