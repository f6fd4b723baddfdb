import shutil

import pytest
from PIL import Image

from bench_segmentation.datasets.fingerprint import EDGE, fingerprint
from bench_segmentation.datasets.listing import open_folder
from harness.errors import DataError


def test_it_follows_the_content_and_not_the_place(written, tmp_path):
    options = written("camvid")
    before = fingerprint(options)
    moved = tmp_path / "elsewhere" / "camvid"
    shutil.copytree(options.root, moved)
    assert fingerprint(options.model_copy(update={"root": moved})) == before
    path = open_folder(options).pairs("val")[1].labels
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert fingerprint(options) != before


def test_it_follows_names_and_sizes(written):
    options = written("camvid")
    seen = {fingerprint(options)}
    pair = open_folder(options).pairs("train")[0]
    for path in pair:
        path.rename(path.with_name(f"z{path.name}"))
    seen.add(fingerprint(options))
    path = open_folder(options).pairs("train")[0].image
    path.write_bytes(path.read_bytes() + b"x")
    seen.add(fingerprint(options))
    assert len(seen) == 3


def test_the_middle_of_a_large_file_does_not_count_as_the_documentation_says(written):
    options = written("camvid")
    path = open_folder(options).pairs("train")[0].image
    results = []
    for place in (EDGE - 1, EDGE, 3 * EDGE - 1, 2 * EDGE):
        content = bytearray(3 * EDGE)
        content[place] = 1
        path.write_bytes(content)
        results.append(fingerprint(options))
    path.write_bytes(bytes(3 * EDGE))
    assert results[1] == fingerprint(options)
    assert fingerprint(options) not in (results[0], results[2], results[3])


def test_it_follows_options_that_change_samples_and_not_where_lists_are(written, tmp_path):
    options = written("wildscenes")
    lists = tmp_path / "lists"
    shutil.copytree(options.root, lists, ignore=shutil.ignore_patterns("WildScenes2d"))
    assert fingerprint(options.model_copy(update={"split_files": lists})) == fingerprint(options)
    assert fingerprint(options.model_copy(update={"labels": "seed"})) != fingerprint(options)


def test_missing_files_are_named_and_counted(written):
    options = written("cityscapes", samples=6)
    for pair in open_folder(options).pairs("val")[1:]:
        pair.labels.unlink()
    with pytest.raises(DataError, match=r"5 files missing of split val: .*labelTrainIds\.png.* and 2 more") as caught:
        fingerprint(options)
    assert "csCreateTrainIdLabelImgs" in caught.value.hint


def test_descriptors_fingerprint_without_opening_images(written, monkeypatch):
    from bench_segmentation.datasets.descriptors import VOC

    options = written("voc")
    monkeypatch.setattr(Image, "open", None)
    assert VOC.fingerprint(options) == fingerprint(options)
