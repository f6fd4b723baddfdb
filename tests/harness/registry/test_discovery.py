import subprocess
import sys

import pytest

from harness.errors import PluginError, UserError
from harness.registry.descriptors import MethodDescriptor, ModelDescriptor
from harness.registry.discovery import discover
from harness.registry.groups import GROUPS

TASKS = """
from harness.registry.descriptors import DatasetDescriptor, ModelDescriptor, TaskDescriptor, Metric

def task(name):
    return TaskDescriptor(name=name, summary="", implementation="x:Y", metrics=(Metric(name="m"),))

SEGMENTATION, DETECTION = task("segmentation"), task("detection")
DIGITS = DatasetDescriptor(name="digits", summary="", implementation="x:Y", task="segmentation")
DETECTION_DIGITS = DatasetDescriptor(name="digits", summary="", implementation="x:Y", task="detection")
BOXES = DatasetDescriptor(name="boxes", summary="", implementation="x:Y", task="detection")
UNET = ModelDescriptor(name="unet", summary="", implementation="x:Y", task="segmentation")
ZOO = ModelDescriptor(name="mmseg", summary="", implementation="x:Y", task="segmentation", zoo=True)
"""


@pytest.fixture
def tasks(installation):
    module = installation.module(TASKS)
    installation.distribution(
        "bench-tasks",
        {
            "bench.tasks": {"segmentation": f"{module}:SEGMENTATION", "detection": f"{module}:DETECTION"},
            "bench.datasets": {
                "segmentation.digits": f"{module}:DIGITS",
                "detection.digits": f"{module}:DETECTION_DIGITS",
                "detection.boxes": f"{module}:BOXES",
                "segmentation.boxes": f"{module}:BOXES",
                "dotless": f"{module}:DIGITS",
            },
            "bench.models": {"segmentation.unet": f"{module}:UNET", "segmentation.mmseg": f"{module}:ZOO"},
        },
    )
    return installation


def test_a_descriptor_is_imported_when_it_is_asked_for_and_not_before(installation):
    asked = installation.method("alpha", "dist-a")
    other = installation.method("beta", "dist-b")
    registry = installation.discover()
    assert asked not in sys.modules
    plugin = registry.method("alpha")
    assert isinstance(plugin.descriptor, MethodDescriptor)
    assert (plugin.name, plugin.group, plugin.distribution, plugin.version) == (
        "alpha",
        "bench.methods",
        "dist-a",
        "1.0",
    )
    assert asked in sys.modules
    assert other not in sys.modules
    assert registry.method("alpha").descriptor is plugin.descriptor


def test_discovery_finds_what_is_on_the_path_of_the_interpreter(installation):
    installation.method("an_invented_method", "dist-a")
    assert discover().method("an_invented_method").distribution == "dist-a"


def test_a_broken_plugin_names_its_distribution_and_harms_no_other(installation):
    installation.method("alpha", "dist-a")
    module = installation.module("raise ImportError('no such symbol')")
    installation.distribution("dist-b", {"bench.methods": {"beta": f"{module}:BETA"}}, "2.5")
    registry = installation.discover()
    with pytest.raises(PluginError) as caught:
        registry.method("beta")
    assert caught.value.message == "method 'beta' of dist-b 2.5 is broken: ImportError: no such symbol"
    assert registry.method("alpha").name == "alpha"
    alpha, beta = registry.entries("bench.methods")
    assert (alpha.name, alpha.descriptor.name, alpha.error) == ("alpha", "alpha", "")
    assert (beta.name, beta.descriptor, beta.error) == ("beta", None, "ImportError: no such symbol")
    assert (beta.distribution, beta.version) == ("dist-b", "2.5")


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        (
            "import a_module_that_is_missing",
            ":M",
            "ModuleNotFoundError: No module named 'a_module_that_is_missing'",
        ),
        ("raise SystemExit(3)", ":M", "SystemExit: 3"),
        ("1 +", ":M", "SyntaxError"),
        ("", ":M", "AttributeError"),
        ("M = 3", ":M", "is of type int, not a MethodDescriptor"),
        ("M = 3", "", "does not name an object as package.module:name"),
    ],
)
def test_ways_to_be_broken(installation, source, target, error):
    module = installation.module(source)
    installation.distribution("dist-a", {"bench.methods": {"alpha": f"{module}{target}"}})
    registry = installation.discover()
    with pytest.raises(PluginError, match="method 'alpha' of dist-a 1.0 is broken: ") as caught:
        registry.method("alpha")
    assert error in caught.value.message
    assert error in registry.entries("bench.methods")[0].error


