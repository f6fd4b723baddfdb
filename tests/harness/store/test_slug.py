import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.store.slug import slug

DEVICES = ["con", "prn", "aux", "nul", "com1", "lpt9"]
SAFE = re.compile(r"[a-z0-9@+=._-]+")

any_character = st.characters()  # of all categories: separators, controls, lone surrogates
awkward = st.sampled_from(["..", ".", "", "~", "-rf", "a/../b", "C:\\x", "\ud800", "é", "e\u0301", *DEVICES, "NUL.txt"])
names = st.text(any_character, max_size=120) | awkward | st.text("aA/-.é(;)", max_size=6)
plain_names = st.from_regex(r"[a-z][a-z0-9@+=._]{0,78}[a-z]", fullmatch=True).filter(
    lambda name: name.partition(".")[0] not in DEVICES and not re.fullmatch(r"[0-9a-f]{16}", name)
)


@pytest.mark.parametrize("name", ["fpgm@0.5+finetune", "residual_fcn", "a.b-c=d", "console", "auxiliary.x", "com10"])
def test_safe_names_stay_readable(name):
    assert slug(name) == name


@settings(max_examples=200, deadline=None)
@given(plain_names)
def test_a_safe_name_is_its_own_slug(name):
    assert slug(name) == name


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "..", "", "a b", "x" * 300, "ünïcode", "a\x00b", "-rf", "a\n", "\udcff", "x."]
)
def test_slugs_are_single_safe_components(name):
    _assert_safe_component(slug(name))


@settings(max_examples=400, deadline=None)
@given(names)
def test_the_slug_of_any_name_is_a_single_safe_component(name):
    _assert_safe_component(slug(name))


@settings(max_examples=400, deadline=None)
@given(names, names)
@example("a/b", "a-b")
@example("é", "e\u0301")
@example("UNet", "unet")
@example("x" * 80, "x" * 81)
def test_two_names_never_share_a_slug(one, other):
    assert (slug(one).casefold() == slug(other).casefold()) == (one == other)


@settings(max_examples=200, deadline=None)
@given(names)
def test_a_name_that_looks_like_the_slug_of_another_does_not_share_it(name):
    lookalike = slug(name)
    assert (slug(lookalike) == slug(name)) == (lookalike == name)


@settings(max_examples=200, deadline=None)
@given(names, st.sampled_from([str.upper, str.lower, str.swapcase, str.title]))
def test_names_that_differ_only_in_case_get_slugs_that_differ_in_more(name, cased):
    assert (slug(name).casefold() == slug(cased(name)).casefold()) == (name == cased(name))


def test_names_that_differ_only_in_what_is_replaced_or_in_case_get_different_slugs():
    names = ["a/b", "a-b", "a b", "A-b", "a\\b", "UNet", "unet", slug("a/b")]
    slugs = [slug(name).lower() for name in names]
    assert len(set(slugs)) == len(names)


def test_long_names_that_end_differently_get_different_slugs():
    names = [f"{'x' * 100}__seed{number}" for number in range(2000)]
    assert len({slug(name) for name in names}) == len(names)
    assert slug(names[0]).startswith("x" * 80)


@pytest.mark.parametrize("name", [*DEVICES, "CON", "nul.txt", "con.seed 0", "aux."])
def test_names_of_devices_are_not_used(name):
    assert slug(name).partition(".")[0].lower() not in DEVICES
    assert name.partition(".")[0].lower() in slug(name)


def test_slugs_do_not_change():
    """A change here means that the records of earlier runs lie in folders that nobody looks in."""
    assert slug("unet__voc__l1@0.5(round_to=8)__seed0") == "unet__voc__l1@0.5-round_to=8-__seed0-a29f7ec625492efc"


def _assert_safe_component(result):
    assert SAFE.fullmatch(result)
    assert 0 < len(result) <= 100
    assert not result.startswith(("-", "."))
    assert not result.endswith(".")
    assert set(result) != {"."}
