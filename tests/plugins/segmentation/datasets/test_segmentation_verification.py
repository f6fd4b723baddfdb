import numpy as np
import pytest
from PIL import Image

from bench_segmentation.datasets.fingerprint import fingerprint
from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.verification import verify


def look(options):
    return verify(options, lambda done, total: None)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cityscapes", {}),
        ("camvid", {}),
        ("camvid", {"layout": "rgb"}),
        ("wildscenes", {}),
        ("wildscenes", {"split": "timestamp", "labels": "seed"}),
        ("voc", {}),
        ("ade20k", {}),
    ],
)
def test_a_complete_data_set_has_no_problems(name, options, written):
    options = written(name, **options)
    seen = []
    found = verify(options, lambda done, total: seen.append((done, total)))
    assert found.problems == ()
    assert found.fingerprint == fingerprint(options)
    assert sum(found.splits.values()) == len(seen) == seen[-1][1]
    assert set(found.splits) == set(open_folder(options).splits)


def test_each_kind_of_damage_is_named_with_its_file(written):
    options = written("camvid", samples=6)
    pairs = open_folder(options).pairs("train")
    pairs[0].labels.unlink()
    Image.fromarray(np.full((72, 96), 37, dtype=np.uint8)).save(pairs[1].labels)
    Image.fromarray(np.zeros((10, 20), dtype=np.uint8)).save(pairs[2].labels)
    pairs[3].labels.write_bytes(pairs[3].labels.read_bytes()[:150])
    pairs[4].image.write_bytes(b"no image")
    found = look(options)
    assert found.fingerprint is None
    missing, value, size, labels, image = found.problems
    assert "1 file missing of split train" in missing
    assert str(pairs[0].labels) in missing
    assert f"{pairs[1].labels}: holds 37; expected 0..11 or 255" in value
    assert f"{pairs[2].image} is 96 x 72 pixels" in size
    assert "20 x 10" in size
    assert f"{pairs[3].labels}: cannot be read" in labels
    assert f"image {pairs[4].image}: cannot be read" in image


def test_cityscapes_without_train_ids_says_how_to_make_them(written):
    options = written("cityscapes")
    for split in ("train", "val"):
        for pair in open_folder(options).pairs(split):
            pair.labels.rename(pair.labels.with_name(pair.labels.name.replace("TrainIds", "Ids")))
    found = look(options)
    assert len(found.problems) == 2
    assert all("csCreateTrainIdLabelImgs" in problem for problem in found.problems)


def test_a_wrong_layout_is_told_with_the_right_one(written, options_of):
    found = look(options_of("camvid", root=written("voc").root))
    assert any("train is missing" in problem for problem in found.problems)
    assert any("neither of the label folders" in problem for problem in found.problems)
    assert "train_labels/<name>_L.png" in found.layout
    assert found.splits == {}


def test_an_image_in_two_splits_is_a_problem(written):
    options = written("voc")
    lists = options.root / "ImageSets" / "Segmentation"
    train = (lists / "train.txt").read_text()
    (lists / "val.txt").write_text(train.splitlines()[2] + "\n")
    (lists / "train.txt").write_text(train + train.splitlines()[0] + "\n")
    twice, shared = look(options).problems
    assert "2007_000000.jpg is twice in split train" in twice
    assert "2007_000002.jpg is in splits train and val" in shared
