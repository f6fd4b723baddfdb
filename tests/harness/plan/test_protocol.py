"""What the protocol of a benchmark changes in its plan: defaults of options and recoveries, and the metric."""

import pytest
from installation import install
from invented_plugins import invented_registry

from harness.errors import PluginError
from harness.plan.plan import make_plan
from harness.registry import DatasetDescriptor, MethodDescriptor, Metric, Options, TaskDescriptor
from harness.spec.benchmark import Benchmark

OLDER = """
from harness.registry import DatasetDescriptor, MethodDescriptor, Options
class Stripes(Options):
    seed_defaults = {"count": 3, "colours": ("red", "blue")}
    count: int = 1
    colours: tuple[str, ...] = ()
    width: int = 8
class Striped(DatasetDescriptor):
    def fingerprint(self, options):
        return f"{options.count} stripes {options.colours}"
STRIPES = Striped(name="stripes", summary="", implementation="", task="painting", options=Stripes, seed_metric="score")
SCRAPE = MethodDescriptor(name="scrape", summary="", implementation="", family="pruning", axis="ratio",
                          default_recovery="tune", seed_recovery="nothing", controls=("scrape",))
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    points = {"bench.datasets": {"painting.stripes": "older:STRIPES"}, "bench.methods": {"scrape": "older:SCRAPE"}}
    install(folder, "older", points, older=OLDER)
    (folder / "older-1.0.dist-info" / "RECORD").write_text("older.py,,\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield invented_registry(folder)


def plan(registry, protocol, **keys):
    written = {"name": "test", "models": ["net"], "datasets": ["stripes"], "methods": ["scrape"], "ratios": [0.5]}
    return make_plan(Benchmark.model_validate({**written, "protocol": protocol, **keys}), registry)


def options_of(made):
    return made.cells[0].points[0].made.fields.parameters["dataset"]["options"]


def test_options_that_are_not_written_have_the_protocols_defaults(registry):
    assert options_of(plan(registry, "corrected")) == {"count": 1, "colours": [], "width": 8}
    assert options_of(plan(registry, "seed")) == {"count": 3, "colours": ["red", "blue"], "width": 8}


def test_what_is_written_stays(registry):
    written = [{"name": "stripes", "count": 1, "width": 4}]
    assert options_of(plan(registry, "seed", datasets=written)) == {"count": 1, "colours": ["red", "blue"], "width": 4}


def test_the_fingerprint_is_that_of_the_protocols_options(registry):
    found = {name: plan(registry, name).cells[0].points[0].made.fields.dataset for name in ("corrected", "seed")}
    assert found == {"corrected": "1 stripes ()", "seed": "3 stripes ('red', 'blue')"}


def test_a_method_has_the_protocols_default_recovery(registry):
    assert str(plan(registry, "corrected").cells[0].cell.pipeline) == "scrape@0.5+tune"
    assert str(plan(registry, "seed").cells[0].cell.pipeline) == "scrape@0.5+nothing"
    written = plan(registry, "seed", methods=[], pipelines=["scrape@0.5+tune"])
    assert str(written.cells[0].cell.pipeline) == "scrape@0.5+tune"


def test_cells_say_their_protocol(registry):
    (cell,) = (planned.cell for planned in plan(registry, "seed").cells)
    assert (cell.protocol, cell.name) == ("seed", "net__stripes__scrape@0.5+nothing__seed__seed0")


TASK = TaskDescriptor(
    name="painting", summary="", implementation="", metrics=(Metric(name="score"), Metric(name="older_score"))
)


@pytest.mark.parametrize(
    ("protocol", "seed_metric", "primary"),
    [("corrected", "older_score", "score"), ("seed", "older_score", "older_score"), ("seed", "", "score")],
)
def test_cells_are_compared_by_the_metric_of_the_protocol(protocol, seed_metric, primary):
    data = DatasetDescriptor(name="stripes", summary="", implementation="", task="painting", seed_metric=seed_metric)
    assert TASK.primary_under(protocol, data).name == primary


def test_the_plan_states_it_for_each_data_set(registry):
    assert {name: metric.name for name, metric in plan(registry, "seed").primaries.items()} == {"stripes": "score"}


def test_a_metric_that_the_task_lacks(registry):
    data = DatasetDescriptor(name="dots", summary="", implementation="", task="painting", seed_metric="scroe")
    with pytest.raises(PluginError, match="'dots' names the metric 'scroe', which task painting lacks") as caught:
        TASK.primary_under("seed", data)
    assert caught.value.hint == "Name one of: score, older_score."


def test_nothing_changes_where_a_protocol_makes_no_difference():
    method = MethodDescriptor(name="plain", summary="", implementation="", family="pruning", default_recovery="tune")
    assert method.under("seed") is method
    options = Options()
    assert options.under("seed") is options
