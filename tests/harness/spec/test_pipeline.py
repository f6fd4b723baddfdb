from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.spec.method_entry import method_variants
from harness.spec.pipeline import MethodCall, Pipeline, Step, parse_pipeline, split_list, with_default_recoveries
from harness.spec.setting import Budget

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,6}", fullmatch=True)
method_names = names | st.tuples(names, names).map(":".join)
finite = st.floats(allow_nan=False, allow_infinity=False)
setting_names = names.filter(lambda name: name.lower() not in ("nan", "inf", "infinity"))
settings_of_methods = st.none() | finite | setting_names | st.builds(Budget, names, finite)
lookalikes = st.sampled_from(["1", "-2.5", "1e3", "True", "none", "nan", "-inf", "", " ", "a,b", "1_0", "8bit", "é"])
scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | finite | st.text(max_size=8) | lookalikes
values = scalars | st.lists(scalars, max_size=3)
options = st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,6}", fullmatch=True), values, max_size=3)
any_character = st.characters()  # of all categories: controls, separators, lone surrogates
calls = st.builds(MethodCall, method_names, settings_of_methods, options)
pipelines = st.lists(st.lists(calls, min_size=1, max_size=3).map(tuple).map(Step), min_size=1, max_size=3).map(
    lambda steps: Pipeline(tuple(steps))
)


def typed(value):
    """The value with its type, which `==` does not see: 1, 1.0 and True are equal."""
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@settings(max_examples=200, deadline=None)
@given(pipelines)
def test_text_and_pipeline_are_inverse(pipeline):
    text = str(pipeline)
    again = parse_pipeline(text)
    assert again == pipeline
    assert hash(again) == hash(pipeline)
    assert str(again) == text


lookalike_values = st.sampled_from([1, 1.0, True, "1", "true", None, "none", [], [1], [1.0], -0.0, 0.0, "a"])
lookalike_calls = st.builds(
    MethodCall,
    st.sampled_from("ab"),
    st.sampled_from([None, 0, -0.0, 1, "int8", Budget("size", 1), Budget("size", 1.0)]),
    st.dictionaries(st.sampled_from("xy"), lookalike_values, max_size=2),
)
lookalike_pipelines = st.lists(lookalike_calls, min_size=1, max_size=2).map(
    lambda calls: Pipeline(tuple(Step((call,)) for call in calls))
)


@settings(max_examples=300, deadline=None)
@given(lookalike_pipelines, lookalike_pipelines)
def test_two_pipelines_are_equal_if_they_are_written_alike(one, other):
    assert (str(one) == str(other)) == (one == other)


@settings(max_examples=200, deadline=None)
@given(values)
def test_a_value_of_any_type_is_read_back_with_its_type(value):
    written = str(MethodCall("a", None, {"x": value}))
    read = parse_pipeline(written).steps[0].calls[0].options["x"]
    assert typed(read) == typed(value)


@settings(max_examples=100, deadline=None)
@given(calls, pipelines, st.integers(1, 3))
def test_quoted_teachers_are_read_back_at_any_depth(call, teacher, depth):
    quoted = teacher
    for _ in range(depth):
        quoted = Pipeline((Step((MethodCall(call.name, call.setting, {"teacher": str(quoted)}),)),))
    read = parse_pipeline(str(quoted))
    for _ in range(depth):
        read = parse_pipeline(read.steps[0].calls[0].options["teacher"])
    assert read == teacher


@st.composite
def damaged(draw):
    """A pipeline's text with some characters lost, doubled or replaced."""
    text = list(draw(pipelines.map(str)))
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(text)))
        text[position : position + draw(st.integers(0, 2))] = draw(st.text(any_character, max_size=2))
    return "".join(text)


@settings(max_examples=200, deadline=None)
@given(st.text(any_character, max_size=20) | damaged())
@example("a(x=\ud800)")
def test_garbage_is_a_user_error_or_a_pipeline_that_can_be_stored(text):
    for read in (parse_pipeline, split_list, method_variants):
        try:
            result = read(text)
        except UserError as error:
            str(error).encode()
        else:
            if read is not split_list:
                "".join(map(str, [result] if isinstance(result, Pipeline) else result)).encode()


