"""Data sets whose errors name data set, sample and file, in the main process and in a loader's."""

import errno
import pickle

import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)
from torch._utils import ExceptionWrapper
from torch.utils.data import Dataset, IterableDataset

from harness.engine.budgeted import train_under
from harness.engine.first_batch import FirstBatchHook, open_loader
from harness.engine.samples import GuardedDataset, guarded_loader
from harness.engine.seeding import algorithms
from harness.engine.training import train
from harness.errors import BenchError, DataError, TraceError, UserError
from harness.execution.classification import failure_of
from harness.registry import LoaderRequest
from harness.spec.budget import TrainingBudget

NAME = "data set x (train)"
FILES = "(images/3.png, labels masks/3.png)"
GONE = "the network is gone"
OOM = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: 9 bytes"


class Listed(Dataset):
    """Numbers; the last one raises."""

    def __init__(self, error=None, length=4):
        self.error = error
        self.length = length
        self.metainfo = {"classes": ("a",)}
        self.opened = 0

    def full_init(self):
        self.opened += 1

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index >= self.length:
            raise IndexError(index)
        if self.error is not None and index == self.length - 1:
            raise self.error
        return index


class WithFiles(Listed):
    def get_data_info(self, index):
        return {"img_path": f"images/{index}.png", "seg_map_path": f"masks/{index}.png", "sample_idx": index}


class Broken(Listed):
    def get_data_info(self, index):
        raise RuntimeError(index)


class Whole(Listed):
    def __getitems__(self, indices):
        if self.error is not None:
            raise self.error
        return [-index for index in indices]


class Stream(IterableDataset):
    metainfo = "a stream's"

    def __iter__(self):
        yield 1
        yield 2
        raise OSError(GONE)


def loader(dataset, workers=0, **more):
    config = {"batch_size": 2, "num_workers": workers, "sampler": {"type": "DefaultSampler", "shuffle": False}, **more}
    return Runner.build_dataloader(guarded_loader({**config, "dataset": dataset}, NAME))


def failure(dataset, workers=0, **more):
    with pytest.raises(Exception) as caught:  # noqa: PT011, B017  (what it is is the question)
        list(loader(dataset, workers, **more))
    return failure_of(caught.value)


def carried_failure(dataset, monkeypatch):
    """What a loader's process would hand to the main one: torch needs five seconds to end such a process."""
    monkeypatch.setattr("harness.engine.samples.get_worker_info", lambda: "a loader's process")
    try:
        list(loader(dataset))
    except Exception:
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
    with pytest.raises(Exception) as caught:  # noqa: PT011, B017  (see above)
        wrapped.reraise()
    return failure_of(caught.value)


def test_what_is_good_comes_through_and_everything_else_is_the_data_sets():
    made = loader(Listed())
    assert list(made) == [[0, 1], [2, 3]]
    assert made.dataset.metainfo == {"classes": ("a",)}
    assert made.dataset.opened > 0
    assert len(made.dataset) == 4
    assert list(GuardedDataset(Listed(), NAME)) == [0, 1, 2, 3], "beyond the end is the end"
    assert not hasattr(made.dataset, "nothing")
    assert len(pickle.loads(pickle.dumps(made.dataset))) == 4
    assert list(loader(Whole())) == [[0, -1], [-2, -3]]


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize(
    ("dataset", "error", "kind", "message"),
    [
        (Listed, ValueError("bad\nvery"), "data_error", f"{NAME}: sample 3 cannot be read: ValueError: bad"),
        (Listed, KeyError("a"), "data_error", f"{NAME}: sample 3 cannot be read: KeyError: 'a'"),
        (Listed, AssertionError(), "data_error", f"{NAME}: sample 3 cannot be read: AssertionError"),
        (Broken, IndexError(7), "data_error", f"{NAME}: sample 3 cannot be read: IndexError: 7"),
        (WithFiles, FileNotFoundError(2, "Gone", "a.png"), "data_error",
         f"{NAME}: sample 3 {FILES} cannot be read: FileNotFoundError: [Errno 2] Gone: 'a.png'"),
        (Whole, ValueError("bad"), "data_error", f"{NAME}: one of the samples 0, 1 cannot be read: ValueError: bad"),
        (Listed, MemoryError(), "oom", f"{NAME}: sample 3 cannot be read: MemoryError"),
        (Listed, RuntimeError(OOM), "oom", f"{NAME}: sample 3 cannot be read: RuntimeError: {OOM}"),
        (Listed, OSError(errno.ENOSPC, "No space left"), "disk_full",
         f"{NAME}: sample 3 cannot be read: OSError: [Errno 28] No space left"),
        (Listed, TraceError("on purpose", "do this"), "trace_error", "on purpose"),
        (Listed, UserError("two\nlines", "do this"), "config_error", "two"),
    ],
)  # fmt: skip
def test_errors_name_their_sample_and_keep_their_cause(dataset, error, kind, message, carried, monkeypatch):
    found = carried_failure(dataset(error), monkeypatch) if carried else failure(dataset(error))
    assert (found.kind, found.message.splitlines()[0].removesuffix(" lines")) == (kind, message)
    assert found.hint == "do this" if isinstance(error, BenchError) else f"--retry {kind}" in found.hint
    assert type(error).__name__ in found.traceback
    assert "__getitem" in found.traceback, "where it was raised"
    if carried:
        assert "DataLoader worker process 0" in found.traceback


