import json

import pytest


@pytest.fixture
def fixture(bench, tmp_path):
    """A written data set, by the command."""

    def write(name, *arguments):
        folder = tmp_path / name
        done = bench("datasets", "fixture", name, folder, "--samples", 2, *arguments)
        assert done.exit_code == 0, done.output
        return folder

    return write


def test_a_fixture_is_complete(bench, fixture):
    folder = fixture("voc")
    done = bench("datasets", "verify", "voc", "--root", folder)
    assert done.exit_code == 0, done.output
    assert "voc is complete: train 2, val 2 samples" in done.output
    assert "fingerprint " in done.output


def test_what_is_wrong_comes_with_the_right_layout_and_code_1(bench, fixture):
    folder = fixture("voc")
    (folder / "JPEGImages" / "2007_000001.jpg").unlink()
    done = bench("datasets", "verify", "voc", "--root", folder)
    assert done.exit_code == 1
    assert "1 problem; samples listed: train 2, val 2" in done.output
    assert "2007_000001.jpg" in done.output
    assert "ImageSets/Segmentation" in done.output


def test_json_has_everything(bench, fixture):
    done = bench("datasets", "verify", "camvid", "--root", fixture("camvid", "--option", "layout=rgb"), "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["dataset"] == "camvid"
    assert found["splits"] == {"train": 2, "val": 2, "test": 2}
    assert len(found["fingerprint"]) == 64
    assert found["problems"] == []


def test_options_reach_the_data_set(bench, fixture, tmp_path):
    folder = fixture("camvid", "-o", "layout=rgb")
    assert (folder / "train_labels").is_dir()
    done = bench("datasets", "verify", "camvid", "--root", folder, "-o", "layout=index")
    assert done.exit_code == 1
    assert "trainannot" in done.output
    wrong = bench("datasets", "fixture", "camvid", tmp_path / "new", "-o", "layuot=rgb")
    assert wrong.exit_code == 2
    assert "layout" in wrong.stderr
    assert "expected key=value" in bench("datasets", "verify", "camvid", "-o", "layout").stderr


def test_a_forgotten_root_and_a_used_folder_are_mistakes(bench, fixture):
    forgotten = bench("datasets", "verify", "voc")
    assert forgotten.exit_code == 2
    assert "`root` is missing" in forgotten.stderr
    folder = fixture("voc")
    used = bench("datasets", "fixture", "voc", folder)
    assert used.exit_code == 2
    assert "not an empty folder" in used.stderr


def test_generated_data_sets_have_no_files(bench, tmp_path):
    verified = bench("datasets", "verify", "digits")
    assert verified.exit_code == 2
    assert "no files to verify" in verified.stderr
    written = bench("datasets", "fixture", "digits", tmp_path / "new")
    assert written.exit_code == 2
    assert "bench datasets export digits" in written.stderr


def test_equal_seeds_write_equal_data(bench, tmp_path):
    prints = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        bench("datasets", "fixture", "voc", tmp_path / folder, "--samples", 1, "--seed", seed)
        done = bench("datasets", "verify", "voc", "--root", tmp_path / folder, "--json")
        prints.append(json.loads(done.stdout)["fingerprint"])
    assert prints[0] == prints[1] != prints[2]
