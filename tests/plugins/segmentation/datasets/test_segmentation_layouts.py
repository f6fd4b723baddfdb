import pytest

from bench_segmentation.datasets.listing import open_folder
from harness.errors import DataError, UserError


def names(pairs, root):
    return [tuple(path.relative_to(root).as_posix() for path in pair) for pair in pairs]


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_root_must_be_given_and_be_a_folder(options_of, tmp_path):
    with pytest.raises(UserError, match="`root` is missing") as caught:
        open_folder(options_of("voc"))
    assert "datasets: [{name: voc, root: PATH}]" in caught.value.hint
    with pytest.raises(DataError, match="nowhere is no folder"):
        open_folder(options_of("voc", root=tmp_path / "nowhere"))


def test_cityscapes_goes_through_all_cities_and_has_no_test_split(options_of, tmp_path):
    touch(
        tmp_path,
        "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png",
        "leftImg8bit/train/aachen/aachen_000002_000019_leftImg8bit.png",
    )
    folder = open_folder(options_of("cityscapes", root=tmp_path))
    assert names(folder.pairs("train"), tmp_path) == [
        (
            f"leftImg8bit/train/{city}/{city}_00000{number}_000019_leftImg8bit.png",
            f"gtFine/train/{city}/{city}_00000{number}_000019_gtFine_labelTrainIds.png",
        )
        for city, number in (("aachen", 2), ("ulm", 1))
    ]
    with pytest.raises(DataError, match="no test split with labels") as caught:
        folder.pairs("test")
    assert "reports use val" in caught.value.hint


def test_camvid_finds_out_which_layout_it_is(options_of, tmp_path):
    options = options_of("camvid", root=tmp_path)
    touch(tmp_path, "train/a.png")
    with pytest.raises(DataError, match="neither of the label folders"):
        open_folder(options).pairs("train")
    (tmp_path / "trainannot").mkdir()
    assert names(open_folder(options).pairs("train"), tmp_path) == [("train/a.png", "trainannot/a.png")]
    (tmp_path / "train_labels").mkdir()
    with pytest.raises(DataError, match="both of the label folders"):
        open_folder(options).pairs("train")
    painted = open_folder(options_of("camvid", root=tmp_path, layout="rgb"))
    assert names(painted.pairs("train"), tmp_path) == [("train/a.png", "train_labels/a_L.png")]


def test_voc_reads_the_lists_and_finds_the_inner_folder(options_of, tmp_path):
    inner = tmp_path / "VOCdevkit/VOC2012"
    (inner / "ImageSets/Segmentation").mkdir(parents=True)
    (inner / "ImageSets/Segmentation/val.txt").write_text("2007_2\n\n2007_1\n")
    folder = open_folder(options_of("voc", root=tmp_path))
    assert names(folder.pairs("val"), inner) == [
        ("JPEGImages/2007_2.jpg", "SegmentationClass/2007_2.png"),
        ("JPEGImages/2007_1.jpg", "SegmentationClass/2007_1.png"),
    ]
    with pytest.raises(DataError, match=r"train\.txt cannot be read"):
        folder.pairs("train")


def test_ade20k_names_its_splits_otherwise(options_of, tmp_path):
    touch(tmp_path, "ADEChallengeData2016/images/validation/ADE_val_00000001.jpg")
    folder = open_folder(options_of("ade20k", root=tmp_path))
    assert names(folder.pairs("val"), folder.base) == [
        ("images/validation/ADE_val_00000001.jpg", "annotations/validation/ADE_val_00000001.png")
    ]
    with pytest.raises(DataError, match="training is missing"):
        folder.pairs("train")


@pytest.fixture
def frames(tmp_path):
    """Ten images of two traverses, whose times alternate; the second counter has fewer digits than the others."""
    for number in range(10):
        traverse = "V-01" if number % 2 else "K-01"
        touch(tmp_path, f"WildScenes2d/{traverse}/image/{99 + number}-{number:09d}.png")
    return tmp_path


def seconds(pairs):
    return [int(pair.image.stem.partition("-")[0]) for pair in pairs]


def test_wildscenes_in_time_is_cut_into_three_pieces(options_of, frames):
    folder = open_folder(options_of("wildscenes", root=frames, split="timestamp"))
    assert seconds(folder.pairs("train")) == [99, 100, 101, 102, 103, 104, 105]
    assert seconds(folder.pairs("val")) == [106, 107]
    assert seconds(folder.pairs("test")) == [108]
    assert folder.pairs("test")[0].labels.parent.name == "indexLabel"


def test_wildscenes_at_random_depends_on_the_seed_alone_and_loses_nothing(options_of, frames):
    def drawn(seed):
        folder = open_folder(options_of("wildscenes", root=frames, split="seed_random", split_seed=seed))
        return [seconds(folder.pairs(split)) for split in ("train", "val", "test")]

    assert drawn(0) == drawn(0) != drawn(1)
    assert [len(part) for part in drawn(0)] == [7, 2, 1]
    assert sorted(sum(drawn(0), [])) == list(range(99, 109))
    assert drawn(0)[0] != list(range(99, 106))


def test_wildscenes_takes_the_traverses_that_are_asked_for(options_of, frames):
    options = options_of("wildscenes", root=frames, split="timestamp", traverses=["V-01"])
    assert seconds(open_folder(options).pairs("train")) == [100, 102, 104]
    touch(frames, "WildScenes2d/V-02/image/1-1.png")
    few = open_folder(options.model_copy(update={"traverses": ("V-02",)}))
    with pytest.raises(DataError, match="1 images are too few for split timestamp: val is empty"):
        few.pairs("val")


def test_wildscenes_lists_may_name_paths_of_other_machines(options_of, frames):
    path = frames / "splits" / "val.csv"
    path.parent.mkdir()
    path.write_text(
        "id,im_path,label_path\n"
        "99-0,/WildScenes2d/K-01/image/99-0.png,/WildScenes2d/K-01/indexLabel/99-0.png\n"
        "1,C:\\data\\K-01\\image\\1.png,C:\\data\\K-01\\indexLabel\\1.png\n"
    )
    folder = open_folder(options_of("wildscenes", root=frames))
    assert names(folder.pairs("val"), frames / "WildScenes2d") == [
        ("K-01/image/99-0.png", "K-01/indexLabel/99-0.png"),
        ("K-01/image/1.png", "K-01/indexLabel/1.png"),
    ]


def test_wildscenes_says_where_it_looked_for_lists(options_of, frames):
    with pytest.raises(DataError, match=r"list train\.csv is missing; looked in .*splits") as caught:
        open_folder(options_of("wildscenes", root=frames)).pairs("train")
    assert "split timestamp" in caught.value.hint
    given = frames / "given"
    given.mkdir()
    (given / "train.csv").write_text("image,label\na,b\n")
    with pytest.raises(DataError, match="has columns image, label; expected id,im_path,label_path"):
        open_folder(options_of("wildscenes", root=frames, split_files=given)).pairs("train")


def test_wildscenes_needs_names_that_are_times(options_of, frames):
    touch(frames, "WildScenes2d/K-01/image/first.png")
    with pytest.raises(DataError, match=r"first\.png is not named <seconds>-<nanoseconds>"):
        open_folder(options_of("wildscenes", root=frames, split="timestamp")).pairs("train")
