import pytest

from harness.errors import UserError
from harness.store.output_folder import make_output_folder, output_folder, writing_to


def test_it_is_made_and_left_empty(tmp_path):
    folder = tmp_path / "new" / "deep"
    make_output_folder(folder)
    make_output_folder(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_way_is_named_with_the_flag(tmp_path, below):
    (tmp_path / "afile").touch()
    folder = tmp_path / "afile" / below if below else tmp_path / "afile"
    with pytest.raises(UserError, match=f"--pictures {folder}: not a folder"):
        make_output_folder(folder, "--pictures")


@pytest.mark.parametrize("folder", ["/proc", "/proc/x"])
def test_a_folder_that_takes_no_files_is_found_before_anything_is_written(folder):
    from pathlib import Path

    with pytest.raises(UserError, match=f"--out {folder}: cannot be written"):
        make_output_folder(Path(folder))


def test_only_what_cannot_be_written_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="cannot be written \\(Is a directory\\)"), writing_to(tmp_path):
        tmp_path.open("w")
    with pytest.raises(ZeroDivisionError), writing_to(tmp_path):
        1 / 0  # noqa: B018


def test_what_was_made_for_nothing_is_gone_again(tmp_path):
    folder = tmp_path / "new" / "deep"
    with pytest.raises(ZeroDivisionError), output_folder(folder):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), output_folder(folder):
        (folder / "picture.png").touch()
        1 / 0  # noqa: B018
    assert (folder / "picture.png").exists()
    with output_folder(tmp_path / "kept"):
        pass
    assert (tmp_path / "kept").is_dir()
