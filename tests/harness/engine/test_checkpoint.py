"""What a checkpoint may hold, and that nothing in it is ever run."""

import datetime
import logging
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from malicious import Touch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from safetensors.torch import save_file
from torch import nn

from harness.engine.checkpoint import load_checkpoint, state_dict_of
from harness.errors import UserError


class Network(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        return {"loss": self.layer(inputs).mean()}


class Images(torch.utils.data.Dataset):
    metainfo = {"classes": ("a", "b"), "palette": np.zeros((2, 3), np.uint8)}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"inputs": torch.ones(3, 4, 4)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model and mmengine's own checkpoint of it: message hub, histories, optimiser, one-cycle schedule, EMA."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("mmengine")
    loader = {
        "batch_size": 2, "dataset": Images(), "sampler": {"type": "InfiniteSampler"},
        "collate_fn": {"type": "default_collate"},
    }  # fmt: skip
    runner = Runner(
        model=Network(), work_dir=str(folder), train_dataloader=loader,
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 2, "val_interval": 9},
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 0.1}},
        param_scheduler=[{"type": "OneCycleLR", "eta_max": 0.1, "total_steps": 2, "by_epoch": False}],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 2},
                       "logger": {"type": "LoggerHook", "interval": 1}},
        custom_hooks=[{"type": "EMAHook"}], log_level="ERROR", experiment_name=folder.name,
    )  # fmt: skip
    runner.train()
    return folder / "iter_2.pth"


def refused(path, **options):
    with pytest.raises(UserError) as caught:
        load_checkpoint(path, **options)
    assert str(path) in caught.value.message
    return str(caught.value)


def same(value, other):
    assert type(value) is type(other)
    if isinstance(value, torch.Tensor):
        assert torch.equal(value, other)
    elif isinstance(value, np.ndarray):
        np.testing.assert_array_equal(value, other)
    elif isinstance(value, HistoryBuffer):
        same(value.data, other.data)
    elif isinstance(value, dict):
        assert list(value) == list(other)
        same(list(value.values()), list(other.values()))
    elif isinstance(value, (list, tuple)):
        assert len(value) == len(other)
        for one, two in zip(value, other, strict=True):
            same(one, two)
    else:
        assert value == other


def test_mmengines_own_checkpoint_loads_as_its_own_loader_would_load_it(trained):
    allowed = set(torch.serialization.get_safe_globals())
    loaded = load_checkpoint(trained)
    assert set(torch.serialization.get_safe_globals()) == allowed
    same(loaded, torch.load(trained, map_location="cpu", weights_only=False))
    assert len(loaded["message_hub"]["log_scalars"]["train/loss"].data[0]) == 2
    assert loaded["ema_state_dict"]
    assert sorted(state_dict_of(loaded, "x")) == ["layer.bias", "layer.weight"]


@pytest.mark.parametrize("wrapped", [lambda evil: evil, lambda evil: {"state_dict": {"w": evil}}, lambda evil: [evil]])
@pytest.mark.parametrize("write", ["zip", "legacy", "pickle"])
def test_a_malicious_pickle_runs_nothing(tmp_path, wrapped, write):
    path, marker = tmp_path / "evil.pth", tmp_path / "marker"
    content = wrapped(Touch(marker))
    if write == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=write == "zip")
    message = refused(path)
    assert not marker.exists()
    assert "refused, because it asks for posix.system" in message
    assert f"--trust-checkpoint {path}" in message
    assert "can run any code" in message


def test_it_is_malicious(tmp_path):
    torch.save(Touch(tmp_path / "marker"), tmp_path / "evil.pth")
    refused(tmp_path / "evil.pth", trusted=True)  # what it returns is a number
    assert (tmp_path / "marker").exists()


class Calls:
    """Is unpickled as a call, and built with a state if there is one."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def array(kind, content):
    return Calls(np.zeros(1).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, (1,), kind, False, content))


# Its flags say that arrays of it need no care: numpy would take any eight bytes for the address of an object.
UNGUARDED_OBJECTS = Calls(np.dtype, "O", False, True, state=(3, "|", None, None, None, -1, -1, 0))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Calls(eval, "1"), "eval"),
        (Calls(open, "x", "w"), "io.open"),
        (Calls(getattr, HistoryBuffer(), "mean"), "builtins.getattr("),
        (Calls(getattr, bytearray, "fromhex"), "builtins.getattr("),
        (nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (datetime.date(2026, 1, 1), "datetime.date"),
        (np.array([None]), "numpy.dtype('O"),
        (array(UNGUARDED_OBJECTS, b"A" * 8), "numpy.dtype("),
        (np.zeros(2, "i4,f4"), "numpy.dtype("),
    ],
)
def test_what_no_weights_need_is_refused_by_name(tmp_path, content, named):
    torch.save({"state_dict": {"w": torch.ones(1)}, "more": content}, tmp_path / "x.pth")
    assert f"asks for {named}" in refused(tmp_path / "x.pth")


def test_arrays_without_a_type_are_refused(tmp_path):
    torch.save(array(torch.float32, b"A" * 8), tmp_path / "x.pth")
    assert "damaged" in refused(tmp_path / "x.pth")
    history = Calls(HistoryBuffer, state={"_log_history": [1], "_count_history": [1], "max_length": 1})
    torch.save(history, tmp_path / "y.pth")
    assert "HistoryBuffer without arrays" in refused(tmp_path / "y.pth")


def test_a_history_brings_no_methods(tmp_path):
    """mmengine's own class would take them over for all histories of the process."""
    history = HistoryBuffer([1.0], [1])
    history._statistics_methods = {"mean": torch.Size}
    torch.save({"h": history}, tmp_path / "x.pth")
    loaded = load_checkpoint(tmp_path / "x.pth")["h"]
    assert HistoryBuffer._statistics_methods["mean"] is HistoryBuffer.mean
    assert loaded.statistics("mean") == 1.0