@pytest.mark.parametrize(
    "text",
    [
        "a(" * 5000,
        "+" * 5000,
        'a(x="' + "\\" * 5001,
        "a(x=" + "1," * 5000,
        "a@" + "1e" * 5000,
        "a" + " " * 50_000 + "!",
    ],
)
def test_long_garbage_is_refused_at_once(text):
    with pytest.raises(UserError):
        parse_pipeline(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='aZ1.-_+&@(=;,)" \\é:', max_size=14))
def test_any_text_parses_canonically_or_is_a_user_error_with_a_caret(text):
    try:
        pipeline = parse_pipeline(text)
    except UserError as error:
        assert "^" in error.message
    else:
        assert parse_pipeline(str(pipeline)) == pipeline


def test_a_written_pipeline_is_read_in_full():
    pipeline = parse_pipeline('sirfp@0.50(alpha=1;mode=fast)+cwd&kl(teacher="ptq@int8")+other-dist:ptq@size=0.25')
    assert pipeline == Pipeline(
        (
            Step((MethodCall("sirfp", 0.5, {"mode": "fast", "alpha": 1}),)),
            Step((MethodCall("cwd"), MethodCall("kl", None, {"teacher": "ptq@int8"}))),
            Step((MethodCall("other-dist:ptq", Budget("size", 0.25)),)),
        )
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("fpgm@0.50", "fpgm@0.5"),
        (" fpgm @ .5 ( b = 2 ; a = x ) + cwd & kl ", "fpgm@0.5(a=x;b=2)+cwd&kl"),
        ("fpgm@-0", "fpgm@0.0"),
        ("ptq@int8", "ptq@int8"),
        ("ptq@size=2.50e-1", "ptq@size=0.25"),
        ("a@1e22+b", "a@1e+22+b"),
        ("a(x=007)", "a(x=7)"),
        ("a(x=-" + "0" * 5000 + "7;y=000)", "a(x=-7;y=0)"),
        ("a(x=TRUE;y=None)", "a(x=true;y=none)"),
        ('a(x="b")', "a(x=b)"),
        ('a(x="1";y="a b")', 'a(x="1";y="a b")'),
        ("a(x=b,)", "a(x=b,)"),
        ("a(x=,)", "a(x=,)"),
        ("a(x=1,b,)", "a(x=1,b)"),
        ("a(t=mmseg::fcn/r50.py;n=8bit)", "a(n=8bit;t=mmseg::fcn/r50.py)"),
    ],
)
def test_canonical_text(text, canonical):
    assert str(parse_pipeline(text)) == canonical


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3.0", 3.0),
        ("-1e-3", -0.001),
        ("true", True),
        ("none", None),
        ("auto", "auto"),
        ('"true"', "true"),
        (r'"say \"a\\b\""', r'say "a\b"'),
        ("1,b,none", [1, "b", None]),
        ("1,", [1]),
        (",", []),
    ],
)
def test_option_values(text, value):
    read = parse_pipeline(f"a(x={text})").steps[0].calls[0].options["x"]
    assert read == value
    assert type(read) is type(value)


def test_integers_floats_and_booleans_are_different_options():
    one, one_float, true = (MethodCall("a", None, {"x": value}) for value in (1, 1.0, True))
    assert len({one, one_float, true}) == 3


def test_changing_what_options_return_does_not_change_the_call():
    call = MethodCall("a", None, {"x": [1]})
    call.options["x"].append(2)
    assert str(call) == "a(x=1,)"


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 1, "a method name"),
        ("fpgm+", 6, "a method name"),
        ("fpgm@0.5++cwd", 10, "a method name"),
        ("fpgm@+cwd", 6, "a setting"),
        ("fpgm@8bit", 6, "a setting"),
        ("fpgm@nan", 6, "a setting"),
        ("fpgm@1e999", 6, "a number that is not as large"),
        ("ptq@size=big", 10, "a number, the limit of size"),
        ("fpgm@0.5 cwd", 10, "'+', '&' or the end"),
        ("a()", 3, "an option name"),
        ("a(x)", 4, "'=' and a value for x"),
        ("a(x=)", 5, "a value"),
        ("a(x=1;x=2)", 7, "x is given twice"),
        ("a(x=1", 6, "';', ',' or ')'"),
        ("a(t=ptq@int8)", 8, "';', ',' or ')'"),
        ('a(x="b)', 5, "a string with its closing quote"),
        (r'a(x="\n")', 5, "a string with its closing quote"),
        ("a(x=-inf)", 5, "a finite number"),
        ("a(x=" + "9" * 5000 + ")", 5, "a number that is not as large"),
    ],
)
def test_errors_point_at_the_column(text, column, expected):
    with pytest.raises(UserError) as caught:
        parse_pipeline(text, "--pipelines")
    first, shown, caret = caught.value.message.split("\n")
    assert first.startswith("--pipelines: expected ")
    assert f"at column {column}, found " in first
    assert expected in first
    assert shown.strip() == text
    assert caret.index("^") - 4 == column - 1


