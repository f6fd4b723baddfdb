"""Our own data sets hold what we ask of others'."""

from harness.testing import DatasetSuite


class TestDigits(DatasetSuite):
    dataset = "digits"
    options = {"size": 32}
    other_options = {"scene_seed": 1}


class TestDigitsOfAnotherSeed(DatasetSuite):
    dataset = "digits"
    options = {"size": 32, "scene_seed": 7, "test": 3}
    other_options = {"size": 48}
