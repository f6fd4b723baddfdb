import numpy as np
from PIL import Image

from harness.engine.pictures.composition import MOST_CLASSES, compose
from harness.registry import Panel, Picture, Swatch

PINK, TEAL = (231, 41, 138), (27, 158, 119)


def panel(colour, size=(8, 8), **arguments):
    return Panel(title="a $title$", pixels=np.full((*size, 3), colour, dtype=np.uint8), **arguments)


def composed(tmp_path, *panels, legend=()):
    file = tmp_path / "picture.png"
    compose(Picture(sample="", panels=panels, legend=legend), "cell_$x_1$", "test 3", file)
    return np.array(Image.open(file).convert("RGB"))


def places(image, colour):
    return np.argwhere((image == colour).all(axis=2))


def test_panels_stand_side_by_side_in_their_order(tmp_path):
    image = composed(tmp_path, panel(PINK), panel(TEAL))
    pink, teal = places(image, PINK), places(image, TEAL)
    assert pink[:, 1].max() < teal[:, 1].min()
    assert (pink[:, 0].min(), pink[:, 0].max()) == (teal[:, 0].min(), teal[:, 0].max())
    assert len(pink) > 300 * 300


def test_small_pixels_are_enlarged_as_squares(tmp_path):
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    pixels[0, 0] = PINK
    image = composed(tmp_path, Panel(title="input", pixels=pixels))
    found = places(image, PINK)
    height, width = np.ptp(found, axis=0) + 1
    assert len(found) > 0.98 * height * width  # a rectangle of one colour, no blur
    assert abs(height - width) <= 2


def test_wide_and_tall_images_keep_their_shape_in_a_sheet_of_bearable_size(tmp_path):
    for size in ((32, 64), (200, 20)):
        image = composed(tmp_path, panel(PINK, size))
        height, width = np.ptp(places(image, PINK), axis=0) + 1
        assert abs(height / width - size[0] / size[1]) < 0.05 * size[0] / size[1]
        assert max(image.shape) < 800


def test_what_colours_stand_for_is_written_below(tmp_path):
    image = composed(
        tmp_path,
        panel((10, 10, 10)),
        panel((20, 20, 20), key=(Swatch(label="differs", colour=TEAL),)),
        legend=(Swatch(label="road", colour=PINK),),
    )
    bottom, second = places(image, (10, 10, 10))[:, 0].max(), places(image, (20, 20, 20))[:, 1].min()
    assert places(image, PINK)[:, 0].min() > bottom
    assert places(image, TEAL)[:, 0].min() > bottom
    assert places(image, PINK)[:, 1].max() < second <= places(image, TEAL)[:, 1].min() + 2


def test_a_long_legend_is_cut_and_stays_on_the_sheet(tmp_path):
    classes = [Swatch(label=f"class {number}", colour=(number, 90, 200)) for number in range(MOST_CLASSES + 20)]
    image = composed(tmp_path, panel((10, 10, 10)), legend=tuple(classes))
    shown = [number for number in range(len(classes)) if len(places(image, (number, 90, 200)))]
    assert shown == list(range(MOST_CLASSES))


def test_the_same_picture_makes_the_same_file(tmp_path):
    first = (composed(tmp_path, panel(PINK)), (tmp_path / "picture.png").read_bytes())
    composed(tmp_path, panel(PINK))
    assert (tmp_path / "picture.png").read_bytes() == first[1]
