import pytest

from harness.errors import UserError
from harness.spec.method_entry import method_variants


@pytest.mark.parametrize(
    ("entry", "variants"),
    [
        ("fpgm", ["fpgm"]),
        ("dist:fpgm", ["dist:fpgm"]),
        ("fpgm(layers=a,b)", ["fpgm(layers=a,b)"]),
        ({"dist:fpgm": None}, ["dist:fpgm"]),
        ({"l1": {"steps": 2}}, ["l1(steps=2)"]),
        (
            {"l1": {"steps": [1, 2], "scope": ["local", "global"], "norm": 1}},
            [
                "l1(norm=1;scope=local;steps=1)",
                "l1(norm=1;scope=global;steps=1)",
                "l1(norm=1;scope=local;steps=2)",
                "l1(norm=1;scope=global;steps=2)",
            ],
        ),
        ({"kl": {"layers": [["a", "b"], []]}}, ["kl(layers=a,b)", "kl(layers=,)"]),
    ],
)
def test_variants(entry, variants):
    assert [str(call) for call in method_variants(entry)] == variants


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("fpgm@0.5", "has a setting"),
        ("fpgm+l1", "is a pipeline"),
        ("kl&cwd", "is a pipeline"),
        ({"a": {}, "b": {}}, "is not a method"),
        (3, "3 is not a method"),
        ({"a": 3}, "the options of a are not a mapping: 3"),
        ({"a": {"x": []}}, "option x of a lists no value"),
        ({"a b": {}}, "'a b' is not a method name"),
    ],
)
def test_errors(entry, told):
    with pytest.raises(UserError, match=told):
        method_variants(entry)
