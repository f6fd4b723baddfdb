import pytest

from harness.store.slug import slug


@pytest.mark.parametrize("name", ["fpgm@0.5+finetune", "residual_fcn", "a.b-c=d"])
def test_safe_names_stay_readable(name):
    assert slug(name) == name


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "", "a b", "x" * 300, "ünïcode", "a\x00b", "-rf"])
def test_slugs_are_single_safe_components(name):
    result = slug(name)
    assert "/" not in result
    assert result not in ("", ".", "..")
    assert len(result) <= 100
    assert not result.startswith(("-", "."))
    assert result.isascii()


def test_names_that_differ_only_in_what_is_replaced_or_in_case_get_different_slugs():
    names = ["a/b", "a-b", "a b", "A-b", "a\\b", "UNet", "unet", slug("a/b")]
    slugs = [slug(name).lower() for name in names]
    assert len(set(slugs)) == len(names)
