import pytest

from harness.errors import UserError
from harness.store.curve import CURVE, LOGS, Curve, find_curves, read_curve, write_curve
from harness.store.stage import made_files

POINTS = Curve(iterations=[2, 4], learning_rate=[0.1, 0.2], losses={"loss": [1.0, 0.5]})


def test_what_is_written_is_read(tmp_path):
    write_curve(tmp_path, POINTS)
    assert read_curve(tmp_path / CURVE) == POINTS


def test_a_stage_may_have_several_trainings_and_none_of_their_curves_is_a_result(tmp_path):
    for folder in (LOGS, f"{LOGS}/search"):
        (tmp_path / folder).mkdir()
        write_curve(tmp_path / folder, POINTS)
    assert find_curves(tmp_path) == {
        "": tmp_path / LOGS / CURVE,
        "search": tmp_path / LOGS / "search" / CURVE,
    }
    assert made_files(tmp_path) == {}
    assert find_curves(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a curve: the file: Invalid JSON"),
        (b'{"iterations": [], "learning_rate": [], "losses": {}}', "not a curve: iterations: "),
        (b'{"iterations": [1], "learning_rate": [], "losses": {"loss": []}}', "loss has 0 values for 1 points"),
        (
            b'{"iterations": [1], "learning_rate": [1, 2], "losses": {"loss": [1]}}',
            "learning_rate has 2 values for 1 points",
        ),
        (b'{"iterations": [1], "learning_rate": [], "losses": {}}', "losses: Dictionary should have at least 1 item"),
        (b'{"iterations": [1], "learning_rate": [], "losses": {"loss": [Infinity]}}', "losses.loss.0: "),
    ],
)
def test_what_is_no_curve_is_named(tmp_path, content, problem):
    path = tmp_path / CURVE
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_curve(path)
    assert raised.value.message.startswith(f"{path}: not a curve: ")
    assert problem in raised.value.message


def test_a_curve_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_curve(tmp_path / CURVE)
