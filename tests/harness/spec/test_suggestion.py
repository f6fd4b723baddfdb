from harness.spec.suggestion import close_matches, did_you_mean


def test_close_matches_ignore_case_and_come_closest_first():
    assert close_matches("FPMG", ["fpgm", "l1", "random"]) == ["fpgm"]
    assert close_matches("resnet", ["ResNet5", "ResNet", "unet"])[0] == "ResNet"
    assert close_matches("zzz", ["fpgm"]) == []


def test_what_is_much_farther_than_the_closest_is_left_out():
    assert close_matches("rations", ["calibration", "ratios", "ratio_of"]) == ["ratios"]


def test_hints_list_what_there_is():
    assert did_you_mean("x", [], "available methods") == "available methods: none"
    assert did_you_mean("fpgn", ["l1", "fpgm"], "methods") == "did you mean 'fpgm'? methods: fpgm, l1"
    assert set(did_you_mean("fpgn", ["fpgo", "fpgm"], "m").split("?")[0].split()[3:]) == {
        "'fpgm'",
        "or",
        "'fpgo'",
    }
