"""What the processes of a training share, as far as one process shows it."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from pydantic import ValidationError
from test_engine_parts import bench, job  # noqa: F401  (fixtures)

from harness.engine import context
from harness.engine.context import StageContext
from harness.engine.handover import TrainingHandedOver, hand_over, train_elsewhere
from harness.engine.membership import SharingHook, devices_of, loader_share
from harness.engine.training import TrainingOutcome
from harness.errors import UserError
from harness.plan.member import MemberJob
from harness.registry import LoaderRequest
from harness.spec.budget import TrainingBudget


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert devices_of(torch.device("cuda"), 4) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert devices_of(torch.device("cuda:2"), 2) == ["cuda:2", "cuda:3"]
    assert devices_of(torch.device("cpu"), 3) == ["cpu", "cpu", "cpu"]


@pytest.mark.parametrize(("first", "processes", "there"), [("cuda", 5, 4), ("cuda:2", 3, 2), ("mps", 2, 1)])
def test_too_few_gpus_are_told_before_anything_starts(monkeypatch, first, processes, there):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(UserError, match=f"processes: {processes} .* from {first} on there are {there}") as raised:
        devices_of(torch.device(first), processes)
    assert "recovery.processes" in raised.value.hint


@pytest.mark.parametrize("processes", [2, 3])
def test_the_shares_of_all_processes_are_the_batches_of_one(bench, monkeypatch, processes):  # noqa: F811
    request = LoaderRequest(split="train", batch_size=6, seed=3, shuffle=True, iterations=4)
    loader = bench.dataset.loader(request)
    share = loader_share(loader, processes)
    assert loader["batch_size"] == 6
    assert share == {**loader, "batch_size": 6 // processes}
    drawn = []
    for rank in range(processes):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, processes))
        indices = iter(InfiniteSampler(range(24), shuffle=False, seed=0))
        drawn.append([[next(indices) for _ in range(share["batch_size"])] for _ in range(4)])
    batches = [sorted(sum(parts, [])) for parts in zip(*drawn, strict=True)]
    assert batches == [list(range(first, first + 6)) for first in range(0, 24, 6)]


@pytest.mark.parametrize("loader", [{"batch_size": 4, "batch_sampler": {}}, {"dataset": {}}])
def test_a_loader_with_batches_of_its_own_is_refused(loader):
    with pytest.raises(UserError, match="processes: the data set's loader makes its batches itself"):
        loader_share(loader, 2)


def test_a_sampler_that_knows_nothing_of_processes_is_refused():
    def start(sampler):
        SharingHook(1).before_train(SimpleNamespace(world_size=2, train_dataloader=SimpleNamespace(sampler=sampler)))

    with pytest.raises(UserError, match="the data set's SequentialSampler knows nothing of several processes"):
        start(torch.utils.data.SequentialSampler(range(4)))
    sampler = DefaultSampler(range(4), shuffle=False)
    sampler.world_size = 2
    start(sampler)


def test_weights_and_outcome_come_back_from_process_0_alone(job, tmp_path):  # noqa: F811
    trained, untouched, model = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    outcome = TrainingOutcome(iterations=7, final_loss=0.5, continued_from=2, earlier_seconds=1.5)

    def launch(devices, path):
        assert devices == ["cpu", "cpu"]
        for rank, network in ((1, untouched), (0, trained)):
            member = MemberJob(stage=job, rank=rank, processes=2, meeting=tmp_path / "meeting", trained=path)
            with pytest.raises(TrainingHandedOver):
                hand_over(network, outcome, member)
            assert path.exists() == (rank == 0)

    assert train_elsewhere(model, 2, tmp_path / "work", launch) == outcome
    assert torch.equal(model.weight, trained.weight)
    assert list((tmp_path / "work").iterdir()) == []


def test_processes_are_started_by_the_worker_of_a_run_only(tmp_path):
    with pytest.raises(UserError, match="processes: 2 were asked for, and only the worker of a run can start them"):
        train_elsewhere(torch.nn.Linear(3, 2), 2, tmp_path, None)


def test_a_training_of_a_method_stays_in_its_process(bench, monkeypatch):  # noqa: F811
    given = []

    def train_under(bench, model, budget, *more, **named):  # noqa: F811
        given.append(budget)
        return TrainingOutcome(iterations=3, final_loss=0.0)

    monkeypatch.setattr(context, "train_under", train_under)
    budget = TrainingBudget(iterations=3, processes=2)
    assert StageContext(bench).train(torch.nn.Linear(3, 2), budget, "search") == 3
    assert given == [budget.model_copy(update={"processes": 1})]


@pytest.mark.parametrize(("rank", "processes"), [(2, 2), (-1, 2), (0, 1)])
def test_a_process_is_one_of_several(job, tmp_path, rank, processes):  # noqa: F811
    with pytest.raises(ValidationError):
        MemberJob(stage=job, rank=rank, processes=processes, meeting=tmp_path, trained=tmp_path)
