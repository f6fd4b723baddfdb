"""Narrow ones of the models of published studies; the full ones have the same structure."""

from harness.testing import ModelSuite


class _Narrow(ModelSuite):
    options = {"base_channels": 4}
    dataset_options = {"size": 32}


class TestSimpleSegNet(_Narrow):
    model = "simple_segnet"


class TestVSSUNet(_Narrow):
    model = "vss_unet"


class TestUNetWildScenes(_Narrow):
    model = "unet_wildscenes"


class TestDeepLabV3(_Narrow):
    model = "deeplabv3_resnet50"


class TestFCNWithAuxiliaryLoss(_Narrow):
    model = "fcn_resnet50"
    options = {"base_channels": 4, "aux_loss": True}
