"""A benchmark without methods: nothing but baselines, the same as those of a grid."""

import pytest

from harness.errors import UserError
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark import Benchmark
from harness.store.artifact import ModelBase, ModelFile, TransformEntry, write_model_file


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def plan(registry):
    def make(limit=None, **keys):
        return make_plan(Benchmark.model_validate(keys), registry, limit=limit, methods_required=False)

    return make


@pytest.fixture
def artifact(tmp_path):
    def make(name="residual_fcn", payload=None, weights=b"weights", folder="model"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "weights.safetensors").write_bytes(weights)
        prune = TransformEntry(kind="prune", version=1, payload=payload or {})
        base = ModelBase(task="segmentation", name=name, config={})
        write_model_file(tmp_path / folder, ModelFile(base=base, transforms=[prune]))
        return tmp_path / folder

    return make


def loaded(plan, path, name="residual_fcn"):
    return plan(models=[{"name": name, "checkpoint": str(path)}]).stages[0]


def test_they_are_the_baselines_of_a_grid(plan):
    keys = {"models": ["residual_fcn", "unet"], "seeds": [0, 1], "ratio_of": "macs"}
    alone = plan(**keys)
    grid = plan(**keys, methods=["l1"], ratios=[0.5], controls=[])
    assert alone.cells == alone.asked == ()
    assert len(alone.baselines) == 4
    assert [stage.kind for stage in alone.stages] == ["train", "evaluate"] * 4
    of_cells = [stage for cell in grid.cells for stage in (cell.points[0].made, cell.points[0].evaluated)]
    assert [(stage.identity, stage.label, stage.subject) for stage in alone.stages] == [
        (stage.identity, stage.label, stage.subject) for stage in of_cells
    ]


def test_a_run_still_needs_methods(registry):
    with pytest.raises(UserError, match="names no method and no pipeline"):
        make_plan(Benchmark(), registry)


def test_rules_and_a_limit_hold_for_them(plan):
    keys = {"models": ["residual_fcn", "unet"], "exclude": [{"model": "unet", "seed": 0}], "seeds": [0, 1]}
    subjects = [point.made.subject for point in plan(**keys).baselines]
    assert subjects == ["residual_fcn · digits · seed 0", "residual_fcn · digits · seed 1", "unet · digits · seed 1"]
    assert len(plan(limit=2, **keys).baselines) == 2
    with pytest.raises(UserError, match="exclude: its rules drop every baseline"):
        plan(models=["unet"], exclude=[{"model": "unet"}])


def test_the_artifact_of_a_compressed_model_counts_by_weights_and_structure(plan, artifact):
    first = loaded(plan, artifact())
    assert {*first.fields.parameters["checkpoint"]} == {"sha256", "structure"}
    same = loaded(plan, artifact(folder="same"))
    other = loaded(plan, artifact(payload={"conv": [1]}, folder="other"))
    assert same.identity == first.identity
    assert other.fields.parameters["checkpoint"]["sha256"] == first.fields.parameters["checkpoint"]["sha256"]
    assert other.identity != first.identity


def test_it_can_be_recovered_but_not_compressed_again(plan, artifact):
    models = [{"name": "residual_fcn", "checkpoint": str(artifact())}]
    made = plan(models=models, pipelines=["finetune"])
    assert [stage.label for stage in made.stages if stage.kind == "recover"] == ["recover finetune after baseline"]
    with pytest.raises(UserError, match=r"is no baseline: its model was changed \(prune\)") as caught:
        plan(models=models, pipelines=["finetune", "l1@0.5+none"])
    assert "name no compressor" in caught.value.hint


def test_it_is_that_of_the_named_model(plan, artifact):
    with pytest.raises(UserError, match=r"is of unet \(segmentation\), not of residual_fcn") as caught:
        loaded(plan, artifact(name="unet"))
    assert caught.value.hint == "Say --task segmentation --models unet."


@pytest.mark.parametrize("names", [("residual_fcn", "unet"), ("unet", "residual_fcn")])
def test_it_is_of_every_model_that_is_given_it(plan, artifact, names):
    path = str(artifact(name="residual_fcn"))
    with pytest.raises(UserError, match="is of residual_fcn .*, not of unet"):
        plan(models=[{"name": name, "checkpoint": path} for name in names])
