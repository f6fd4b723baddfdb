import json
import random

import pytest

from harness.plan.identity import StageFields, canonical_json, identity_of

FIELDS = StageFields(
    kind="compress",
    parameters={"method": {"name": "fpgm", "options": {"allocation": "uniform"}}, "setting": 0.5, "seed": 0},
    inputs={"model": "aa", "state": "bb"},
    plugins={"method": {"distribution": "bench-pruning", "version": "0.1.0", "source": None}},
    dataset="cc",
)


def test_pinned_value():
    """A change here means that no result of an earlier version is found again: raise IDENTITY_VERSION on purpose."""
    assert identity_of(FIELDS) == "948d42a0ff216c63963e421ce3df8bda266f45c54755210dd6f18ce4d4bb9bb0"


def test_a_stored_stage_gives_the_same_identity():
    stored = json.loads(json.dumps(FIELDS.model_dump(mode="json")))
    assert identity_of(StageFields.model_validate(stored)) == identity_of(FIELDS)


def test_order_of_keys_does_not_matter():
    items = list(FIELDS.parameters.items())
    random.Random(0).shuffle(items)
    shuffled = FIELDS.model_copy(update={"parameters": dict(reversed(items))})
    assert identity_of(shuffled) == identity_of(FIELDS)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "recover"},
        {"parameters": {**FIELDS.parameters, "setting": 0.2}},
        {"parameters": {**FIELDS.parameters, "seed": 1}},
        {"inputs": {"model": "aa", "state": "xx"}},
        {"plugins": {"method": {"distribution": "bench-pruning", "version": "0.2.0", "source": None}}},
        {"plugins": {"method": {"distribution": "bench-pruning", "version": "0.1.0", "source": "dd"}}},
        {"dataset": "other"},
        {"semantics": 2},
        {"identity_version": 2},
    ],
)
def test_everything_that_determines_the_outcome_matters(change):
    assert identity_of(FIELDS.model_copy(update=change)) != identity_of(FIELDS)


def test_canonical_json_refuses_what_has_no_one_form():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": float("inf")})


def test_canonical_json_is_compact_sorted_ascii():
    assert canonical_json({"b": [1, 2.0], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.0]}'
