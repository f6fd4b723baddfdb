from types import SimpleNamespace

import pytest

from harness.engine import budgeted
from harness.registry import LoaderRequest
from harness.spec.budget import TrainingBudget


def told(monkeypatch, tmp_path, visualizers, folder=""):
    """What a training is told by a stage whose run asks for `visualizers`."""
    given = {}
    monkeypatch.setattr(budgeted, "train", lambda model, **arguments: given.update(arguments))
    monkeypatch.setattr(budgeted, "open_loader", lambda bench, request: {"request": request})
    fields = SimpleNamespace(kind="recover")
    job = SimpleNamespace(
        root=tmp_path, work=tmp_path / "work", identity="i" * 64, fields=fields, visualizers=visualizers
    )
    bench = SimpleNamespace(job=job, seed=0, scope="mmseg", progress=print)
    budgeted.train_under(bench, None, TrainingBudget(iterations=7, batch_size=3), "recover", folder=folder)
    return given


@pytest.mark.parametrize("folder", ["", "search"])
def test_each_visualizer_has_a_folder_of_its_stage(monkeypatch, tmp_path, folder):
    given = told(monkeypatch, tmp_path, ("local", "tensorboard"), folder)
    root = tmp_path / "visualization" / f"recover-{'i' * 20}" / folder
    assert given["visualizers"] == [
        {"type": "LocalVisBackend", "save_dir": str(root / "local")},
        {"type": "TensorboardVisBackend", "save_dir": str(root / "tensorboard")},
    ]


def test_batches_are_those_of_the_budget(monkeypatch, tmp_path):
    given = told(monkeypatch, tmp_path, ())
    assert given["visualizers"] == []
    assert isinstance(given["loader"]["request"], LoaderRequest)
    assert (given["loader"]["request"].batch_size, given["loader"]["request"].iterations) == (3, 7)
