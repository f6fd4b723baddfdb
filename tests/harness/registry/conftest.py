import importlib
import sys
from itertools import count

import pytest

from harness.registry.discovery import discover

_numbers = count()


class Installation:
    """A folder on `sys.path` that holds invented distributions."""

    def __init__(self, folder):
        self.folder = folder

    def module(self, source, name=None):
        name = name or f"invented_plugin_{next(_numbers)}"
        (self.folder / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return name

    def distribution(self, name, entry_points, version="1.0", **files):
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n\nName: not this\n")
        text = "".join(
            f"[{group}]\n" + "".join(f"{key} = {target}\n" for key, target in points.items())
            for group, points in entry_points.items()
        )
        (info / "entry_points.txt").write_text(text)
        for file, content in files.items():
            (info / file).write_text(content)

    def method(self, name, distribution, version="1.0", summary=""):
        """Installs a distribution with one method."""
        module = self.module(
            "from harness.registry.descriptors import MethodDescriptor\n"
            f"METHOD = MethodDescriptor(name={name!r}, summary={summary!r},\n"
            "                          implementation='x:Y', family='pruning')\n"
        )
        self.distribution(distribution, {"bench.methods": {name: f"{module}:METHOD"}}, version)
        return module

    def discover(self, *disabled):
        return discover(disabled, path=[str(self.folder)])


@pytest.fixture
def installation(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Installation(folder)
    for name in set(sys.modules) - before:
        if name.startswith("invented_plugin"):
            del sys.modules[name]
