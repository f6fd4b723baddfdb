"""Pictures of real models on real scenes, in this process."""

import pytest
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from harness.engine.artifact import save_model
from harness.engine.pictures import paint_samples
from harness.errors import UserError
from harness.plan.picture import PictureJob


@pytest.fixture
def pictures(job, file, model, tmp_path):  # noqa: F811
    """The job of painting two equal models."""
    save_model(tmp_path / "model", file, model)
    return PictureJob(
        cell="a cell", fields=job.fields, models={"baseline": tmp_path / "model", "other": tmp_path / "model"},
        work=tmp_path, out=tmp_path / "out", device="cpu",
    )  # fmt: skip


def painted(job, **changes):  # noqa: F811
    told = []
    files = paint_samples(job.model_copy(update=changes), lambda *progress: told.append(progress))
    return [path.name for path in files], told


def test_samples_are_spread_over_the_split_of_the_reports(pictures):
    names, told = painted(pictures, samples=3)
    assert names == ["test_0.png", "test_133.png", "test_266.png"]
    assert sorted(path.name for path in pictures.out.iterdir()) == sorted(names)
    assert told[-1] == (3, 3, "painting")


def test_images_are_those_that_were_asked_for_and_always_the_same(pictures, tmp_path):
    assert painted(pictures, images=(7, 3), split="val")[0] == ["val_7.png", "val_3.png"]
    painted(pictures, images=(3,), split="val", out=tmp_path / "again")
    first = (pictures.out / "val_3.png").read_bytes()
    assert first == (tmp_path / "again" / "val_3.png").read_bytes()
    assert first != (pictures.out / "val_7.png").read_bytes()


def test_models_keep_the_names_that_they_have_in_the_job(pictures, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "harness.engine.pictures.painting.compose", lambda picture, *rest: seen.append((picture, *rest))
    )
    painted(pictures, images=(5,))
    ((picture, heading, subheading, path),) = seen
    assert [panel.title for panel in picture.panels][2:4] == ["baseline", "other"]
    assert (heading, subheading, path.name) == ("a cell", "digits · test 5", "test_5.png")
    assert picture.panels[4].note == "0.0% of pixels differ"


def test_a_sample_or_a_split_that_does_not_exist_is_a_mistake(pictures):
    with pytest.raises(UserError, match="--images: there is no sample 400: split test has 400"):
        painted(pictures, images=(0, 400))
    assert not pictures.out.exists()
    task_splits = {"splits": ("train", "val")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.engine.pictures.painting.open_workbench", lambda *_: without_test(pictures, task_splits))
        with pytest.raises(UserError, match="--split: data set digits has no split 'test' with labels"):
            painted(pictures, split="test")


def without_test(job, splits):  # noqa: F811
    from dataclasses import replace

    from harness.engine.workbench import open_workbench

    opened = open_workbench(job.stage, lambda *progress: None)
    return replace(opened, meta=replace(opened.meta, **splits))


def test_pictures_survive_an_edit_of_a_plugin(pictures):
    plugins = {role: {**plugin, "source": "of yesterday"} for role, plugin in pictures.fields.plugins.items()}
    fields = pictures.fields.model_copy(update={"plugins": plugins})
    assert painted(pictures, fields=fields, images=(1,))[0] == ["test_1.png"]
