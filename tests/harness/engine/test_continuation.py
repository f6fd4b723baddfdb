"""An interrupted training goes on as if nothing had happened."""

import pytest
import torch
from mmengine.hooks import Hook
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from harness.engine.continuation import newest_checkpoint
from harness.engine.training import train
from harness.registry import LoaderRequest
from harness.spec.budget import TrainingBudget

BUDGET = TrainingBudget(iterations=20, batch_size=2)


class Interrupt(Hook):
    def __init__(self, at):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            raise KeyboardInterrupt


def run(bench, network, work, hooks=()):  # noqa: F811
    request = LoaderRequest(split="train", batch_size=2, seed=3, shuffle=True, iterations=BUDGET.iterations)
    return train(
        network, loader=bench.dataset.loader(request), budget=BUDGET, seed=1, scope=bench.scope, name=work.name,
        work=work, deterministic=True, progress=lambda *told: None, hooks=hooks,
    )  # fmt: skip


def build(bench, file, dropout):  # noqa: F811
    torch.manual_seed(0)
    network = bench.task.build(file.base.config)
    network.decode_head.dropout = torch.nn.Dropout2d(dropout)  # so that torch's generator matters
    return network


def test_weights_and_outcome_are_those_of_an_uninterrupted_training(bench, file, tmp_path):  # noqa: F811
    torch.set_num_threads(1)
    whole = build(bench, file, 0.5)
    expected = run(bench, whole, tmp_path / "whole")
    work = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        run(bench, build(bench, file, 0.5), work, [Interrupt(at=15)])
    torch.manual_seed(99)  # another process has other random states
    continued = build(bench, file, 0.5)
    outcome = run(bench, continued, work)
    assert outcome.continued_from == 14
    assert outcome.earlier_seconds > 0
    assert expected.earlier_seconds == 0
    assert (outcome.iterations, outcome.final_loss) == (expected.iterations, expected.final_loss)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name
    assert list(work.glob("*.pth")) == []


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    torch.save({"x": torch.zeros(100)}, tmp_path / "iter_2.pth")
    torch.save({"x": torch.zeros(100)}, tmp_path / "iter_10.pth")
    assert newest_checkpoint(tmp_path) == tmp_path / "iter_10.pth"
    content = (tmp_path / "iter_10.pth").read_bytes()
    (tmp_path / "iter_10.pth").write_bytes(content[: len(content) // 2])
    assert newest_checkpoint(tmp_path) == tmp_path / "iter_2.pth"
    (tmp_path / "iter_2.pth").write_bytes(b"")
    assert newest_checkpoint(tmp_path) is None