def test_a_missing_module_is_named_in_the_hint(installation):
    module = installation.module("import a_module_that_is_missing")
    installation.distribution("dist-a", {"bench.methods": {"alpha": f"{module}:M"}})
    with pytest.raises(PluginError) as caught:
        installation.discover().method("alpha")
    assert caught.value.hint == "install what brings the module 'a_module_that_is_missing', or update dist-a"


def test_a_descriptor_must_have_the_name_of_its_entry_point(installation):
    module = installation.method("alpha", "dist-a")
    installation.distribution("dist-b", {"bench.methods": {"beta": f"{module}:METHOD"}})
    with pytest.raises(PluginError, match="is called 'beta', but its descriptor says 'alpha'"):
        installation.discover().method("beta")


def test_a_malformed_line_breaks_that_line_only(installation):
    module = installation.method("alpha", "dist-a")
    lines = f"[console_scripts]\nx\n[bench.methods]\n# a comment\nbeta\ngamma = {module}:METHOD [extra]\n"
    installation.distribution("dist-b", {})
    (installation.folder / "dist_b-1.0.dist-info" / "entry_points.txt").write_text(lines)
    registry = installation.discover()
    assert {entry.name: bool(entry.descriptor) for entry in registry.entries("bench.methods")} == {
        "alpha": True,
        "beta": False,
        "gamma": False,
    }
    assert "'' does not name an object" in registry.entries("bench.methods")[1].error
    assert "descriptor says 'alpha'" in registry.entries("bench.methods")[2].error


def test_a_name_claimed_twice_is_an_error_that_names_both(installation):
    installation.method("alpha", "dist-a", "1.0", summary="first")
    installation.method("alpha", "Dist_B", "2.0", summary="second")
    registry = installation.discover()
    with pytest.raises(UserError) as caught:
        registry.method("alpha")
    assert "method 'alpha' is claimed by " in caught.value.message
    assert "dist-a 1.0" in caught.value.message
    assert "Dist_B 2.0" in caught.value.message
    assert "dist-a:alpha" in caught.value.hint
    assert "--disable" in caught.value.hint
    assert registry.method("dist-a:alpha").descriptor.summary == "first"
    assert registry.method("dist-b:alpha").descriptor.summary == "second"
    entries = registry.entries("bench.methods")
    assert {entry.descriptor.summary for entry in entries} == {"first", "second"}
    assert all(entry.error.startswith("claimed by ") for entry in entries)


@pytest.mark.parametrize("disabled", ["dist-b", "Dist.B", "dist-b:alpha"])
def test_disabling_one_of_two_distributions_settles_it(installation, disabled):
    installation.method("alpha", "dist-a")
    installation.method("alpha", "dist-b")
    registry = installation.discover(disabled)
    assert registry.method("alpha").distribution == "dist-a"
    assert [entry.error for entry in registry.entries("bench.methods") if entry.distribution == "dist-b"] == [
        f"disabled by --disable {disabled}"
    ]


@pytest.mark.parametrize("disabled", ["alpha", "methods:alpha", "bench.methods:alpha", "dist-a"])
def test_a_disabled_plugin_is_told_to_be_disabled_and_never_imported(installation, disabled):
    module = installation.method("alpha", "dist-a")
    installation.method("beta", "dist-b")
    registry = installation.discover(disabled)
    with pytest.raises(UserError, match=f"method 'alpha' of dist-a 1.0 is disabled by --disable {disabled}"):
        registry.method("alpha")
    assert registry.entries("bench.methods")[0].descriptor is None
    assert module not in sys.modules
    assert registry.method("beta").name == "beta"


