import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.store.atomic import publish_folder, write_json, write_text


def test_write_replaces_whole_content_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    write_text(target, "old, and longer than the new")
    write_text(target, "new")
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_failed_write_keeps_the_old_content(tmp_path):
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "new \ud800")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_json_is_readable(tmp_path):
    write_json(tmp_path / "x.json", {"name": "é"})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"name": "é"}


def test_publish_moves_the_folder(tmp_path):
    work = tmp_path / "work" / "a"
    (work / "inner").mkdir(parents=True)
    (work / "inner" / "file").write_text("x")
    publish_folder(work, tmp_path / "stages" / "a")
    assert (tmp_path / "stages" / "a" / "inner" / "file").read_text() == "x"
    assert not work.exists()


def test_publish_never_overwrites(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(FileExistsError):
        publish_folder(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "file").read_text() == "b"


def no_links(self, target):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_what_is_there_is_left_alone_on_request(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    target = tmp_path / "file.txt"
    write_text(target, "first", replace=False)
    assert target.read_text() == "first"
    write_text(target, "second", replace=False)
    assert target.read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert target.stat().st_nlink == 1


def test_of_many_who_write_at_once_one_is_there_and_whole(tmp_path):
    target = tmp_path / "file.txt"
    texts = [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_text(target, text, replace=False), texts))
    assert target.read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
