import numpy as np
import pytest
from PIL import Image

from bench_segmentation.datasets.label_table import ColourTable, IndexTable
from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.wildscenes_labels import OFFICIAL, OFFICIAL_NUMBERS, RAW, SEED, SEED_NUMBERS
from harness.errors import DataError


def save(path, values, mode=None):
    Image.fromarray(np.array(values, dtype=np.uint8), mode).save(path)
    return path


def test_values_become_class_numbers(tmp_path):
    table = IndexTable({0: 255, 1: 0, 2: 1}, "hint")
    assert table.read(save(tmp_path / "a.png", [[0, 1], [2, 1]])).tolist() == [[255, 0], [1, 0]]


def test_a_palette_does_not_change_the_values(tmp_path):
    image = Image.fromarray(np.array([[1, 2]], dtype=np.uint8))
    image.putpalette([9, 9, 9] * 256)
    image.save(tmp_path / "a.png")
    assert IndexTable({1: 5, 2: 6}, "").read(tmp_path / "a.png").tolist() == [[5, 6]]


def test_an_unknown_value_is_named_with_what_was_expected(tmp_path):
    path = save(tmp_path / "a.png", [[0, 7, 33]])
    with pytest.raises(DataError, match=r"a\.png: holds 7, 33; expected 0\.\.2 or 9") as caught:
        IndexTable({0: 0, 1: 1, 2: 2, 9: 255}, "make them").read(path)
    assert caught.value.hint == "make them"


def test_painted_maps_are_no_index_maps_and_the_other_way_round(tmp_path):
    painted = save(tmp_path / "painted.png", [[[1, 2, 3]]])
    plain = save(tmp_path / "plain.png", [[1]])
    with pytest.raises(DataError, match="expected one 8-bit value a pixel, found 3 channels"):
        IndexTable({1: 1}, "").read(painted)
    with pytest.raises(DataError, match="expected a painted RGB image"):
        ColourTable({(1, 2, 3): 0}, 255).read(plain)


def test_colours_match_exactly_and_all_others_are_ignored(tmp_path):
    path = save(tmp_path / "a.png", [[[64, 0, 128], [64, 0, 129], [128, 0, 64]]])
    assert ColourTable({(64, 0, 128): 8}, 11).read(path).tolist() == [[8, 11, 11]]


def test_half_a_file_cannot_be_read(tmp_path):
    path = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 2, (64, 64)))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        IndexTable({0: 0, 1: 1}, "").read(path)


def test_wildscenes_numbers_are_the_published_ones():
    published = [255, 8, 1, 6, 14, 4, 8, 13, 12, 0, 2, 11, 7, 255, 9, 5, 7, 10, 3]
    assert [OFFICIAL_NUMBERS[value] for value in range(19)] == published
    names = "bush dirt fence grass gravel log mud object other-terrain rock sky structure tree-foliage tree-trunk water"
    assert list(OFFICIAL) == names.split()
    assert OFFICIAL["structure"] == (170, 110, 40)
    assert OFFICIAL["object"] == (250, 190, 190)
    assert len(RAW) == 19


def test_wildscenes_numbers_of_the_first_code():
    assert SEED_NUMBERS == {
        0: 15, 1: 16, 2: 0, 3: 1, 4: 2, 5: 3, 6: 4, 7: 5, 8: 6, 9: 7, 10: 8, 11: 16, 12: 9, 13: 10, 14: 11, 15: 12,
        16: 13, 17: 16, 18: 14,
    }  # fmt: skip
    assert len(SEED) == 17
    assert list(SEED.values())[14] == (40, 127, 198)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("cityscapes", "CityscapesDataset"), ("voc", "PascalVOCDataset"), ("ade20k", "ADE20KDataset")],
)
def test_classes_and_colours_are_those_of_mmseg(name, theirs, options_of, tmp_path):
    import mmseg.datasets

    known = getattr(mmseg.datasets, theirs).METAINFO
    folder = open_folder(options_of(name, root=tmp_path))
    assert list(folder.classes) == [label.strip() for label in known["classes"]]
    assert [list(colour) for colour in folder.palette] == known["palette"]


def test_camvid_ignores_the_twelfth_label_or_has_it_as_a_class(options_of, tmp_path):
    eleven = open_folder(options_of("camvid", root=tmp_path, layout="index"))
    twelve = open_folder(options_of("camvid", root=tmp_path, layout="index", classes=12))
    path = save(tmp_path / "a.png", [[0, 10, 11, 255]])
    assert eleven.table.read(path).tolist() == [[0, 10, 255, 255]]
    assert twelve.table.read(path).tolist() == [[0, 10, 11, 11]]
    assert (len(eleven.classes), eleven.ignored) == (11, 255)
    assert (twelve.classes[-1], twelve.palette[-1], twelve.ignored) == ("Unlabelled", (0, 0, 0), 11)


def test_camvid_colours_are_those_of_the_table(options_of, tmp_path):
    folder = open_folder(options_of("camvid", root=tmp_path, layout="rgb", classes=12))
    painted = [[128, 128, 128], [0, 0, 192], [0, 128, 192], [64, 192, 0]]
    assert folder.table.read(save(tmp_path / "a.png", [painted])).tolist() == [[0, 4, 10, 11]]


def test_ade20k_counts_from_one(options_of, tmp_path):
    table = open_folder(options_of("ade20k", root=tmp_path)).table
    assert table.read(save(tmp_path / "a.png", [[0, 1, 150]])).tolist() == [[255, 0, 149]]
    with pytest.raises(DataError, match="holds 151"):
        table.read(save(tmp_path / "b.png", [[151]]))
