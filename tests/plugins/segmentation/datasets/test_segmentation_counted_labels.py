"""Class weights of a data set on disk: from its training split, counted once, and known to the loss."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from bench_segmentation.datasets import counted_labels
from bench_segmentation.datasets.class_weights import class_weights, label_counts
from bench_segmentation.datasets.fingerprint import fingerprint
from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.loading import FolderDataset
from bench_segmentation.models.resnet_segmentor import ResNet50Seg
from bench_segmentation.network_options import ResNetSegmentorOptions
from harness.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(counted_labels, "_known", {})
    return tmp_path / "cache" / "compression-bench" / "label_counts"


@pytest.fixture
def reads(monkeypatch):
    """The label files that are decoded."""
    from bench_segmentation.datasets.label_table import IndexTable

    opened, read = [], IndexTable.read
    monkeypatch.setattr(IndexTable, "read", lambda table, path: opened.append(path) or read(table, path))
    return opened


def expected(options, rule):
    folder = open_folder(options)
    labels = [np.minimum(np.asarray(Image.open(pair.labels)), 11) for pair in folder.pairs("train")]
    return class_weights(label_counts(labels, len(folder.classes), 11), rule)


@pytest.mark.parametrize("rule", ["inverse", "median", "enet"])
def test_weights_follow_the_labels_of_the_training_split_at_their_own_size(rule, written, reads):
    options = written("camvid", height=18, width=24, class_weights=rule)
    meta = FolderDataset(options=options).meta()
    assert meta.class_weights == pytest.approx(expected(options, rule))
    assert len(set(meta.class_weights)) > 5
    assert {path.parent.name for path in reads} == {"trainannot"}


def test_nothing_is_counted_unless_it_is_asked_for(written, reads, cache):
    assert FolderDataset(options=written("camvid")).meta().class_weights == ()
    numbers = tuple(range(1, 12))
    options = written("camvid", folder="b", class_weights=numbers)
    assert FolderDataset(options=options).meta().class_weights == numbers
    assert not reads
    assert not cache.exists()


def test_label_files_are_read_once_for_all_rules_stages_and_processes(written, reads, monkeypatch, cache):
    options = written("camvid", samples=3, class_weights="inverse")
    first = FolderDataset(options=options).meta()
    assert len(reads) == 3
    assert FolderDataset(options=options.model_copy(update={"class_weights": "enet"})).meta() != first
    monkeypatch.setattr(counted_labels, "_known", {})  # another process
    assert FolderDataset(options=options).meta() == first
    assert len(reads) == 3
    (kept,) = cache.iterdir()
    kept.write_text("[[1, 2")
    monkeypatch.setattr(counted_labels, "_known", {})
    assert FolderDataset(options=options).meta() == first
    assert len(reads) == 6


def test_other_labels_and_another_meaning_are_counted_anew(written, reads):
    options = written("camvid", samples=2, class_weights="inverse")
    first = FolderDataset(options=options).meta().class_weights
    twelve = FolderDataset(options=options.model_copy(update={"classes": 12})).meta().class_weights
    assert twelve == pytest.approx((*first, 0.0))
    path = open_folder(options).pairs("train")[0].labels
    Image.fromarray(np.zeros((72, 96), dtype=np.uint8)).save(path)
    assert FolderDataset(options=options).meta().class_weights[0] < first[0]
    assert len(reads) == 6


def test_a_cache_that_cannot_be_written_costs_time_alone(written, reads, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    options = written("camvid", samples=2, class_weights="median")
    assert FolderDataset(options=options).meta() == FolderDataset(options=options).meta()
    assert len(reads) == 2
    assert "label counts cannot be kept" in caplog.text


def test_they_reach_the_loss_and_the_fingerprint(written):
    options = written("camvid", samples=2, height=32, width=32)
    weighted = options.model_copy(update={"class_weights": "enet"})
    meta = FolderDataset(options=weighted).meta()
    config = ResNet50Seg(options=ResNetSegmentorOptions(base_channels=2, aux_loss=True)).config(meta)
    for head in ("decode_head", "auxiliary_head"):
        assert config[head]["loss_decode"]["class_weight"] == list(meta.class_weights)
    assert fingerprint(weighted) != fingerprint(options)


def test_weights_that_are_none(written, options_of):
    for weights in ([], [-1.0, 1.0], [0.0, 0.0], [1.0, float("nan")], [1.0, float("inf")]):
        with pytest.raises(ValidationError, match="finite numbers"):
            options_of("camvid", class_weights=weights)
    options = written("camvid").model_copy(update={"class_weights": (1.0, 2.0)})
    with pytest.raises(UserError, match="class_weights has 2 numbers for 11 classes"):
        fingerprint(options)
