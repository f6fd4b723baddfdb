import subprocess
import sys

import pytest

from harness.execution.provenance import checkout, run_provenance


def git(folder, *arguments):
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def package(tmp_path):
    """A committed package in a git repository."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "errors.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "x")
    checkout.cache_clear()
    yield folder
    checkout.cache_clear()


def test_commit_and_cleanliness_of_a_checkout(package):
    assert checkout(package) == {"commit": git(package, "rev-parse", "HEAD"), "dirty": False}
    (package / "errors.py").write_text("# edited\n")
    assert checkout(package)["dirty"] is False  # once a process, which runs what it has imported
    checkout.cache_clear()
    assert checkout(package)["dirty"] is True


def test_files_beside_the_checkout_are_not_dirt(package):
    (package / "results.txt").write_text("")
    assert checkout(package)["dirty"] is False


def test_an_installed_package_has_no_checkout(tmp_path):
    (tmp_path / "errors.py").write_text("")
    assert checkout(tmp_path) is None


def test_a_package_inside_a_foreign_checkout_has_none(package):
    foreign = package / "site-packages"
    foreign.mkdir()
    (foreign / "errors.py").write_text("")
    assert checkout(foreign) is None


def test_a_run_states_its_command_without_the_folder_of_the_program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/bench", "run", "--ratios", "0.5"])
    stated = run_provenance()
    assert stated["command"] == ["bench", "run", "--ratios", "0.5"]
    assert stated["bench"]
    assert stated["hardware"]["cores"] >= 1
