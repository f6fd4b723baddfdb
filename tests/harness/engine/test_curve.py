"""What a training leaves for its picture."""

import numpy as np
import pytest
from mmengine.hooks import Hook
from small_training import Interrupt, Rates, network, run
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from harness.engine.context import StageContext
from harness.engine.curve import POINTS, log_interval, thinned
from harness.spec.budget import TrainingBudget
from harness.store.curve import CURVE, find_curves, read_curve

BUDGET = TrainingBudget(iterations=20, batch_size=4)


class Losses(Hook):
    """Notes the loss of each iteration."""

    def __init__(self):
        self.found = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.found.append(float(outputs["loss"].detach()))


def test_the_curve_has_loss_and_rate_of_every_iteration(tmp_path):
    rates, losses = Rates(), Losses()
    run(network(), BUDGET, tmp_path / "work", [rates, losses])
    curve = read_curve(tmp_path / "work" / CURVE)
    assert curve.iterations == list(range(1, 21))
    assert curve.losses == {"loss": pytest.approx(losses.found)}
    assert curve.learning_rate == pytest.approx(rates.found)


def test_an_interrupted_training_leaves_the_curve_of_a_whole_one(tmp_path):
    run(network(), BUDGET, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(network(), BUDGET, tmp_path / "work", [Interrupt(at=15)])
    assert not (tmp_path / "work" / CURVE).exists()
    assert run(network(), BUDGET, tmp_path / "work").continued_from == 14
    assert read_curve(tmp_path / "work" / CURVE) == read_curve(tmp_path / "whole" / CURVE)


def test_a_long_training_is_thinned_to_means_of_equal_spans():
    count = 2 * POINTS + 50
    curve = thinned({"loss": np.arange(1.0, count + 1), "lr": np.full(count, 0.1)}, count)
    assert curve.iterations == [*range(3, count, 3), count]
    assert curve.losses["loss"] == [float(last - 1) for last in curve.iterations]
    assert curve.learning_rate == pytest.approx([0.1] * len(curve.iterations))


def test_only_the_end_of_what_is_too_long_is_known():
    assert thinned({"loss": np.ones(3)}, 10).iterations == [8, 9, 10]


def test_parts_of_the_loss_are_kept_and_what_is_none_is_not():
    noted = {
        "loss": np.ones(3), "decode.loss_ce": np.zeros(3), "decode.acc_seg": np.ones(3), "loss_late": np.ones(2),
        "loss_broken": np.array([1.0, np.nan, 1.0]), "time": np.ones(3),
    }  # fmt: skip
    curve = thinned(noted, 3)
    assert set(curve.losses) == {"loss", "decode.loss_ce"}
    assert curve.learning_rate == []


def test_without_a_loss_there_is_no_curve():
    assert thinned({"lr": np.ones(3)}, 3) is None
    assert thinned({"loss": np.array([1.0, np.inf, 1.0])}, 3) is None


@pytest.mark.parametrize(("iterations", "interval"), [(1, 1), (99, 1), (250, 2), (5000, 50), (80000, 50)])
def test_a_log_has_about_a_hundred_lines_and_one_every_fifty_iterations(iterations, interval):
    assert log_interval(iterations) == interval


def test_a_short_training_has_its_lines_in_the_log(tmp_path):
    run(network(), BUDGET, tmp_path / "work")
    (log,) = tmp_path.glob("work/*/*.log")
    assert log.read_text().count("Iter(train)") == 20


def test_a_second_training_of_one_name_has_a_curve_and_a_visualizer_of_its_own(tmp_path):
    for folder in (tmp_path / "first", tmp_path / "second"):
        backend = {"type": "LocalVisBackend", "save_dir": str(folder / "visualized")}
        run(network(), BUDGET, folder / "work", visualizers=[backend])
        assert read_curve(folder / "work" / CURVE).iterations == list(range(1, 21))
        assert len((folder / "visualized" / "scalars.json").read_text().splitlines()) == 20


def test_a_training_of_a_methods_own_leaves_its_curve_in_the_stage(bench, model):  # noqa: F811
    StageContext(bench).train(model, TrainingBudget(iterations=2, batch_size=2), "search")
    ((purpose, path),) = find_curves(bench.job.work).items()
    assert purpose == "search"
    curve = read_curve(path)
    assert curve.iterations == [1, 2]
    assert {"loss", "decode.loss_ce"} <= set(curve.losses)