CONTENT = OrderedDict(
    big_endian=np.array([1.5, 2.5], ">f8"),
    by_column=np.asfortranarray(np.arange(6).reshape(2, 3)),
    empty=np.zeros((0, 3), np.float32),
    scalar=np.float32(3.5),
    nested=({"a": [np.int64(7), (np.arange(3),)]}, torch.ones(2), "text", b"bytes", b"", None, 2**40),
)


@pytest.mark.parametrize("numpy_2", [True, False])
def test_numbers_of_both_numpys_come_back_as_they_were(tmp_path, numpy_2):
    path = tmp_path / "x.pth"
    torch.save(CONTENT, path, _use_new_zipfile_serialization=False)
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    path.write_bytes(path.read_bytes().replace(old, new) if numpy_2 else path.read_bytes().replace(new, old))
    loaded = load_checkpoint(path)
    same(loaded, CONTENT)
    loaded["big_endian"][0] = 0  # not a view of the file's bytes


def test_what_holds_itself_and_what_is_held_a_million_times(tmp_path):
    own = [np.float64(1)]
    own.append(own)
    often = (np.float64(2),)
    for _ in range(40):
        often = (often, often)
    torch.save({"own": own, "often": often}, tmp_path / "x.pth")
    loaded = load_checkpoint(tmp_path / "x.pth")
    assert loaded["own"][1] is loaded["own"]
    assert loaded["own"][0] == 1
    for _ in range(40):
        loaded["often"] = loaded["often"][1]
    assert loaded["often"] == (2,)


@pytest.mark.parametrize("content", [b"", b"garbage", b"<html>404</html>", b"PK\x03\x04 nothing", os.urandom(1000)])
def test_what_is_no_checkpoint(tmp_path, content):
    for name in ("x.pth", "x.safetensors"):
        (tmp_path / name).write_bytes(content)
        assert "is damaged" in refused(tmp_path / name)


def test_one_that_was_cut_off(trained, tmp_path):
    (tmp_path / "x.pth").write_bytes(trained.read_bytes()[:-2000])
    assert "is damaged" in refused(tmp_path / "x.pth")


def test_one_that_holds_no_mapping_or_is_not_there(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "x.pth")
    assert "holds list" in refused(tmp_path / "x.pth")
    assert "there is no such file" in refused(tmp_path / "y.pth")


def test_an_unusual_but_harmless_one_loads_when_it_is_trusted(tmp_path, caplog):
    content = {"state_dict": {"w": torch.ones(1)}, "made": datetime.date(2026, 1, 1)}
    torch.save(content, tmp_path / "x.pth")
    refused(tmp_path / "x.pth")
    with caplog.at_level(logging.WARNING):
        same(load_checkpoint(tmp_path / "x.pth", trusted=True), content)
    assert "x.pth is trusted" in caplog.text


def test_safetensors_and_their_names(tmp_path):
    save_file({"w": torch.arange(3)}, tmp_path / "x.safetensors")
    same(load_checkpoint(tmp_path / "x.safetensors"), {"w": torch.arange(3)})


@pytest.mark.parametrize(
    "around",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "optimizer": {}},
        lambda weights: {"model_state_dict": weights},
        lambda weights: {"model": weights, "epoch": 3},
        lambda weights: {"state_dict": {f"module.{name}": value for name, value in weights.items()}},
    ],
)
def test_weights_are_found_where_people_put_them(around):
    weights = {"a.weight": torch.ones(2), "b.module.weight": torch.zeros(1)}
    same(state_dict_of(around(weights), "x"), weights)


def test_a_prefix_that_not_all_names_have_is_part_of_them():
    weights = {"module.a": torch.ones(2), "b": torch.zeros(1)}
    assert state_dict_of(weights, "x") == weights


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({}, "it is empty"),
        ({"epoch": 3}, "'epoch'"),
        ({"state_dict": {"w": [1.0]}}, "'w'"),
        ({"w": torch.ones(2, device="meta")}, "'w'"),
        ({"w": torch.ones(2).to_sparse()}, "'w'"),
        ({3: torch.ones(2)}, "'3'"),
    ],
)
def test_where_there_are_no_weights(content, named):
    with pytest.raises(UserError, match="checkpoint x: holds no weights") as caught:
        state_dict_of(content, "x")
    assert named in caught.value.message
