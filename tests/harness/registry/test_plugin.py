import sys

import pytest

from harness.errors import PluginError
from harness.registry.descriptors import MethodDescriptor
from harness.registry.distribution import PluginDistribution
from harness.registry.plugin import Plugin, load_implementation


def plugin(implementation):
    descriptor = MethodDescriptor(name="alpha", summary="", implementation=implementation, family="pruning")
    return Plugin(descriptor, PluginDistribution("dist-a", "1.2"), "bench.methods", "alpha")


def test_an_implementation_is_imported_when_it_is_loaded(installation):
    module = installation.module("class Alpha:\n    class Inner: pass")
    assert module not in sys.modules
    assert load_implementation(plugin(f"{module}:Alpha")).__name__ == "Alpha"
    assert load_implementation(plugin(f"{module}:Alpha.Inner")).__name__ == "Inner"


@pytest.mark.parametrize(
    ("source", "error", "hint"),
    [
        (
            "import a_missing_module",
            "ModuleNotFoundError: No module named 'a_missing_module'",
            "'a_missing_module'",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero", "update or reinstall dist-a"),
        ("", "AttributeError", "update or reinstall dist-a"),
    ],
)
def test_a_failing_import_names_the_plugin_and_its_distribution(installation, source, error, hint):
    module = installation.module(source)
    with pytest.raises(PluginError) as caught:
        load_implementation(plugin(f"{module}:Alpha"))
    assert caught.value.message.startswith(f"method 'alpha' of dist-a 1.2 does not load: {module}:Alpha: {error}")
    assert hint in caught.value.hint
    assert caught.value.__cause__ is not None
