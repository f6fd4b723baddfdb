from PIL import Image
from records import make_record

from harness.report.drops import class_drops, draw_drops

BEFORE = {"mIoU": 0.6, "IoU.road": 0.9, "IoU.sky": 0.5, "IoU.pole": 0.4, "IoU.bus": None, "accuracy.road": 0.1}
AFTER = {"mIoU": 0.5, "IoU.road": 0.8, "IoU.sky": 0.1, "IoU.pole": 0.45, "IoU.bus": 0.2, "accuracy.road": 0.9}

RED, BLUE = (222, 45, 38), (49, 130, 189)


def record_with(before, after):
    record = make_record("l1@0.5+finetune")
    steps = [record.steps[-1].model_copy(update={"metrics": after})]
    return record.model_copy(
        update={"baseline": record.baseline.model_copy(update={"metrics": before}), "steps": steps}
    )


def test_the_largest_loss_comes_first_and_what_is_missing_last():
    assert class_drops(record_with(BEFORE, AFTER)) == [
        ("sky", 0.5, 0.1), ("road", 0.9, 0.8), ("pole", 0.4, 0.45), ("bus", None, 0.2),
    ]  # fmt: skip


def test_a_class_that_only_one_of_the_models_knows_is_there(tmp_path):
    record = record_with({"IoU.road": 0.9}, {"IoU.sky": 0.5})
    assert class_drops(record) == [("road", 0.9, None), ("sky", None, 0.5)]
    assert draw_drops(record, tmp_path / "drops.png")


def test_losses_are_red_and_gains_blue(tmp_path):
    file = tmp_path / "new" / "drops.png"
    assert draw_drops(record_with(BEFORE, AFTER), file)
    counts = {colour: count for count, colour in Image.open(file).convert("RGB").getcolors(1 << 24)}
    assert counts[RED] > 5 * counts[BLUE] > 0  # 50 points lost, 5 gained
    assert draw_drops(record_with(BEFORE, BEFORE), file)
    assert not {RED, BLUE} & {colour for _, colour in Image.open(file).convert("RGB").getcolors(1 << 24)}


def test_without_classes_there_is_no_picture(tmp_path):
    assert not draw_drops(record_with({"mIoU": 0.6}, {"mIoU": 0.5}), tmp_path / "drops.png")
    assert not (tmp_path / "drops.png").exists()
