"""Stage `train` with a given checkpoint."""

import shutil
from pathlib import Path

import pytest
import torch
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from harness.engine.artifact import load_model, save_model
from harness.engine.stages import run_stage
from harness.errors import ShapeMismatchError, UserError
from harness.plan.checkpoint import checkpoint_digest, checkpoint_fields
from harness.store.artifact import ModelFile, read_model_file, write_model_file

COMPRESSED = Path(__file__).parents[2] / "fixtures" / "artifacts" / "v1"
NARROW = {"base_channels": 4}
"""The options that it was made with."""


@pytest.fixture
def load(job):  # noqa: F811
    def run(path, digest=None, options=None, **settings):
        stated = {"sha256": digest} if digest else checkpoint_fields(path)
        parameters = {**job.fields.parameters, "checkpoint": stated}
        if options:
            parameters["model"] = {**parameters["model"], "options": {**parameters["model"]["options"], **options}}
        for unused in ("seed", "training", "protocol"):
            del parameters[unused]
        fields = job.fields.model_copy(update={"kind": "train", "parameters": parameters})
        stage = job.model_copy(update={"fields": fields, "checkpoint": path, **settings})
        return run_stage(stage, lambda done, total, text: None)

    return run


def test_the_weights_are_those_of_the_checkpoint_and_nothing_was_trained(load, bench, model, tmp_path):  # noqa: F811
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {name: value * 2 for name, value in model.state_dict().items()}}, path)
    result = load(path)
    assert result["iterations"] is None
    assert result["checkpoint"] == {"sha256": checkpoint_digest(path), "name": "w.pth"}
    assert result["size"]["params"] == sum(parameter.numel() for parameter in model.parameters())
    loaded = load_model(tmp_path / "model", bench.registry).model.state_dict()
    assert all(torch.equal(loaded[name], value * 2) for name, value in model.state_dict().items())


def test_an_artifact_is_a_checkpoint_too(load, bench, model, file, tmp_path):  # noqa: F811
    save_model(tmp_path / "given", file, model)
    assert load(tmp_path / "given")["checkpoint"]["name"] == "given"
    loaded = load_model(tmp_path / "model", bench.registry).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


def test_the_artifact_of_a_compressed_model_is_rebuilt_as_it_was(load, bench, model, tmp_path):  # noqa: F811
    result = load(COMPRESSED, options=NARROW)
    assert result["size"]["params"] < sum(parameter.numel() for parameter in model.parameters())
    before, after = load_model(COMPRESSED, bench.registry), load_model(tmp_path / "model", bench.registry)
    assert after.file == before.file
    weights = after.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in before.model.state_dict().items())


def test_one_that_was_changed_since_planning_is_refused(load, model, tmp_path):  # noqa: F811
    torch.save(model.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: was changed while the run was going on"):
        load(tmp_path / "w.pth", digest="0" * 64)


def test_what_does_not_fit_or_is_not_finite_is_refused(load, model, tmp_path):  # noqa: F811
    weights = model.state_dict()
    torch.save({**weights, "decode_head.conv_seg.bias": torch.zeros(19)}, tmp_path / "other.pth")
    with pytest.raises(ShapeMismatchError, match=r"conv_seg\.bias \[19\] for \[11\]"):
        load(tmp_path / "other.pth")
    torch.save({**weights, "decode_head.conv_seg.bias": torch.full((11,), float("inf"))}, tmp_path / "inf.pth")
    with pytest.raises(UserError, match="not finite"):
        load(tmp_path / "inf.pth")
    assert not (tmp_path / "model").exists()


def test_trust_reaches_the_loader(load, model, tmp_path):  # noqa: F811
    torch.save({"state_dict": model.state_dict(), "odd": torch.nn.Linear(1, 1)}, tmp_path / "odd.pth")
    with pytest.raises(UserError, match="Linear"):
        load(tmp_path / "odd.pth")
    assert load(tmp_path / "odd.pth", trusted=True)["iterations"] is None


def changed(folder, tmp_path, change):
    """A copy of an artifact whose base config is another one."""
    copy = Path(shutil.copytree(folder, tmp_path / "changed"))
    described = read_model_file(copy).model_dump(mode="json")
    change(described["base"]["config"])
    write_model_file(copy, ModelFile.model_validate(described))
    return copy


@pytest.mark.parametrize(
    ("part", "key", "value", "told"),
    [
        ("decode_head", "num_classes", 19, "decode_head.num_classes: 19 in the artifact, 11 asked for"),
        ("backbone", "base_channels", 8, "backbone.base_channels: 8 in the artifact, 4 asked for"),
        ("data_preprocessor", "mean", [0.0, 0.0, 0.0], "data_preprocessor.mean: [0.0, 0.0, 0.0] in the artifact, [123"),
        ("data_preprocessor", "seg_pad_val", 0, "data_preprocessor.seg_pad_val: 0 in the artifact, 255 asked for"),
        ("backbone", "dilation", 2, "backbone.dilation: 2 in the artifact, nothing asked for"),
    ],
)
def test_the_artifact_of_another_network_or_other_data_is_refused(load, tmp_path, part, key, value, told):
    artifact = changed(COMPRESSED, tmp_path, lambda config: config[part].update({key: value}))
    with pytest.raises(ShapeMismatchError) as caught:
        load(artifact, options=NARROW)
    assert f"checkpoint {artifact}: " in caught.value.message
    assert told in caught.value.message
    assert not (tmp_path / "model").exists()


def test_options_that_the_artifact_was_not_made_with_are_refused(load):
    with pytest.raises(ShapeMismatchError, match=r"backbone\.stem_channels: 4 in the artifact, 16 asked for; "):
        load(COMPRESSED)


def test_the_losses_of_a_compressed_model_are_those_that_are_asked_for(load, bench, tmp_path):  # noqa: F811
    asked = load_model(COMPRESSED, bench.registry).file.base
    other = {"type": "BatchDiceLoss", "loss_weight": 3.0}
    load(changed(COMPRESSED, tmp_path, lambda config: config["decode_head"].update(loss_decode=other)), options=NARROW)
    made = load_model(tmp_path / "model", bench.registry)
    assert made.file.base == asked
    assert made.model.decode_head.loss_decode.class_weight == list(bench.meta.class_weights)
