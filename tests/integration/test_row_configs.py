"""The configs of the published segmentation rows: how many cells they are, and that their fixture twins run."""

from pathlib import Path

import pytest
import yaml

from harness.plan.plan import make_plan
from harness.registry import LoaderRequest, discover, load_implementation, validate_options
from harness.spec.benchmark import Benchmark

CONFIGS = Path(__file__).parents[2] / "configs"
ROWS = ("vss_quick", "vss_full", "vss_quick_fixture", "vss_full_fixture", "vss_smoke", "wildscenes", "wildscenes_seed",
        "wildscenes_mask2former", "wildscenes_fixture", "wildscenes_queries_fixture")  # fmt: skip


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
     ("vss_full_fixture", 56, (8, 7)), ("vss_smoke", 1, (1, 1)), ("wildscenes", 18, (3, 2)),
     ("wildscenes_seed", 24, (3, 2)), ("wildscenes_mask2former", 6, (3, 2)), ("wildscenes_fixture", 18, (3, 2)),
     ("wildscenes_queries_fixture", 2, (1, 1))],
)  # fmt: skip
def test_the_cells_of_a_grid(benchmarks, registry, name, cells, per):
    made = make_plan(benchmarks[name], registry)
    assert len(made.cells) == cells
    points = {planned.cell.method for planned in made.cells}, {planned.cell.setting for planned in made.cells}
    assert tuple(map(len, points)) == per
    assert {planned.cell.role for planned in made.cells} == {"candidate"}


@pytest.mark.parametrize("name", ["vss_quick", "vss_full", "wildscenes"])
def test_a_fixture_twin_has_the_grid_and_the_options_of_the_real_one(benchmarks, name):
    real, twin = benchmarks[name], benchmarks[f"{name}_fixture"]
    for key in ("task", "methods", "ratios", "ratio_of", "controls", "protocol", "seeds"):
        assert getattr(real, key) == getattr(twin, key), key
    assert set(real.written()) <= set(twin.written())
    assert [data.name for data in real.datasets] == [data.name for data in twin.datasets]


def test_the_guides_budgets(benchmarks):
    for name, oracle in (("vss_quick", 16), ("vss_full", 64)):
        found = benchmarks[name]
        epochs = [found.training.iterations / 372, found.recovery.iterations / 372]
        assert (epochs, found.oracle.samples) == ([100, 50], oracle)
        assert (found.training.optimizer["lr"], found.recovery.optimizer["lr"]) == (0.01, 0.005)
        assert (found.training.batch_size, found.training.schedule.type) == (8, "poly")


def budgets_of(made):
    return {
        stage.fields.parameters["model"]["name"]: stage.fields.parameters["training"]
        for stage in made.stages
        if stage.kind == "train"
    }


def test_epochs_of_the_wildscenes_models(benchmarks, registry):
    official = budgets_of(make_plan(benchmarks["wildscenes"], registry))
    study = budgets_of(make_plan(benchmarks["wildscenes_seed"], registry))
    assert {name: budget["iterations"] / (6051 // 16) for name, budget in official.items()} == {
        "deeplabv3_r101_wildscenes": 60, "fcn_r50_wildscenes": 60, "unet_wildscenes": 50,
    }  # fmt: skip
    epochs = {name: budget["iterations"] / (1103 // budget["batch_size"]) for name, budget in study.items()}
    assert epochs == {
        "deeplabv3_r101_wildscenes": 60, "fcn_r50_wildscenes": 60, "unet_wildscenes": 50, "mask_query_wildscenes": 60,
    }  # fmt: skip
    assert {name for name, budget in study.items() if budget["amp"]} == {"deeplabv3_r101_wildscenes"}
    assert study["unet_wildscenes"]["schedule"]["window"] == 1103 // 16


def test_both_protocols_share_the_baseline_where_its_options_are_the_same(benchmarks, registry):
    one = make_plan(benchmarks["vss_quick"], registry)
    other = make_plan(benchmarks["vss_quick"].model_copy(update={"protocol": "seed"}), registry)
    shared = set(one.stages) & set(other.stages)
    assert [stage.kind for stage in one.stages if stage in shared][:2] == ["train", "evaluate"]
    assert {stage.kind for stage in shared} == {"train", "evaluate"}


def test_under_protocol_seed_nothing_is_fine_tuned(benchmarks, registry):
    seed = benchmarks["vss_full_fixture"].model_copy(update={"protocol": "seed"})
    made = make_plan(seed, registry)
    assert {str(planned.cell.pipeline).partition("+")[2] for planned in made.cells} == {"none"}
    assert made.primaries["cityscapes"].name == "mIoU_dataset_eps"
    stages = [stage for stage in made.stages if stage.kind == "recover"]
    assert (len(made.cells), stages) == (56, [])


def test_the_wildscenes_fixture_has_full_batches_under_protocol_seed(tmp_path, registry):
    """As the config's comment makes it: the study's split leaves a tenth of two traverses for its test."""
    plugin, benchmark = registry.dataset("segmentation", "wildscenes"), CONFIGS / "wildscenes_fixture.yaml"
    samples = int(benchmark.read_text().partition("--samples ")[2].split()[0])
    plugin.descriptor.write_fixture(validate_options(plugin, {}), tmp_path, samples, 0, lambda done, total: None)
    options = validate_options(plugin, {"root": str(tmp_path)}).under("seed")
    dataset = load_implementation(plugin)(options=options)
    batch_size = yaml.safe_load(benchmark.read_text())["evaluation"]["batch_size"]
    for split in ("val", "test"):
        assert dataset.loader(LoaderRequest(split=split, batch_size=batch_size))["drop_last"]
