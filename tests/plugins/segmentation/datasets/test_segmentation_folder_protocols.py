"""What the folder data sets are under protocol `seed`, and the batch that the first code left out."""

import pytest

from harness.errors import DataError
from harness.registry import LoaderRequest, discover, load_implementation, validate_options


def under(protocol, name, **written):
    plugin = discover().dataset("segmentation", name)
    return validate_options(plugin, written).under(protocol)


def test_wildscenes_is_what_the_studys_code_made_of_it():
    older = under("seed", "wildscenes")
    assert (older.labels, older.split, older.traverses) == ("seed", "seed_random", ("V-01", "V-02"))
    assert (older.rotation_label, older.drop_last) == ("class_0", True)
    assert under("seed", "wildscenes", split="timestamp", labels="official").split == "timestamp"
    newer = under("corrected", "wildscenes")
    assert (newer.labels, newer.split, newer.rotation_label, newer.drop_last) == (
        "official", "official", "ignored", False,
    )  # fmt: skip


def test_camvid_counts_its_unlabelled_class():
    assert under("seed", "camvid").classes == 12
    assert under("corrected", "camvid").classes == 11


@pytest.mark.parametrize(
    ("name", "metric"),
    [("cityscapes", "mIoU_dataset_eps"), ("camvid", "mIoU_dataset_eps"), ("wildscenes", "mIoU_image_absent0")],
)
def test_the_seed_protocols_metric(name, metric):
    task, data = discover().task("segmentation").descriptor, discover().dataset("segmentation", name).descriptor
    assert task.primary_under("seed", data).name == metric
    assert task.primary_under("corrected", data).name == "mIoU"


@pytest.fixture
def written(tmp_path):
    plugin = discover().dataset("segmentation", "cityscapes")
    plugin.descriptor.write_fixture(validate_options(plugin, {}), tmp_path, 5, 0, lambda done, total: None)
    return tmp_path


def loader(root, drop_last, **request):
    plugin = discover().dataset("segmentation", "cityscapes")
    options = validate_options(plugin, {"root": str(root), "height": 32, "width": 32, "drop_last": drop_last})
    return load_implementation(plugin)(options=options).loader(LoaderRequest(**request))


def test_the_last_batch_is_left_out_of_evaluations_alone(written):
    assert loader(written, True, split="val", batch_size=2)["drop_last"] is True
    assert loader(written, False, split="val", batch_size=2)["drop_last"] is False
    assert loader(written, True, split="train", batch_size=2)["drop_last"] is False


@pytest.mark.parametrize(("batch_size", "samples", "left"), [(6, None, 5), (4, 3, 3)])
def test_nothing_would_be_left(written, batch_size, samples, left):
    told = f"cityscapes: drop_last leaves nothing of {left} samples of val"
    with pytest.raises(DataError, match=told) as caught:
        loader(written, True, split="val", batch_size=batch_size, samples=samples)
    assert f"evaluation.batch_size <= {left} (it is {batch_size})" in caught.value.hint
