import pytest

from bench_segmentation.models.config_file import digest, read_model
from bench_segmentation.models.zoo import MMSegZoo, _config_folder, fingerprint
from harness.errors import UserError
from harness.registry import DatasetMeta, Options

META = DatasetMeta(splits=("val",), input_size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3, classes=("a", "b", "c"))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "lazy.py").write_text("x = 1")
    (tmp_path / "base.py").write_text("a = 1")
    return tmp_path


def of(path):
    return digest(path, _config_folder)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("_base_ = 'base.py'", "base.py"),
        ("_base_ = ['./base.py']", "base.py"),
        ("from mmengine.config import read_base\nwith read_base():\n    from .parts.lazy import *", "parts/lazy.py"),
        ("from mmengine.config import read_base\nwith read_base():\n    from .base import *", "base.py"),
    ],
)
def test_a_file_is_known_by_its_bases_too(files, text, base):
    path = files / "own.py"
    path.write_text(text)
    before = of(path)
    assert of(path) == before
    (files / base).write_text("changed = 2")
    assert of(path) != before


def test_bases_of_the_installed_package_count(files):
    path = files / "own.py"
    path.write_text("_base_ = 'mmseg::_base_/models/fcn_r50-d8.py'")
    alone = files / "alone.py"
    alone.write_text("_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'")
    assert of(path) != of(alone)


@pytest.mark.parametrize("text", ["_base_ = 'no_such.py'", "def (", "_base_ = find()"])
def test_a_file_that_cannot_be_read_is_named(files, text):
    path = files / "own.py"
    path.write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        fingerprint(str(path))


def test_finding_out_what_a_file_is_runs_nothing(files):
    path = files / "own.py"
    path.write_text("raise SystemExit('it ran')")
    assert len(fingerprint(str(path))) == 64


@pytest.mark.parametrize("text", ["raise ZeroDivisionError('by design')", "x = 1"])
def test_what_comes_out_of_a_file_is_a_users_mistake(files, text):
    path = files / "own.py"
    path.write_text(text)
    with pytest.raises(UserError, match="by design|has no model"):
        read_model(path, "own", own=True)


def test_classes_of_other_packages_are_named_with_their_module(files, monkeypatch):
    monkeypatch.syspath_prepend(files)
    (files / "registered_here.py").write_text(
        "from torch import nn\nfrom mmseg.registry import MODELS\n"
        "@MODELS.register_module(force=True)\nclass RegisteredHere(nn.Module):\n    pass\n"
    )
    path = files / "own.py"
    head = "dict(type='FCNHead', in_channels=8, channels=8, num_classes=19)"
    path.write_text(
        "custom_imports = dict(imports=['registered_here'])\n"
        f"model = dict(type='EncoderDecoder', backbone=dict(type='RegisteredHere'), decode_head={head})"
    )
    config = MMSegZoo(options=Options(), member=str(path)).config(META)
    assert config["type"] == "EncoderDecoder"
    assert config["backbone"] == {"type": "registered_here.RegisteredHere"}
    assert config["decode_head"]["type"] == "FCNHead"
    assert config["decode_head"]["num_classes"] == 3, "adapted like a member of the zoo"


def test_the_packages_that_a_file_imports_count_too(files, monkeypatch):
    module = files / "imported_here.py"
    path = files / "own.py"

    def digest_of(head):
        path.write_text(f"{head}\nmodel = dict(type='EncoderDecoder')")
        return fingerprint(str(path))

    heads = ("custom_imports = dict(imports=['imported_here'])", "import imported_here", "from imported_here import x")
    module.write_text("x = 1")
    monkeypatch.chdir(files)  # as `bench` does, whose own path does not have the current folder
    before = [digest_of(head) for head in heads]
    with monkeypatch.context() as worker:
        worker.syspath_prepend("")
        assert [digest_of(head) for head in heads] == before
    module.write_text("x = 2")
    assert not set(before) & {digest_of(head) for head in heads}
    module.unlink()
    (files / "imported_here").mkdir()
    (files / "imported_here" / "__init__.py").write_text("x = 1")
    package = [digest_of(head) for head in heads]
    (files / "imported_here" / "part.py").write_text("y = 1")
    assert not set(package) & {digest_of(head) for head in heads}


def test_a_file_that_is_based_on_itself_is_a_users_mistake(files):
    (files / "a.py").write_text("_base_ = './b.py'")
    (files / "b.py").write_text("_base_ = ['./a.py']")
    with pytest.raises(UserError, match="is based on itself"):
        fingerprint(str(files / "a.py"))


def test_a_model_without_a_part_is_a_users_mistake(files):
    path = files / "own.py"
    path.write_text("model = dict(type='EncoderDecoder', decode_head=dict(type='FCNHead', num_classes=19))")
    with pytest.raises(UserError, match="has no backbone"):
        MMSegZoo(options=Options(), member=str(path)).config(META)
