"""An invented task with models, data sets and methods, for tests of plans that no real plugin may change.

`invented-methods` requires `invented-tracing`; all four distributions are installed from files, not editable.
"""

from installation import install

from harness.registry import discover

TASK = """
from harness.registry import DatasetDescriptor, Metric, ModelDescriptor, Options, TaskDescriptor
class Width(Options):
    width: int = 8
class Size(Options):
    size: int = 32
class Shapes(DatasetDescriptor):
    def fingerprint(self, options):
        return f"shapes of {options.size} pixels"
TASK = TaskDescriptor(name="painting", summary="", implementation="", metrics=(Metric(name="score"),),
                      demo_model="net", demo_dataset="shapes")
NET = ModelDescriptor(name="net", summary="", implementation="", task="painting", options=Width,
                      training={"iterations": 70}, recovery={"iterations": 20})
WIDE_NET = ModelDescriptor(name="wide_net", summary="", implementation="", task="painting", options=Width,
                           training={"iterations": 90}, recovery={"iterations": 30})
SHAPES = Shapes(name="shapes", summary="", implementation="", task="painting", options=Size)
DOTS = Shapes(name="dots", summary="", implementation="", task="painting", options=Size)
"""
METHODS = """
from harness.registry import IterativeOptions, MethodDescriptor, Options
class Passes(IterativeOptions):
    mode: str = "fast"
class Grain(Options):
    compress_options = frozenset({"grain"})
    mode: str = "fast"
    grain: int = 1
class Steps(Options):
    steps: int = 1
    mode: str = "fast"
class Search(MethodDescriptor):
    def prepare_key(self, setting, options):
        return {2: setting, 10: (options.steps,)}  # written with text keys and a list in every JSON file
class Vague(MethodDescriptor):
    def prepare_key(self, setting, options):
        return object()
common = {"summary": "", "implementation": "", "family": "pruning", "axis": "ratio", "options": Steps,
          "default_recovery": "tune", "has_prepare": True, "ratio_targets": ("channels", "macs")}
PRUNE = MethodDescriptor(name="prune", **common)
SEARCH = Search(name="search", **{**common, "needs": frozenset({"training"})})
VAGUE = Vague(name="vague", **common)
PEEL = MethodDescriptor(name="peel", **{**common, "options": Passes})
DIG = Search(name="dig", **{**common, "options": Passes, "needs": frozenset({"training"})})
CARVE = MethodDescriptor(name="carve", **{**common, "options": Grain})
ROUND = MethodDescriptor(name="round", **{**common, "options": Passes, "axis": "precision"})
"""
RECOVERIES = """
from harness.registry import MethodDescriptor, Options
class Rate(Options):
    rate: float = 1.0
common = {"summary": "", "implementation": "", "family": "recovery", "kind": "recovery"}
TUNE = MethodDescriptor(name="tune", options=Rate, **common)
MIMIC = MethodDescriptor(name="mimic", options=Rate, **common)
NOTHING = MethodDescriptor(name="nothing", trains=False, **common)
"""
TRACING = """
from harness.registry import TransformDescriptor
CUT = TransformDescriptor(name="cut", summary="", implementation="")
"""


def invented_registry(folder):
    """Installs the distributions below `folder`, which must be on `sys.path`, and finds them alone."""
    _install(
        folder,
        "invented-task",
        {
            "bench.tasks": {"painting": "TASK"},
            "bench.models": {"painting.net": "NET", "painting.wide_net": "WIDE_NET"},
            "bench.datasets": {"painting.shapes": "SHAPES", "painting.dots": "DOTS"},
        },
        TASK,
    )
    methods = {name: name.upper() for name in ("prune", "search", "vague", "peel", "dig", "carve", "round")}
    _install(folder, "invented-methods", {"bench.methods": methods}, METHODS, requires="invented-tracing")
    recoveries = {"tune": "TUNE", "mimic": "MIMIC", "nothing": "NOTHING"}
    _install(folder, "invented-recoveries", {"bench.methods": recoveries}, RECOVERIES)
    _install(folder, "invented-tracing", {"bench.transforms": {"cut": "CUT"}}, TRACING)
    return discover(path=[str(folder)])


def _install(folder, name, points, source, requires=""):
    module = name.replace("-", "_")
    targets = {group: {key: f"{module}:{target}" for key, target in keys.items()} for group, keys in points.items()}
    install(folder, name, targets, **{module: source})
    info = folder / f"{module}-1.0.dist-info"
    (info / "RECORD").write_text(f"{module}.py,,\n")
    if requires:
        with (info / "METADATA").open("a") as metadata:
            metadata.write(f"Requires-Dist: {requires}\n")
