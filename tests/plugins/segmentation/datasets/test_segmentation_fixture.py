import numpy as np
import pytest
from PIL import Image

from bench_segmentation.datasets.fixture import scene
from bench_segmentation.datasets.listing import open_folder

NAMES = ("cityscapes", "camvid", "wildscenes", "voc", "ade20k")


def content(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_determines_the_files(name, written):
    one, same, other = (
        content(written(name, samples=2, seed=seed, folder=folder).root)
        for folder, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    assert one == same
    assert one.keys() == other.keys()
    assert any(one[path] != other[path] for path in one)


@pytest.mark.parametrize("name", NAMES)
def test_labels_have_classes_and_ignored_pixels(name, written):
    options = written(name, samples=12)
    folder = open_folder(options)
    seen = set()
    for split in folder.splits:
        for pair in folder.pairs(split):
            seen |= set(np.unique(folder.table.read(pair.labels)).tolist())
    count = 23 if name == "ade20k" else len(folder.classes)
    assert seen == {*range(count), folder.ignored}


def test_pixels_of_one_label_look_alike_and_those_of_others_do_not(written):
    options = written("camvid", samples=1)
    folder = open_folder(options)
    pair = folder.pairs("train")[0]
    labels, pixels = folder.table.read(pair.labels), np.asarray(Image.open(pair.image)).astype(float)
    means = {number: pixels[labels == number].mean(0) for number in np.unique(labels) if number != folder.ignored}
    spread = max(pixels[labels == number].std(0).max() for number in means)
    gaps = [np.abs(one - other).max() for a, one in means.items() for b, other in means.items() if a < b]
    assert spread < 20 < min(gaps)


def test_the_awkward_parts_of_each_layout_are_there(written):
    cityscapes = {path.name for path in (written("cityscapes", folder="a").root / "gtFine" / "val").iterdir()}
    assert cityscapes == {"frankfurt", "munster"}
    painted = written("camvid", layout="rgb", folder="b").root / "train_labels"
    assert {Image.open(path).mode for path in painted.glob("*_L.png")} == {"RGB"}
    voc = written("voc", folder="c").root
    assert {Image.open(path).mode for path in (voc / "SegmentationClass").iterdir()} == {"P"}
    assert len({Image.open(path).size for path in (voc / "JPEGImages").iterdir()}) > 1
    rows = (written("wildscenes", folder="d").root / "val.csv").read_text().splitlines()
    assert rows[0] == "id,im_path,label_path"
    assert all(row.split(",")[1].startswith("/WildScenes2d/K-01/image/") for row in rows[1:])


def test_a_scene_has_bands_and_shapes():
    numbers = scene(np.random.default_rng(0), (30, 40), 12)
    assert numbers.shape == (30, 40)
    assert 4 <= len(np.unique(numbers)) <= 9
    assert scene(np.random.default_rng(0), (30, 40), 2).max() == 1
