import pytest
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("name", "size", "rotation", "blur"),
    [
        ("cityscapes", (512, 1024), 0, 0),
        ("camvid", (360, 480), 0, 0),
        ("wildscenes", (256, 256), 10, 0.5),
        ("voc", (512, 512), 0, 0),
        ("ade20k", (512, 512), 0, 0),
    ],
)
def test_defaults_are_those_of_the_rows(name, size, rotation, blur, options_of):
    options = options_of(name)
    assert (options.height, options.width) == size
    assert (options.flip, options.rotation, options.blur, options.jitter) == (0.5, rotation, blur, 0)
    assert (options.rotation_label, options.crop_scale) == ("ignored", None)
    assert options.dataset == name


@pytest.mark.parametrize("scale", [(0.0, 1.0), (2.0, 0.5), (-1.0, 1.0)])
def test_factors_of_a_random_window_ascend_from_above_zero(scale, options_of):
    with pytest.raises(ValidationError, match="two factors above 0, the smaller one first"):
        options_of("voc", crop_scale=scale)
    assert options_of("voc", crop_scale=[1, 1]).crop_scale == (1.0, 1.0)
