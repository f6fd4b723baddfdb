"""Generated data sets on disk."""

import pytest

from bench_segmentation.datasets import descriptors
from bench_segmentation.datasets.fixture import write_fixture

DESCRIPTORS = {
    descriptor.name: descriptor
    for descriptor in (
        descriptors.CITYSCAPES, descriptors.CAMVID, descriptors.WILDSCENES, descriptors.VOC, descriptors.ADE20K,
    )
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """Writes a data set and returns its options."""

    def write(name, samples=4, seed=0, folder="data", **options):
        kind = DESCRIPTORS[name].options
        root = tmp_path / folder
        write_fixture(kind(**options), root, samples, seed, lambda done, total: None)
        return kind(root=root, **options)

    return write


@pytest.fixture
def options_of():
    """Returns validated options of a data set."""
    return lambda name, **options: DESCRIPTORS[name].options(**options)