def test_disabling_by_group_leaves_other_groups_alone(tasks):
    registry = tasks.discover("datasets:digits")
    with pytest.raises(UserError, match="disabled"):
        registry.dataset("segmentation", "digits")
    with pytest.raises(UserError, match="disabled"):
        registry.dataset("detection", "digits")
    only_one = tasks.discover("detection.digits")
    assert only_one.dataset("segmentation", "digits").name == "digits"


@pytest.mark.parametrize("text", ["alhpa", "models:alpha", "dist-b:alpha"])
def test_disabling_what_is_not_installed_is_an_error(installation, text):
    installation.method("alpha", "dist-a")
    with pytest.raises(UserError, match=f"--disable: nothing installed is called '{text}'\n  .*'alpha'"):
        installation.discover(text)


def test_an_unknown_name_lists_what_there_is(installation):
    installation.method("fpgm", "dist-a")
    installation.method("random", "dist-b")
    with pytest.raises(UserError) as caught:
        installation.discover().method("fpmg")
    assert str(caught.value) == ("unknown method 'fpmg'\n  did you mean 'fpgm'? available methods: fpgm, random")


def test_a_wrong_distribution_in_front_is_told_the_right_one(installation):
    installation.method("fpgm", "dist-a")
    with pytest.raises(UserError, match="unknown method 'dist-x:fpgm'\n  'fpgm' comes from dist-a"):
        installation.discover().method("dist-x:fpgm")


def test_disabled_names_are_not_offered(installation):
    installation.method("fpgm", "dist-a")
    installation.method("fpgx", "dist-b")
    with pytest.raises(UserError) as caught:
        installation.discover("fpgx").method("fpgy")
    assert "fpgx" not in caught.value.hint


def test_models_and_data_sets_are_keyed_by_task(tasks):
    registry = tasks.discover()
    assert registry.dataset("segmentation", "digits").descriptor.task == "segmentation"
    assert registry.dataset("detection", "digits").descriptor.task == "detection"
    assert registry.dataset("detection", "bench-tasks:boxes").name == "boxes"
    assert registry.task("detection").descriptor.primary.name == "m"
    with pytest.raises(UserError, match="unknown model 'unet' .* 'detection'\n  'unet' exists for segmentation"):
        registry.model("detection", "unet")
    with pytest.raises(UserError, match="unknown task 'segmentatoin'\n  did you mean 'segmentation'"):
        registry.dataset("segmentatoin", "digits")


def test_the_task_in_front_of_the_dot_must_be_the_descriptors(tasks):
    registry = tasks.discover()
    reason = "the entry point is called 'segmentation.boxes', but its descriptor says 'detection.boxes'"
    with pytest.raises(PluginError, match=f"data set 'boxes' of bench-tasks 1.0 is broken: {reason}"):
        registry.dataset("segmentation", "boxes")
    errors = {(entry.task, entry.name): entry.error for entry in registry.entries("bench.datasets")}
    assert errors["segmentation", "boxes"] == reason
    assert errors["detection", "boxes"] == ""
    assert errors["", "dotless"].endswith("called 'dotless', but its descriptor says 'segmentation.digits'")


def test_a_zoo_names_its_member_behind_two_colons(tasks):
    registry = tasks.discover()
    plugin, member = registry.model("segmentation", "mmseg::fcn/fcn_r50-d8.py")
    assert isinstance(plugin.descriptor, ModelDescriptor)
    assert (plugin.name, member) == ("mmseg", "fcn/fcn_r50-d8.py")
    assert registry.model("segmentation", "bench-tasks:mmseg::a:b").member == "a:b"
    assert registry.model("segmentation", "unet").member == ""
    with pytest.raises(UserError, match="'mmseg' is a zoo of models; name one of them\n  write mmseg::NAME"):
        registry.model("segmentation", "mmseg")
    with pytest.raises(UserError, match="'unet::x': unet is one model, not a zoo"):
        registry.model("segmentation", "unet::x")


