"""Every data set on disk holds what the engine asks of all data sets, on a generated copy."""

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.registry import discover, validate_options
from harness.testing import DatasetSuite


class OnDisk(DatasetSuite):
    """Writes the data set before it is looked at."""

    __test__ = False
    task = "segmentation"
    samples = 4
    written = {}

    @classmethod
    def setup_class(cls):
        cls._disk = TemporaryDirectory(prefix="bench-fixture-")
        plugin = discover().dataset("segmentation", cls.dataset)
        root = Path(cls._disk.name)
        plugin.descriptor.write_fixture(validate_options(plugin, cls.written), root, 5, 0, lambda done, total: None)
        cls.options = {**cls.written, **cls.options, "root": str(root)}
        super().setup_class()

    @classmethod
    def teardown_class(cls):
        super().teardown_class()
        cls._disk.cleanup()


class TestCityscapes(OnDisk):
    __test__ = True
    dataset = "cityscapes"
    options = {"height": 32, "width": 64}
    other_options = {"height": 48}


class TestCamVidWithIndexMaps(OnDisk):
    __test__ = True
    dataset = "camvid"
    options = {"height": 36, "width": 48, "evaluate_at": "label_size"}
    other_options = {"classes": 12}


class TestCamVidWithPaintedMaps(OnDisk):
    __test__ = True
    dataset = "camvid"
    written = {"layout": "rgb"}
    options = {"height": 36, "width": 48, "jitter": 0.5}
    other_options = {"jitter": 0.0}


class TestCamVidWithTwelveClasses(OnDisk):
    __test__ = True
    dataset = "camvid"
    options = {"height": 36, "width": 48, "classes": 12, "rotation": 20, "class_weights": [1.0] * 11 + [0.0]}
    other_options = {"classes": 11, "class_weights": "none"}
    ignored_class = "Unlabelled"


class TestWildScenes(OnDisk):
    __test__ = True
    dataset = "wildscenes"
    options = {"height": 32, "width": 32}
    other_options = {"labels": "seed"}


class TestWildScenesInTime(OnDisk):
    __test__ = True
    dataset = "wildscenes"
    options = {"height": 32, "width": 32, "labels": "seed", "split": "timestamp", "rotation_label": "class_0"}
    other_options = {"split": "seed_random"}


class TestVOC(OnDisk):
    __test__ = True
    dataset = "voc"
    options = {"height": 48, "width": 48, "crop_scale": [0.5, 2.0], "crop_class_limit": 0.75}
    other_options = {"crop_scale": [0.5, 1.0]}


class TestADE20K(OnDisk):
    __test__ = True
    dataset = "ade20k"
    options = {"height": 48, "width": 48, "vertical_flip": 0.5}
    other_options = {"flip": 0.0}
