import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.spec.splitting import split_list


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('a(x=1;y=2),b@0.5+c,"q,r"', ["a(x=1;y=2)", "b@0.5+c", '"q,r"']),
        ("a(x=1,2),b", ["a(x=1,2)", "b"]),
        ('kl(t="a),b"),c', ['kl(t="a),b")', "c"]),
        (r'"a\",b",c', [r'"a\",b"', "c"]),
        (" a , b ", ["a", "b"]),
        ("  ", []),
        ("a),b", ["a)", "b"]),
        ("a(x=1,b", ["a(x=1,b"]),
        ('"a,b', ['"a,b']),
    ],
)
def test_splits_at_outer_commas(text, items):
    assert split_list(text) == items


@given(st.lists(st.from_regex(r'[a-z@+.0-9]{1,5}(\((x=[a-z,;]{0,4}|x="[(),]{0,4}")\))?', fullmatch=True), max_size=5))
def test_joining_undoes_it(items):
    assert split_list(",".join(items)) == items


@pytest.mark.parametrize(("text", "column"), [("a,,b", 3), (",a", 1), ("a,", 3)])
def test_an_empty_item_is_an_error_with_its_column(text, column):
    with pytest.raises(UserError, match=rf"--methods: expected an item.* at column {column},"):
        split_list(text, "--methods")