def test_an_unquoted_pipeline_as_a_value_is_told_to_be_quoted():
    with pytest.raises(UserError, match="double quotes"):
        parse_pipeline("kl(teacher=ptq@int8)")


def test_the_caret_stands_right_below_text_with_control_characters():
    with pytest.raises(UserError) as caught:
        parse_pipeline("a\t+\n!")
    _, shown, caret = caught.value.message.split("\n")
    assert shown[caret.index("^")] == "!"


@pytest.mark.parametrize(
    "arguments",
    [
        ("no spaces",),
        ("a:b:c",),
        ("a", float("nan")),
        ("a", "0.5"),
        ("a", True),
        ("a", "inf"),
        ("a", 10**400),
        ("a", Budget("size", float("inf"))),
        ("a", None, {"a b": 1}),
        ("a", None, {"x": float("nan")}),
        ("a", None, {"x": {"y": 1}}),
        ("a", None, {"x": [[1]]}),
        ("a", None, {"x": 10**400}),
        ("a", None, {"x": "\ud800"}),
    ],
)
def test_what_cannot_be_written_cannot_be_made(arguments):
    with pytest.raises(UserError):
        MethodCall(*arguments)


def test_empty_pipelines_and_steps_cannot_be_made():
    with pytest.raises(UserError, match="at least one step"):
        Pipeline(())
    with pytest.raises(UserError, match="at least one method"):
        Step(())


@dataclass(frozen=True)
class Known:
    kind: str = "compressor"
    default_recovery: str = ""


METHODS = {
    "fpgm": Known(default_recovery="finetune"),
    "sirfp": Known(default_recovery="finetune"),
    "dmcp": Known(default_recovery="scratch"),
    "ptq": Known(),
    "qat": Known(default_recovery="finetune"),
    **{name: Known(kind="recovery") for name in ("finetune", "scratch", "none", "cwd", "feature", "kl")},
}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("fpgm@0.5", "fpgm@0.5+finetune"),
        ("fpgm@0.5+cwd", "fpgm@0.5+cwd"),
        ("sirfp@0.5+cwd+ptq@int8", "sirfp@0.5+cwd+ptq@int8"),
        ("sirfp@0.5+ptq@int8", "sirfp@0.5+finetune+ptq@int8"),
        ("sirfp@0.5+ptq@int8+cwd", "sirfp@0.5+ptq@int8+cwd"),
        ("dmcp@0.5", "dmcp@0.5+scratch"),
        ("ptq@int8", "ptq@int8"),
        ("fpgm@0.5+none", "fpgm@0.5+none"),
        ("fpgm@0.5+qat@int8", "fpgm@0.5+finetune+qat@int8+finetune"),
        ("fpgm@0.5+none+qat@int8", "fpgm@0.5+none+qat@int8+finetune"),
        ("qat@int4+feature(layers=auto)&kl(weight=0.5)", "qat@int4+feature(layers=auto)&kl(weight=0.5)"),
        ("finetune", "finetune"),
    ],
)
def test_default_recoveries(written, meant):
    completed = with_default_recoveries(parse_pipeline(written), METHODS.__getitem__)
    assert str(completed) == meant
    assert with_default_recoveries(completed, METHODS.__getitem__) == completed


def test_a_compressor_cannot_be_part_of_a_training():
    with pytest.raises(UserError, match="'cwd&fpgm@0.5' joins fpgm, which compresses"):
        with_default_recoveries(parse_pipeline("cwd&fpgm@0.5"), METHODS.__getitem__)
