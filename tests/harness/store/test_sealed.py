"""A document that was damaged in any way is found, and its file is named."""

import hashlib
import json
import random

import pytest

from harness.store.sealed import DamagedDocumentError, read_sealed, seal, write_sealed

CONTENT = {
    "schema_version": 2,
    "name": "Zürich · 日本",
    "numbers": [0, 1.5, -2e-9, None, True],
    "nested": {"\N{SNOWMAN}": {"deep": ["a", 'b"c', "d\\e"]}, "empty": {}},
    "text": "line\nline\ttab " * 20,
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "document.json"
    write_sealed(path, CONTENT)
    return path


def problem_of(path, **reading):
    with pytest.raises(DamagedDocumentError) as raised:
        read_sealed(path, **{"newest": 2, **reading})
    assert raised.value.path == path
    assert str(raised.value) == f"{path}: {raised.value.problem}"
    return raised.value.problem


def test_what_is_written_is_read(path):
    assert read_sealed(path, newest=2) == CONTENT
    assert list(read_sealed(path, newest=2)) == list(CONTENT)


def test_other_programs_can_read_it_and_the_checksum_comes_first(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert next(iter(content)) == "checksum"
    assert {key: value for key, value in content.items() if key != "checksum"} == CONTENT
    assert "Zürich · 日本" in path.read_text(encoding="utf-8")


def test_the_checksum_is_the_digest_of_the_file_with_zeros_in_its_place(path):
    text = path.read_text(encoding="utf-8")
    stated = json.loads(text)["checksum"]
    assert hashlib.sha256(text.replace(stated, "0" * 64, 1).encode()).hexdigest() == stated


def test_every_flipped_bit_is_noticed(path):
    """Also one that leaves the parsed content equal (`e-09` as `E-09`): the bytes are judged, not what they mean.

    And one in the version: a single bit makes no 2 a 1, of which no checksum would be asked.
    """
    whole = path.read_bytes()
    version = whole.index(b'"schema_version": 2') + len(b'"schema_version": ')
    for position in [version, *random.Random(0).sample(range(len(whole)), 200)]:
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(DamagedDocumentError):
                read_sealed(path, newest=2, unsealed=(1,))


def test_cut_off_anywhere_it_is_noticed(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert problem_of(path, unsealed=(1,))
    path.write_bytes(whole + b" ")
    assert "checksum does not fit" in problem_of(path)


@pytest.mark.parametrize("raw", [b"", b"\n", b"  \n"])
def test_an_empty_file_is_called_empty(path, raw):
    path.write_bytes(raw)
    assert problem_of(path) == "is empty"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"{", "is not JSON"),
        (b"\x00\x01\x02", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"schema_version": 2, "name": "\xff\xfe"}', "is not JSON"),
        (b"[]", "is not a JSON object: another program's file"),
        (b"3", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"{}", "has no schema_version: another program's file"),
        (b'{"version": 1}', "has no schema_version"),
        (b'{"schema_version": "2"}', "has no schema_version"),
        (b'{"schema_version": null}', "has no schema_version"),
        (b'{"schema_version": true}', "has no schema_version"),
        (b'{"schema_version": 3}', "is of schema version 3; this version of bench reads up to 2"),
        (b'{"schema_version": 2}', "has no checksum at its beginning"),
        (b'{"schema_version": 0}', "has no checksum at its beginning"),
    ],
)
def test_foreign_content_is_said_to_be_what_it_is(path, raw, problem):
    path.write_bytes(raw)
    assert problem_of(path, unsealed=(1,)).startswith(problem)


def test_a_newer_one_is_refused_by_its_version_also_when_it_is_whole(path):
    write_sealed(path, {**CONTENT, "schema_version": 3})
    assert problem_of(path) == "is of schema version 3; this version of bench reads up to 2"
    assert read_sealed(path, newest=3)["schema_version"] == 3


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: json.dumps(json.loads(text)),
        lambda text: json.dumps(json.loads(text), indent=2, ensure_ascii=False),
        lambda text: text.replace("1.5", "2.5"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(text[17:81], text[17:81].upper()),
        lambda text: "\ufeff" + text,
    ],
    ids=["compact", "same layout", "a figure", "line ends", "upper case", "mark"],
)
def test_what_an_editor_saves_is_noticed(path, rewrite):
    path.write_bytes(rewrite(path.read_text(encoding="utf-8")).encode())
    assert problem_of(path)


def test_older_versions_without_a_checksum_pass(path):
    path.write_text(json.dumps({"schema_version": 1, "name": "é"}), encoding="utf-8")
    assert read_sealed(path, newest=2, unsealed=(1,)) == {"schema_version": 1, "name": "é"}
    assert problem_of(path).startswith("has no checksum")


def test_no_file_is_not_a_damaged_one_but_a_folder_in_its_place_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_sealed(tmp_path / "nothing.json", newest=2)
    assert problem_of(tmp_path).startswith("cannot be read (Is a directory")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_not_is_not_sealed(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal({"schema_version": 2, "value": value})
