"""Our own methods hold what we ask of others'."""

from harness.testing import MethodSuite


class _OnASmallModel(MethodSuite):
    model_options = {"base_channels": 8}
    dataset_options = {"size": 32}


class TestL1(_OnASmallModel):
    method = "l1"


class TestL2(_OnASmallModel):
    method = "l2"


class TestFPGM(_OnASmallModel):
    method = "fpgm"


class TestFPGMMix(_OnASmallModel):
    method = "fpgm(norm_ratio=0.3)"


class TestGlobalFPGMOnAUNet(_OnASmallModel):
    method = "fpgm(allocation=global;round_to=4;protect=decode_head)"
    model = "unet"


class TestRandom(_OnASmallModel):
    method = "random"


class TestUniform(_OnASmallModel):
    method = "uniform"


class TestGroupL1(_OnASmallModel):
    method = "group_l1"


class TestGroupL2(_OnASmallModel):
    method = "group_l2"


class TestTaylor(_OnASmallModel):
    method = "taylor"


class TestSlimming(_OnASmallModel):
    method = "slimming"


class TestSIRFP(_OnASmallModel):
    method = "sirfp"


class TestFGP(_OnASmallModel):
    method = "fgp"


class TestFGPThreshold(_OnASmallModel):
    method = "fgp_threshold(threshold=0.7;round_to=2)"


class TestActivation(_OnASmallModel):
    method = "activation"


class TestLAMP(_OnASmallModel):
    method = "lamp"


class TestHRank(_OnASmallModel):
    method = "hrank"


class TestCHIP(_OnASmallModel):
    method = "chip"


class TestGroupFisher(_OnASmallModel):
    method = "group_fisher(per_saving=macs)"


class TestDMCP(_OnASmallModel):
    method = "dmcp"


class TestDrawnDMCP(_OnASmallModel):
    method = "dmcp(sampling=direct;start=target;probability=exponential;narrow_targets=labels;round_to=2)"


class TestCompensatedL1(_OnASmallModel):
    method = "bench-pruning:l1(bias_compensation=true;recalibrate=4;steps=2)"


class TestFinetune(_OnASmallModel):
    method = "finetune"


class TestScratch(_OnASmallModel):
    method = "scratch"


class TestNone(_OnASmallModel):
    method = "none"
