"""Conformance suites: what every method, model and data set must hold, as test classes that plugin authors inherit.

    class TestRedundancy(MethodSuite):
        method = "redundancy"

See `docs/conformance.md`. Torch is imported by the tests that need it, not by this package.
"""

try:
    import pytest  # noqa: F401  # said once and clearly, before a module below fails on it
except ModuleNotFoundError as error:
    _MESSAGE = "harness.testing needs pytest: pip install 'compression-bench[test]', or pip install pytest"
    raise ModuleNotFoundError(_MESSAGE, name="pytest") from error

from harness.testing.dataset_suite import DatasetSuite
from harness.testing.method_suite import MethodSuite
from harness.testing.model_suite import ModelSuite

__all__ = ["DatasetSuite", "MethodSuite", "ModelSuite"]
