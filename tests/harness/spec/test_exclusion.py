import pytest
from pydantic import ValidationError

from harness.spec.exclusion import Exclusion, excluded

CELL = {
    "model": "unet",
    "dataset": "digits",
    "method": ("fpgm", "finetune"),
    "ratio": 0.1 + 0.2,
    "precision": None,
    "seed": 1,
}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"model": "unet"}, True),
        ({"model": "fcn"}, False),
        ({"model": ["fcn", "unet"], "dataset": "digits"}, True),
        ({"model": "unet", "dataset": "voc"}, False),
        ({"method": "finetune"}, True),
        ({"method": "fine"}, False),
        ({"ratio": 0.3}, True),
        ({"ratio": [0.2, 0.5]}, False),
        ({"precision": "int8"}, False),
        ({"seed": 1, "ratio": 0.3}, True),
        ({"seed": 0}, False),
    ],
)
def test_a_cell_is_dropped_if_all_keys_match(rule, expected):
    assert excluded(Exclusion(**rule), CELL) is expected


def test_a_fact_that_a_cell_does_not_have_never_matches():
    assert not excluded(Exclusion(ratio=0.0), {"method": "ptq"})


def test_a_pipeline_may_have_several_settings():
    assert excluded(Exclusion(ratio=0.5, precision="int8"), {"ratio": [0.5], "precision": {"int8"}})


@pytest.mark.parametrize("rule", [{}, {"model": []}, {"ratio": 1.5}, {"pipeline": "x"}])
def test_wrong_rules(rule):
    with pytest.raises(ValidationError):
        Exclusion(**rule)
