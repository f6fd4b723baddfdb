"""Stage `train` of a model that begins with a backbone's weights, some of them frozen."""

import pytest
import torch

from harness.engine.artifact import load_model
from harness.engine.stages import run_stage
from harness.engine.workbench import load_model_plugin, open_workbench
from harness.errors import UserError
from harness.plan.job import StageJob
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark import Benchmark


@pytest.fixture
def job(tmp_path):
    def make(**options):
        benchmark = Benchmark.model_validate(
            {
                "methods": ["l1"],
                "controls": [],
                "ratios": [0.5],
                "models": [{"name": "resnet50_seg", "base_channels": 2, **options}],
                "datasets": [{"name": "digits", "size": 32}],
                "training": {"iterations": 1, "batch_size": 2},
            }
        )
        (stage,) = [stage for stage in make_plan(benchmark, discover()).stages if stage.kind == "train"]
        return StageJob(
            fields=stage.fields,
            identity=stage.identity,
            label="x",
            inputs={},
            work=tmp_path,
            root=tmp_path,
            device="cpu",
            paths={role: dict(paths) for role, paths in stage.paths.items()},
        )

    return make


def quiet(done, total, text):
    pass


def test_a_frozen_backbone_ends_as_its_file_has_it(job, tmp_path):
    bench = open_workbench(job(), quiet)
    network = bench.task.build(load_model_plugin(bench).config(bench.meta))
    weights = network.backbone.state_dict()
    given = {name: value * 0.9 if value.is_floating_point() else value for name, value in weights.items()}
    torch.save({**given, "fc.weight": torch.zeros(3)}, tmp_path / "w.pth")
    asked = job(backbone_checkpoint=str(tmp_path / "w.pth"), freeze="backbone.*")
    assert run_stage(asked, quiet)["iterations"] == 1
    (tmp_path / "w.pth").unlink()  # artifacts do not need it
    model = load_model(tmp_path / "model", bench.registry).model
    assert all(torch.equal(model.backbone.state_dict()[name], value) for name, value in given.items())
    assert all(part.requires_grad for part in model.parameters())


def test_the_content_of_the_file_makes_another_baseline(job, tmp_path):
    identities = []
    for value in (0.0, 1.0):
        torch.save({"conv1.weight": torch.full((2, 3, 7, 7), value)}, tmp_path / "w.pth")
        identities.append(job(backbone_checkpoint=str(tmp_path / "w.pth")).identity)
    assert len({*identities, job().identity}) == 3


def test_a_backbone_is_unpickled_without_restrictions_only_if_it_is_trusted(job, tmp_path):
    weights = {"conv1.weight": torch.full((2, 3, 7, 7), 0.5)}
    torch.save({"state_dict": weights, "odd": torch.nn.Linear(1, 1)}, tmp_path / "odd.pth")
    asked = job(backbone_checkpoint=str(tmp_path / "odd.pth"), freeze="backbone.*")
    with pytest.raises(UserError, match="Linear") as caught:
        run_stage(asked, quiet)
    assert f"--trust-checkpoint {tmp_path / 'odd.pth'}" in caught.value.hint
    trusting = asked.model_copy(update={"trusted": True})
    assert run_stage(trusting, quiet)["iterations"] == 1


def test_where_the_file_lies_is_not_in_the_identity(job, tmp_path):
    jobs = []
    for name in ("a.pth", "b.pth"):
        torch.save({"conv1.weight": torch.zeros(2, 3, 7, 7)}, tmp_path / "w.pth")
        (tmp_path / "w.pth").rename(tmp_path / name)
        jobs.append(job(backbone_checkpoint=str(tmp_path / name)))
    assert jobs[0].identity == jobs[1].identity
    assert [made.paths["model"]["backbone_checkpoint"] for made in jobs] == [
        str(tmp_path / name) for name in ("a.pth", "b.pth")
    ]
    assert str(tmp_path) not in jobs[0].fields.model_dump_json()