@pytest.mark.parametrize(("look_up", "group"), [("transform", "transforms"), ("report_format", "report_formats")])
def test_transforms_and_report_formats_are_found(installation, look_up, group):
    kind = GROUPS[f"bench.{group}"].descriptor.__name__
    module = installation.module(
        f"from harness.registry.descriptors import {kind}\nX = {kind}(name='x', summary='', implementation='a:B')"
    )
    installation.distribution("dist-a", {f"bench.{group}": {"x": f"{module}:X"}})
    assert type(getattr(installation.discover(), look_up)("x").descriptor).__name__ == kind


def test_of_two_installed_copies_the_first_on_the_path_counts(installation, tmp_path):
    first = installation.method("alpha", "dist-a", "2.0")
    shadowed = tmp_path / "later"
    shadowed.mkdir()
    info = shadowed / "dist_a-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: Dist_A\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bench.methods]\nalpha = {first}:METHOD\n")
    registry = discover(path=[str(installation.folder), str(shadowed)])
    assert registry.method("alpha").version == "2.0"


def test_neither_torch_nor_yaml_is_imported_to_discover():
    program = (
        "import sys, harness.registry as r; registry = r.discover()\n"
        "[registry.entries(group) for group in r.discovery.GROUPS]\n"
        "sys.exit(' '.join({'torch', 'mmengine', 'mmseg', 'yaml'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_config_file_is_a_member_of_the_zoo_that_reads_files(installation, tmp_path, monkeypatch):
    module = installation.module(
        "from harness.registry import ModelDescriptor, TaskDescriptor\n"
        "common = {'summary': '', 'implementation': '', 'task': 'painting', 'zoo': True}\n"
        "READER = ModelDescriptor(name='reader', reads_files=True, **common)\n"
        "OTHER = ModelDescriptor(name='other', **common)\n"
        "TASK = TaskDescriptor(name='painting', summary='', implementation='', metrics=())\n"
    )
    models = {"painting.reader": f"{module}:READER", "painting.other": f"{module}:OTHER"}
    installation.distribution("dist-a", {"bench.tasks": {"painting": f"{module}:TASK"}, "bench.models": models})
    registry = installation.discover()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("")
    plugin, member = registry.model("painting", "mine.py")
    assert (plugin.name, member) == ("reader", str(tmp_path / "mine.py"))
    with pytest.raises(UserError, match="there is no such config file"):
        registry.model("painting", "yours.py")
    with pytest.raises(UserError, match="named by its path alone"):
        registry.model("painting", f"reader::{tmp_path / 'mine.py'}")
    with pytest.raises(UserError, match="no model plugin of the task 'painting' read config files"):
        installation.discover("reader").model("painting", "mine.py")


def test_distributions_that_extend_a_method_are_part_of_its_provenance(installation):
    module = installation.module(
        "from harness.registry.descriptors import MethodDescriptor\n"
        "METHOD = MethodDescriptor(name='alpha', summary='', implementation='x:Y', family='pruning',\n"
        "                          extended_by=('alpha.rules',))\n"
    )
    installation.distribution("dist-a", {"bench.methods": {"alpha": f"{module}:METHOD"}})
    installation.distribution("dist-b", {"beta.rules": {"mine": "b:RULES"}})
    installation.method("gamma", "dist-c")

    def stated(name):
        registry = installation.discover()
        return {name: found["version"] for name, found in registry.provenance(registry.method(name)).items()}

    assert stated("alpha") == {"dist-a": "1.0"}
    installation.distribution("dist-x", {"alpha.rules": {"mine": "x:RULES"}}, version="3.1")
    assert stated("alpha") == {"dist-a": "1.0", "dist-x": "3.1"}
    assert stated("gamma") == {"dist-c": "1.0"}
