"""The configs of the published segmentation rows: how many cells they are, and that their fixture twins run."""

from pathlib import Path

import pytest
import yaml

from harness.plan.plan import make_plan
from harness.registry import discover, validate_options
from harness.spec.benchmark import Benchmark

CONFIGS = Path(__file__).parents[2] / "configs"
ROWS = ("vss_quick", "vss_full", "vss_quick_fixture", "vss_full_fixture", "vss_smoke", "wildscenes", "wildscenes_seed",
        "wildscenes_fixture")  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture(scope="module")
def roots(tmp_path_factory, registry):
    made = {}
    for name in ("cityscapes", "wildscenes"):
        plugin = registry.dataset("segmentation", name)
        made[name] = tmp_path_factory.mktemp(name)
        plugin.descriptor.write_fixture(validate_options(plugin, {}), made[name], 8, 0, lambda done, total: None)
    return made


@pytest.fixture(scope="module")
def benchmarks(roots):
    def read(name):
        content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
        (data,) = content["datasets"]
        return Benchmark.model_validate({**content, "datasets": [{**data, "root": str(roots[data["name"]])}]})

    return {name: read(name) for name in ROWS}


@pytest.mark.parametrize(
    ("name", "cells", "per"),
    [("vss_quick", 15, (5, 3)), ("vss_full", 56, (8, 7)), ("vss_quick_fixture", 15, (5, 3)),
     ("vss_full_fixture", 56, (8, 7)), ("vss_smoke", 1, (1, 1)), ("wildscenes_seed", 24, (3, 2)),
     ("wildscenes_fixture", 18, (3, 2))],
)  # fmt: skip
def test_the_cells_of_a_grid(benchmarks, registry, name, cells, per):
    made = make_plan(benchmarks[name], registry)
    assert len(made.cells) == cells
    points = {planned.cell.method for planned in made.cells}, {planned.cell.setting for planned in made.cells}
    assert tuple(map(len, points)) == per
    assert {planned.cell.role for planned in made.cells} == {"candidate"}


def test_wildscenes_has_its_controls_beside_each_model(benchmarks, registry):
    cells = [planned.cell for planned in make_plan(benchmarks["wildscenes"], registry).cells]
    candidates = [cell for cell in cells if cell.role == "candidate"]
    assert (len(candidates), {cell.model for cell in candidates}) == (24, {cell.model for cell in cells})
    assert {"random", "uniform", "finetune"} <= {cell.method for cell in cells if cell.role == "control"}


@pytest.mark.parametrize("name", ["vss_quick", "vss_full"])
def test_a_fixture_twin_has_the_grid_and_the_options_of_the_real_one(benchmarks, name):
    real, twin = benchmarks[name], benchmarks[f"{name}_fixture"]
    for key in ("task", "methods", "ratios", "ratio_of", "controls", "protocol", "seeds"):
        assert getattr(real, key) == getattr(twin, key), key
    assert set(real.written()) == set(twin.written())
    assert [data.name for data in real.datasets] == [data.name for data in twin.datasets]


def test_the_guides_budgets(benchmarks):
    for name, oracle in (("vss_quick", 16), ("vss_full", 64)):
        found = benchmarks[name]
        epochs = [found.training.iterations / 372, found.recovery.iterations / 372]
        assert (epochs, found.oracle.samples) == ([100, 50], oracle)
        assert (found.training.optimizer["lr"], found.recovery.optimizer["lr"]) == (0.01, 0.005)
        assert (found.training.batch_size, found.training.schedule.type) == (8, "poly")


def test_under_protocol_seed_nothing_is_fine_tuned(benchmarks, registry):
    seed = benchmarks["vss_full_fixture"].model_copy(update={"protocol": "seed"})
    made = make_plan(seed, registry)
    assert {str(planned.cell.pipeline).partition("+")[2] for planned in made.cells} == {"none"}
    assert made.primaries["cityscapes"].name == "mIoU_dataset_eps"
    stages = [stage for stage in made.stages if stage.kind == "recover"]
    assert (len(made.cells), stages) == (56, [])
