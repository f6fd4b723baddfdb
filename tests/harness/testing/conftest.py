"""The tiny task as an installed distribution, and suites that are run on it."""

import contextlib
import sys

import pytest
from installation import install
from sketch_descriptors import POINTS


@pytest.fixture(scope="session")
def sketch_site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sketch-site")
    install(folder, "sketch", POINTS)
    return str(folder)


@pytest.fixture
def failing(sketch_site, monkeypatch):
    """Runs a suite with these attributes; returns the message of each check that fails."""
    monkeypatch.syspath_prepend(sketch_site)

    def run(suite, **attributes):
        made = type("TestMine", (suite,), {"task": "sketch", **attributes})
        failed, passed = {}, []
        made.setup_class()
        try:
            for name in sorted(name for name in dir(made) if name.startswith("test_")):
                try:
                    with contextlib.suppress(pytest.skip.Exception):
                        getattr(made(), name)()
                        passed.append(name)
                except (Exception, pytest.fail.Exception) as error:
                    failed[name.removeprefix("test_")] = str(error)
        finally:
            made.teardown_class()
        assert passed or failed
        return failed

    yield run
    sys.modules.pop("sketch_heavy", None)
