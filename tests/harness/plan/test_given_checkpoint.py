"""A baseline that is given: known by its content, wherever it lies."""

import hashlib

import pytest

from harness.errors import UserError
from harness.plan.checkpoint import checkpoint_digest, weights_file
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark import Benchmark
from harness.store.artifact import ModelBase, ModelFile, TransformEntry, write_model_file


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def artifact(tmp_path):
    def make(*transforms):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "weights.safetensors").write_bytes(b"weights")
        entries = [TransformEntry(kind=kind, version=1, payload={}) for kind in transforms]
        base = ModelBase(task="segmentation", name="residual_fcn", config={})
        write_model_file(folder, ModelFile(base=base, transforms=entries))
        return folder

    return make


def plan(registry, checkpoint, **keys):
    model = {"name": "residual_fcn", **({"checkpoint": str(checkpoint)} if checkpoint else {})}
    return make_plan(
        Benchmark.model_validate({"models": [model], "methods": ["l1"], "controls": [], "ratios": [0.5], **keys}),
        registry,
    )


def identities(made):
    return [stage.identity for stage in made.stages if stage.kind != "measure"]


def test_equal_content_at_two_paths_is_one_baseline(registry, tmp_path):
    for name in ("a.pth", "b.safetensors", "c.pth"):
        (tmp_path / name).write_bytes(b"weights" if name != "c.pth" else b"Weights")
    first, second, other = (plan(registry, tmp_path / name) for name in ("a.pth", "b.safetensors", "c.pth"))
    assert identities(first) == identities(second)
    assert not set(identities(first)) & set(identities(other))
    stage = first.stages[0]
    assert (stage.kind, stage.label, stage.checkpoint) == ("train", "load residual_fcn", tmp_path / "a.pth")
    assert stage.fields.parameters["checkpoint"] == {"sha256": hashlib.sha256(b"weights").hexdigest()}
    assert second.stages[0].checkpoint == tmp_path / "b.safetensors"


def test_the_training_budget_and_the_seed_do_not_reach_it_but_options_do(registry, tmp_path):
    (tmp_path / "a.pth").write_bytes(b"weights")
    made = plan(registry, tmp_path / "a.pth")
    assert identities(plan(registry, tmp_path / "a.pth", training={"iterations": 7})) == identities(made)
    seeds = plan(registry, tmp_path / "a.pth", seeds=[0, 1])
    assert [stage.label for stage in seeds.stages].count("load residual_fcn") == 1
    data = plan(registry, tmp_path / "a.pth", datasets=[{"name": "digits", "size": 32}])
    assert data.stages[0].identity != made.stages[0].identity


def test_without_one_it_is_trained(registry):
    stage = plan(registry, None).stages[0]
    assert (stage.label, stage.checkpoint) == ("train residual_fcn", None)
    assert "checkpoint" not in stage.fields.parameters


def test_an_artifact_counts_by_its_weights(artifact, tmp_path):
    (tmp_path / "a.pth").write_bytes(b"weights")
    assert weights_file(artifact()) == tmp_path / "model" / "weights.safetensors"
    assert checkpoint_digest(artifact()) == checkpoint_digest(tmp_path / "a.pth")


def test_a_compressed_model_is_no_baseline(artifact, registry):
    with pytest.raises(UserError, match=r"is no baseline: its model was changed \(prune\)"):
        plan(registry, artifact("prune"))


def test_what_is_not_there_is_told_while_planning(registry, tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.pth: there is no such file"):
        plan(registry, tmp_path / "nowhere.pth")
    with pytest.raises(UserError, match="not an artifact"):
        plan(registry, tmp_path)