def test_an_error_that_a_data_set_wraps_keeps_its_cause_too():
    class Caching(Listed):
        def __getitem__(self, index):
            try:
                raise OSError(errno.EDQUOT, "Disk quota exceeded")
            except OSError as error:
                message = "cannot be cached"
                raise RuntimeError(message) from error

    assert failure(Caching()).kind == "disk_full"


def test_a_stream_is_guarded_as_well():
    made = loader(Stream(), sampler=None)
    assert made.dataset.metainfo == "a stream's"
    found = failure(Stream(), sampler=None)
    assert found.message == f"{NAME}: the sample behind the first 2 cannot be read: OSError: {GONE}"


def test_samples_that_do_not_make_a_batch():
    class Ragged(Listed):
        def __getitem__(self, index):
            return torch.zeros(3, 4 + index)

    found = failure(Ragged(), collate_fn={"type": "default_collate"})
    assert found.kind == "data_error"
    assert found.message.startswith(f"{NAME}: 2 samples cannot be put together to a batch: RuntimeError: stack expects")


def test_a_data_set_that_cannot_be_opened(tmp_path):
    class Annotated(BaseDataset):
        pass

    found = failure({"type": Annotated, "ann_file": str(tmp_path / "none.json")})
    assert found.kind == "data_error"
    assert found.message.startswith(f"{NAME} cannot be opened: FileNotFoundError")
    assert "none.json" in found.message


def test_training_is_the_same_with_the_guard_bit_for_bit(bench, model, file, tmp_path):  # noqa: F811
    budget = TrainingBudget(iterations=3, batch_size=2)
    request = LoaderRequest(split="train", batch_size=2, shuffle=True, iterations=3, seed=5)

    def trained(name, loader, hooks):
        torch.manual_seed(0)
        network = bench.task.build(file.base.config)
        with algorithms(deterministic=True):
            train(
                network, loader=loader, budget=budget, seed=1, scope=bench.scope, name=name, work=tmp_path / name,
                progress=lambda *told: None, hooks=hooks,
            )  # fmt: skip
        return network.state_dict()

    plain = trained("plain", bench.dataset.loader(request), [])
    guarded = trained("guarded", open_loader(bench, request), [FirstBatchHook(bench, request)])
    assert all(torch.equal(value, guarded[name]) for name, value in plain.items())


def damaged(bench, monkeypatch, change):  # noqa: F811
    """Lets `change` at every sample of the bench's data set."""
    kind = type(bench.dataset)
    original = kind.loader

    class Changed(Dataset):
        def __init__(self, inner):
            from mmengine.registry import DATASETS

            self.inner = DATASETS.build(inner)
            self.metainfo = self.inner.metainfo

        def __len__(self):
            return len(self.inner)

        def __getitem__(self, index):
            return change(self.inner[index])

    def changed(self, request):
        config = original(self, request)
        return {**config, "dataset": {"type": Changed, "inner": config["dataset"]}}

    monkeypatch.setattr(kind, "loader", changed)


def test_the_first_batch_of_a_training_is_looked_at(bench, model, monkeypatch):  # noqa: F811
    def one_channel(sample):
        return {**sample, "inputs": sample["inputs"][:1]}

    damaged(bench, monkeypatch, one_channel)
    with pytest.raises(DataError) as caught:
        train_under(bench, model, TrainingBudget(iterations=2, batch_size=2), "train")
    assert caught.value.message == (
        "data set digits (train): sample 0 of the first batch (img_id 0): its image is [1, 32, 32]; expected [3, H, W]"
    )
    assert "--retry data_error" in caught.value.hint


def test_so_are_those_of_evaluation_and_calibration(bench, model, monkeypatch):  # noqa: F811
    from harness.engine.context import StageContext
    from harness.engine.training import evaluate

    def above(sample):
        sample["data_samples"].gt_sem_seg.data[0, 0, :2] = torch.tensor([11, 200])
        return sample

    damaged(bench, monkeypatch, above)
    message = r"\(train\): sample 0 .* its label map holds 11, 200; expected 0..10 or 255, of 11 classes"
    with pytest.raises(DataError, match=message):
        next(StageContext(bench).calibration_batches())
    request = LoaderRequest(split="test", batch_size=2, samples=4)
    with pytest.raises(DataError, match=r"\(test\): sample 0 .* its label map holds 11, 200"):
        evaluate(
            model, loader=open_loader(bench, request), evaluator=bench.task.evaluator(bench.meta), scope=bench.scope,
            name="e", work=bench.job.work, progress=lambda *told: None,
            hooks=[FirstBatchHook(bench, request)],
        )  # fmt: skip


def test_a_label_beyond_the_classes_in_a_later_batch_is_told_by_torch(bench, model, monkeypatch):  # noqa: F811
    def above_from_the_third_on(sample):
        if sample["data_samples"].img_id >= 2:
            sample["data_samples"].gt_sem_seg.data[0, 0, 0] = 11
        return sample

    damaged(bench, monkeypatch, above_from_the_third_on)
    with pytest.raises(IndexError) as caught:
        train_under(bench, model, TrainingBudget(iterations=2, batch_size=2), "train")
    found = failure_of(caught.value)
    assert (found.kind, found.message) == ("data_error", "IndexError: Target 11 is out of bounds.")


def test_an_error_in_a_real_loader_process_is_written_with_its_reason():
    found = failure(WithFiles(ValueError("bad")), workers=1)
    assert (found.kind, found.message) == (
        "data_error",
        f"{NAME}: sample 3 {FILES} cannot be read: ValueError: bad",
    )
    assert "in DataLoader worker process 0" in found.traceback
    assert found.traceback.count("ValueError: bad") >= 2
    assert found.hint.endswith("the stage's log has the data set's own error.")
