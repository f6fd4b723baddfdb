"""Our own models hold what we ask of others'."""

from harness.testing import ModelSuite


class _Small(ModelSuite):
    options = {"base_channels": 8}
    dataset_options = {"size": 32}


class TestResidualFCN(_Small):
    model = "residual_fcn"


class TestUNet(_Small):
    model = "unet"
