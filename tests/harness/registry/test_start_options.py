import hashlib

import pytest
from pydantic import ValidationError

from harness.registry.starting import StartOptions


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights")
    return path


def test_the_content_of_the_file_is_among_the_options(weights, monkeypatch):
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.chdir(weights.parent)
    options = StartOptions(backbone_checkpoint="w.pth")
    assert (options.backbone_checkpoint, options.backbone_sha256) == (str(weights), digest)
    assert StartOptions.model_validate(options.model_dump(mode="json")) == options


def test_another_content_is_refused(weights):
    planned = StartOptions(backbone_checkpoint=str(weights)).model_dump(mode="json")
    weights.write_bytes(b"others")
    with pytest.raises(ValidationError, match="has changed"):
        StartOptions.model_validate(planned)


def test_one_pattern_needs_no_list():
    assert StartOptions.model_validate({"freeze": "backbone.*"}).freeze == ("backbone.*",)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValidationError, match=r"none\.pth: cannot be read"):
        StartOptions(backbone_checkpoint=str(tmp_path / "none.pth"))


def test_a_duration_needs_something_frozen():
    with pytest.raises(ValidationError, match="nothing is frozen"):
        StartOptions(freeze_iterations=3)
    assert StartOptions(freeze=("backbone.*",), freeze_iterations=3).backbone_sha256 == ""


def test_a_digest_without_a_file_is_a_mistake():
    with pytest.raises(ValidationError, match="no backbone_checkpoint whose content"):
        StartOptions(backbone_sha256="0" * 64)
