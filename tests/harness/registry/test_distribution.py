import json

import pytest

from harness.registry.distribution import hash_of_packages, normalized

EDITABLE = json.dumps({"dir_info": {"editable": True}, "url": "file:///somewhere"})
METHOD = """
from harness.registry.descriptors import MethodDescriptor
METHOD = MethodDescriptor(name="alpha", summary="", implementation="x:Y", family="pruning")
"""


@pytest.fixture
def install(installation):
    def install_package(name, record=None, direct_url=None):
        package = installation.folder / name
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "descriptors.py").write_text(METHOD)
        files = {"RECORD": record, "direct_url.json": direct_url}
        installation.distribution(
            f"dist-{name}",
            {"bench.methods": {"alpha": f"{name}.descriptors:METHOD"}},
            **{key: text for key, text in files.items() if text is not None},
        )
        installation.module("", f"{name}_marker")  # also invalidates the import caches
        return package, installation.discover().method("alpha")

    yield install_package
    hash_of_packages.cache_clear()


def test_the_source_of_an_editable_installation_is_hashed(install):
    package, plugin = install("invented_plugin_editable", record="x.pth,,\n", direct_url=EDITABLE)
    first = plugin.provenance()
    assert first == {
        "distribution": "dist-invented_plugin_editable",
        "version": "1.0",
        "source": plugin.source_hash,
    }
    assert len(first["source"]) == 64
    (package / "notes.txt").write_text("not source")
    hash_of_packages.cache_clear()
    assert plugin.source_hash == first["source"]
    (package / "descriptors.py").write_text(METHOD + "# changed\n")
    assert plugin.source_hash == first["source"], "one process keeps what it has imported"
    hash_of_packages.cache_clear()
    assert plugin.source_hash != first["source"]


def test_moving_source_between_files_changes_the_hash(install):
    package, plugin = install("invented_plugin_moved", direct_url=EDITABLE)
    (package / "a.py").write_text("x = 1\n")
    first = plugin.source_hash
    (package / "a.py").rename(package / "b.py")
    hash_of_packages.cache_clear()
    assert plugin.source_hash != first


def test_an_ordinary_installation_has_no_source_hash(install):
    name = "invented_plugin_ordinary"
    _, plugin = install(name, record=f"{name}/__init__.py,sha256=x,0\n{name}/descriptors.py,sha256=x,9\n")
    assert plugin.source_hash is None
    assert plugin.provenance()["source"] is None


@pytest.mark.parametrize("record", [None, "other/__init__.py,,\ninvented_plugin_unlisted_too/__init__.py,,\n"])
def test_source_that_the_record_does_not_list_is_hashed(install, record):
    _, plugin = install("invented_plugin_unlisted", record=record)
    assert plugin.source_hash is not None


def test_names_are_compared_as_installers_do():
    assert normalized("My_Dist.x") == normalized("my-dist--X") == "my-dist-x"
