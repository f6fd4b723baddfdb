"""What a real grid looks like: predictions, curves, classes."""

import json

from PIL import Image


def test_a_cell_is_shown_by_a_worker(grid, tmp_path):
    bench, results, _ = grid
    lines = bench("show", "l1@0.5", results, "--images", "2,0", "--out", tmp_path / "out").splitlines()
    assert lines == [str(tmp_path / "out" / name) for name in ("test_2.png", "test_0.png", "iou_drops.png")]
    assert all(min(Image.open(line).size) > 300 for line in lines)


def test_a_mistake_that_the_worker_finds_is_told_like_any_other(grid, tmp_path):
    bench, results, _ = grid
    told = bench("show", "l1@0.5", results, "--images", "400", "--out", tmp_path / "out", expect=2)
    assert "--images: there is no sample 400: split test has 400" in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_every_training_has_its_curve(grid, tmp_path):
    bench, results, _ = grid
    lines = bench("curves", results, "--out", tmp_path).splitlines()
    names = [line.removeprefix(f"{tmp_path}/").rpartition("-")[0] for line in lines]
    assert sorted(names) == [
        "recover_finetune_after_fpgm@0.5", "recover_finetune_after_l1@0.5", "train_residual_fcn",
    ]  # fmt: skip


def test_classes_stand_in_their_own_order(grid):
    bench, results, _ = grid
    rows = json.loads(bench("report", results, "--per-class", "--metric", "boundary_f", "--json"))
    assert [row["class"] for row in rows] == ["background", *map(str, range(10))]
