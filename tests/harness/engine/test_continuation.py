"""An interrupted training goes on as if nothing had happened."""

import pickle

import pytest
import torch
from malicious import Touch
from mmengine.hooks import Hook
from mmengine.runner.checkpoint import CheckpointLoader
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from harness.engine.continuation import usable_checkpoint
from harness.engine.seeding import algorithms
from harness.engine.training import train
from harness.registry import LoaderRequest
from harness.spec.budget import TrainingBudget
from harness.store.checksum import sha256_of

BUDGET = TrainingBudget(iterations=20, batch_size=2)


class Interrupt(Hook):
    def __init__(self, at):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            raise KeyboardInterrupt


def run(bench, network, work, hooks=()):  # noqa: F811
    request = LoaderRequest(split="train", batch_size=2, seed=3, shuffle=True, iterations=BUDGET.iterations)
    with algorithms(deterministic=True):
        return train(
            network, loader=bench.dataset.loader(request), budget=BUDGET, seed=1, scope=bench.scope, name=work.name,
            work=work, progress=lambda *told: None, hooks=hooks,
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


def test_mmengine_never_loads_a_checkpoint_itself(bench, file, tmp_path, monkeypatch):  # noqa: F811
    def unpickle(*arguments, **options):
        pytest.fail("mmengine's own loader was the way in")

    monkeypatch.setattr(CheckpointLoader, "_schemes", {**CheckpointLoader._schemes, "": unpickle})
    with pytest.raises(KeyboardInterrupt):
        run(bench, build(bench, file, 0.0), tmp_path / "work", [Interrupt(at=7)])
    assert run(bench, build(bench, file, 0.0), tmp_path / "work").continued_from == 6


def test_a_planted_pickle_runs_nothing_and_does_not_stop_the_training(bench, file, tmp_path, caplog):  # noqa: F811
    work, marker = tmp_path / "work", tmp_path / "marker"
    work.mkdir()
    torch.save({"state_dict": Touch(marker)}, work / "iter_2.pth")
    (work / "iter_4.pth").write_bytes(pickle.dumps(Touch(marker), protocol=2))
    digest(work / "iter_2.pth", work / "iter_4.pth")
    outcome = run(bench, build(bench, file, 0.0), work)
    assert not marker.exists()
    assert (outcome.iterations, outcome.continued_from) == (20, 0)
    assert sorted(path.name for path in work.glob("iter*")) == ["iter_2.pth.refused", "iter_4.pth.refused"]
    assert "does not continue from iter_2.pth, now iter_2.pth.refused" in caplog.text
    assert caplog.text.count("asks for posix.system") == 2


def digest(*paths):
    for path in paths:
        path.with_name(f"{path.name}.sha256").write_text(sha256_of(path))


def checkpoint_of(network, **content):
    state = {"meta": {"iter": 2}, "message_hub": {}, "optimizer": {}, "bench": {}}
    return {"state_dict": network.state_dict(), **state, **content}


def test_the_newest_checkpoint_that_is_whole_and_of_the_model_is_used(tmp_path):
    network = torch.nn.Linear(3, 2)
    torch.save(checkpoint_of(network), tmp_path / "iter_2.pth")
    torch.save(checkpoint_of(torch.nn.Linear(4, 2)), tmp_path / "iter_10.pth")
    torch.save(checkpoint_of(network, optimizer=None), tmp_path / "iter_11.pth")
    torch.save(checkpoint_of(network), tmp_path / "iter_12.pth")
    digest(*tmp_path.glob("iter_*.pth"))
    content = (tmp_path / "iter_12.pth").read_bytes()
    (tmp_path / "iter_12.pth").write_bytes(content[: len(content) // 2])
    (tmp_path / "iter_x.pth").write_bytes(b"")
    assert usable_checkpoint(tmp_path, network) == f"bench:{tmp_path / 'iter_2.pth'}"
    refused = sorted(path.name for path in tmp_path.glob("*.refused"))
    assert refused == ["iter_10.pth.refused", "iter_11.pth.refused", "iter_12.pth.refused"]
    (tmp_path / "iter_2.pth").write_bytes(b"")
    assert usable_checkpoint(tmp_path, network) is None
