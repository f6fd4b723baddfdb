"""Which cells stand in one summary of the VSS format, and where."""

import pytest
from records import make_record

from bench_segmentation.vss.experiments import experiment_names, grouped_experiments


def cell(pipeline="l1@0.5+none", protocol="corrected", **changes):
    return {**make_record(pipeline, **changes).model_dump(mode="json"), "protocol": protocol}


def folders(cells, benchmark):
    return [
        (str(found.folder), found.protocol, found.seed, len(found.cells))
        for found in grouped_experiments(cells, benchmark)
    ]


BOTH = [cell(protocol=protocol, seed=seed) for protocol in ("corrected", "seed") for seed in (1, 2)]


@pytest.mark.parametrize(
    ("benchmark", "expected"),
    [
        (
            {},
            [(".", "corrected", 1, 1), ("seed2", "corrected", 2, 1), ("seed", "seed", 1, 1),
             ("seed/seed2", "seed", 2, 1)],
        ),
        (
            {"protocol": "seed", "seeds": [2, 7]},
            [(".", "seed", 2, 1), ("seed1", "seed", 1, 1), ("corrected", "corrected", 2, 1),
             ("corrected/seed1", "corrected", 1, 1)],
        ),
    ],
)  # fmt: skip
def test_what_was_asked_for_last_has_no_folder_of_its_own(benchmark, expected):
    assert folders(BOTH, benchmark) == expected


def test_a_protocol_that_is_alone_needs_no_folder():
    assert folders([cell(protocol="seed", seed=3)], {"protocol": "corrected", "seeds": [0]}) == [(".", "seed", 3, 1)]


def test_cells_without_a_ratio_are_no_experiments():
    assert folders([cell("finetune", ratio=None)], {}) == [(".", None, None, 0)]
    cells = [cell("l1@0.2", ratio=0.2), cell("finetune", ratio=None), cell("l1@0.5")]
    assert grouped_experiments(cells, {})[0].names == ["l1_0_20", "l1_0_50"]


def test_experiments_of_one_name_are_told_apart():
    cells = [cell("l1@0.5+none"), cell("l1@0.5+finetune")]
    assert experiment_names(cells) == ["l1_0_50", "l1_0_50__residual_fcn__digits__l1@0.5+finetune__seed0"]
