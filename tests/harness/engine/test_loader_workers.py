"""Samples read by other processes are the same samples."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from harness.engine.first_batch import open_loader
from harness.registry import LoaderRequest, discover, load_implementation, validate_options


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    plugin = discover().dataset("segmentation", "camvid")
    plugin.descriptor.write_fixture(validate_options(plugin, {}), folder, 3, 0, lambda done, total: None)
    options = validate_options(plugin, {"root": str(folder), "height": 32, "width": 32, "jitter": 0.5, "rotation": 10})
    load_implementation(discover().task("segmentation"))().setup()
    return load_implementation(plugin)(options=options)


def batches(streets, workers):
    init_default_scope("mmseg")
    job = SimpleNamespace(loader_workers=workers, work=Path())
    bench = SimpleNamespace(job=job, dataset=streets, parameters={"dataset": {"name": "camvid"}})
    request = LoaderRequest(split="train", batch_size=2, shuffle=True, iterations=3, seed=5)
    config = open_loader(bench, request)
    assert config["num_workers"] == workers
    loader = iter(Runner.build_dataloader(config))
    return [torch.stack(next(loader)["inputs"]) for _ in range(3)]


def test_what_is_drawn_does_not_depend_on_who_reads(streets):
    alone, apart = batches(streets, 0), batches(streets, 2)
    assert all(torch.equal(one, other) for one, other in zip(alone, apart, strict=True))
    assert not torch.equal(alone[0], alone[1])
