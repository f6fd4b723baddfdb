import pytest

from harness.errors import UserError
from harness.spec import visualizers
from harness.spec.visualizers import VISUALIZERS, require_visualizers


def test_mmengine_has_every_backend_by_its_name():
    from mmengine.registry import VISBACKENDS

    assert all(VISBACKENDS.get(known.backend) is not None for known in VISUALIZERS.values())


def test_names_are_taken_once():
    assert require_visualizers(["local", "local"]) == ("local",)
    assert require_visualizers([]) == ()


def test_an_unknown_name():
    with pytest.raises(UserError, match="--visualizer tensorbord") as raised:
        require_visualizers(["tensorbord"])
    assert "tensorboard" in raised.value.hint


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(visualizers, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="the package tensorboard is not installed") as raised:
        require_visualizers(["local", "tensorboard"])
    assert raised.value.hint == "Run: pip install tensorboard"
