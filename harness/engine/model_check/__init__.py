"""Whether compression works on a model, found out on the CPU and without training; see `bench check`."""

from harness.engine.model_check.model import check_model

__all__ = ["check_model"]
