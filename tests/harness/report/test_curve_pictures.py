import pytest
from cells import complete_cell, make_cell
from PIL import Image
from records import make_record

from harness.errors import UserError
from harness.report.collection import Run
from harness.report.curves import Training, count_without_curve, draw_curve, draw_curves, find_trainings
from harness.store.curve import Curve, read_curve, write_curve
from harness.store.layout import Layout
from harness.store.record import StageCost

SHORT = Curve(iterations=[1, 2], learning_rate=[0.1, 0.2], losses={"loss": [1.0, 0.5]})


def run_of(folder, *cells, curves=("train", "recover")):
    """A results folder whose stages of some kinds have left a curve."""
    layout, records = Layout(folder), []
    for cell in cells:
        complete_cell(layout, cell)
        costs = [StageCost(kind=s.kind, label=s.label, identity=s.identity, state="complete") for s in cell.stages]
        records.append(make_record(str(cell.cell.pipeline)).model_copy(update={"stages": costs}))
        for stage in cell.stages:
            if stage.kind in curves:
                logs = layout.stage(stage.kind, stage.identity) / "mmengine"
                logs.mkdir(exist_ok=True)
                write_curve(logs, SHORT)
    return Run(folder, records)


def test_every_training_once_by_the_name_of_its_stage(tmp_path):
    first, second = make_cell("l1@0.5+finetune"), make_cell("l1@0.2+finetune")
    found = find_trainings([run_of(tmp_path, first, second)])
    assert [training.label for training in found] == [
        "train model", "recover finetune after l1@0.5", "recover finetune after l1@0.2",
    ]  # fmt: skip
    assert {training.subject for training in found} == {"model · data · seed 0"}
    assert found[0].name == f"train_model-{first.points[0].made.identity[:8]}"
    assert found[1].name.startswith("recover_finetune_after_l1@0.5-")


def test_a_methods_own_trainings_say_what_they_are_for(tmp_path):
    cell = make_cell()
    run = run_of(tmp_path, cell, curves=())
    logs = Layout(tmp_path).stage("prepare", cell.prepared[0].identity) / "mmengine" / "search"
    logs.mkdir(parents=True)
    write_curve(logs, SHORT)
    (training,) = find_trainings([run])
    assert training.label == "prepare l1 (search)"
    assert training.name.startswith("prepare_l1_search-")


def test_pictures_lie_in_the_results_folder_or_where_they_are_wanted(tmp_path):
    run = run_of(tmp_path / "demo", make_cell(), curves=("train",))
    (file,) = draw_curves([run], None, print)
    assert file.parent == tmp_path / "demo" / "pictures" / "curves"
    assert [path.parent for path in draw_curves([run], tmp_path / "out", print)] == [tmp_path / "out"]
    assert Image.open(file).size == (960, 504)


def test_without_a_curve_the_command_says_so(tmp_path):
    run = run_of(tmp_path / "demo", make_cell(), curves=())
    with pytest.raises(UserError, match="demo: no training here has left a curve"):
        list(draw_curves([run], None, print))


@pytest.mark.parametrize("content", ["{", '{"iterations": [1], "learning_rate": [], "losses": {}}'])
def test_a_curve_that_cannot_be_read_ends_nothing(tmp_path, content):
    run, told = run_of(tmp_path / "demo", make_cell()), []
    broken, whole = find_trainings([run])
    broken.path.write_text(content)
    (file,) = draw_curves([run], None, told.append)
    assert file.stem == whole.name
    (problem,) = told
    assert problem.startswith(f"{broken.path}: not a curve: ")
    whole.path.write_text(content)
    with pytest.raises(UserError, match="none of the 2 curves here can be read"):
        list(draw_curves([run], None, told.append))


def test_trainings_without_a_curve_are_counted(tmp_path):
    both, one = run_of(tmp_path / "a", make_cell()), run_of(tmp_path / "b", make_cell(), curves=("train",))
    assert [count_without_curve([run]) for run in (both, one)] == [0, 1]
    assert count_without_curve([both, one, run_of(tmp_path / "c", make_cell(), curves=())]) == 3


def test_a_folder_without_cells_has_the_curves_of_its_baselines(tmp_path):
    run = run_of(tmp_path / "demo", make_cell(), curves=("train",))
    (training,) = find_trainings([Run(run.folder, [])])
    assert (training.label, training.subject) == ("train model", "model · data · seed 0")
    assert find_trainings([Run(run.folder, [], ["a record is damaged"])]) == []


def drawn(tmp_path, curve, name):
    folder = tmp_path / name
    folder.mkdir()
    write_curve(folder, curve)
    training = Training("train $model$", "on _data_", name, folder / "curve.json", tmp_path)
    draw_curve(training, read_curve(training.path), tmp_path / f"{name}.png")
    return Image.open(tmp_path / f"{name}.png").convert("RGB")


def colours_of(image):
    return {colour for _, colour in image.getcolors(1 << 24)}


LOSS, RATE, PART = (49, 130, 189), (230, 134, 26), (117, 107, 177)


def test_losses_and_rate_are_in_the_picture(tmp_path):
    points = 30
    curve = Curve(
        iterations=list(range(1, points + 1)),
        learning_rate=[0.01] * points,
        losses={"loss": [2.0] * points, "decode.loss_ce": [1.5] * points, "aux.loss_ce": [0.5] * points},
    )
    found = colours_of(drawn(tmp_path, curve, "whole"))
    assert {LOSS, RATE, PART} <= found
    alone = colours_of(drawn(tmp_path, SHORT.model_copy(update={"learning_rate": []}), "alone"))
    assert LOSS in alone
    assert not {RATE, PART} & alone


def test_a_curve_without_a_total_or_below_zero_is_drawn_too(tmp_path):
    curve = Curve(
        iterations=[1, 2, 3], learning_rate=[0.0] * 3, losses={"a_loss": [-1.0, 2.0, 1.0], "b_loss": [1.0] * 3}
    )
    assert PART in colours_of(drawn(tmp_path, curve, "parts"))
