"""A distribution whose plugins go wrong, each in its own way, as pip would have put it on the path."""

from pathlib import Path

METHODS = ("exits", "raises", "hangs", "not_finite", "allocates", "allocates_numpy", "terminates")
_MODELS = ("untraceable", "unprunable")
_DATASETS = ("cropped", "pictures")

_METHODS = '''
import os, resource, signal, time
import numpy as np
import torch
from bench_pruning.method import PruningMethod

def leave_little_memory():
    """What a process may map from now on: a little more than it has mapped."""
    with open("/proc/self/status") as status:
        size = next(int(line.split()[1]) for line in status if line.startswith("VmSize:"))
    resource.setrlimit(resource.RLIMIT_AS, ((size << 10) + (128 << 20), resource.RLIM_INFINITY))

class Exits(PruningMethod):
    def score(self, group, statistics):
        os._exit(7)

class Raises(PruningMethod):
    def score(self, group, statistics):
        raise ZeroDivisionError("by design")

class Hangs(PruningMethod):
    def score(self, group, statistics):
        time.sleep(1000)

class NotFinite(PruningMethod):
    def score(self, group, statistics):
        return torch.full((group.size,), float("nan"))

class Allocates(PruningMethod):
    def score(self, group, statistics):
        leave_little_memory()
        return torch.ones(1 << 30)[: group.size]

class AllocatesNumpy(PruningMethod):
    def score(self, group, statistics):
        leave_little_memory()
        return torch.from_numpy(np.ones(1 << 30))[: group.size]

class Terminates(PruningMethod):
    def score(self, group, statistics):
        with open(os.environ["FAULTY_LEDGER"], "a") as ledger:
            ledger.write("try ")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
'''

_NETWORKS = '''
import torch
from torch import nn
from mmengine.model import BaseModule
from bench_segmentation.models.components import cross_entropy, data_preprocessor, ignore_index
from harness.registry.model import Model

class Pairs(BaseModule):
    """Mixes the two halves of a batch while it trains, which a trace with one image has not."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
    def forward(self, images):
        features = self.conv(images)
        if self.training:
            first, second = features.chunk(2)
            features = torch.cat([(first + second) / 2, second])
        return [features]

class Sums(BaseModule):
    """Sums over channels, so that each depends on all before it."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
    def forward(self, images):
        return [self.conv(images).cumsum(1)]

class _Network(Model):
    backbone = ""
    def config(self, meta):
        return {
            "type": "EncoderDecoder",
            "data_preprocessor": data_preprocessor(meta),
            "backbone": {"type": self.backbone},
            "decode_head": {
                "type": "FCNHead", "in_channels": 8, "in_index": 0, "channels": 8, "num_convs": 0,
                "concat_input": False, "dropout_ratio": 0.0, "num_classes": len(meta.classes),
                "ignore_index": ignore_index(meta), "loss_decode": cross_entropy(meta),
            },
            "train_cfg": {},
            "test_cfg": {"mode": "whole"},
        }

class Untraceable(_Network):
    backbone = "faulty.networks.Pairs"

class Unprunable(_Network):
    backbone = "faulty.networks.Sums"
'''

_DATA = '''
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from bench_segmentation.digit_scenes import DigitScenes
from bench_segmentation.digits import Digits
from harness.registry.dataset import Dataset, DatasetMeta

class CroppedScenes(DigitScenes):
    """Label maps two rows short."""
    def __getitem__(self, index):
        sample = super().__getitem__(index)
        known = sample["data_samples"]
        labels = PixelData(data=known.gt_sem_seg.data[:, 2:])
        return {**sample, "data_samples": SegDataSample(gt_sem_seg=labels, metainfo=known.metainfo)}

class Cropped(Digits):
    def loader(self, request):
        config = super().loader(request)
        return {**config, "dataset": {**config["dataset"], "type": "faulty.data.CroppedScenes"}}

class Pictures(Dataset):
    """Images and label maps in files, read by mmseg."""
    def meta(self):
        return DatasetMeta(
            splits=("train", "val"), input_size=(32, 32), mean=(127.0,) * 3, std=(60.0,) * 3,
            classes=("background", "thing"), palette=((0, 0, 0), (255, 255, 255)), ignore_index=255,
        )
    def loader(self, request):
        return {
            "batch_size": request.batch_size,
            "num_workers": request.workers,
            "sampler": {"type": "InfiniteSampler" if request.shuffle else "DefaultSampler", "shuffle": False},
            "dataset": {
                "type": "mmseg.BaseSegDataset", "data_root": self.options.root, "img_suffix": ".png",
                "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
                "metainfo": {"classes": self.meta().classes, "palette": self.meta().palette},
                "pipeline": [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}],
            },
        }
'''

_DESCRIPTORS = """
from bench_pruning.descriptors import pruning_method
from bench_segmentation.descriptors import DigitsDescriptor, DigitsOptions
from harness.registry.descriptors import DatasetDescriptor, ModelDescriptor, Options

class PicturesOptions(Options):
    root: str

class PicturesDescriptor(DatasetDescriptor):
    def fingerprint(self, options):
        return "pictures"

def _method(name):
    return pruning_method(name=name, summary="x", implementation=f"faulty.methods:{name.title().replace('_', '')}")

def _model(name):
    return ModelDescriptor(
        name=name, summary="x", implementation=f"faulty.networks:{name.title()}", task="segmentation"
    )

CROPPED = DigitsDescriptor(
    name="cropped", summary="x", implementation="faulty.data:Cropped", task="segmentation", options=DigitsOptions
)
PICTURES = PicturesDescriptor(
    name="pictures", summary="x", implementation="faulty.data:Pictures", task="segmentation", options=PicturesOptions
)
"""


def install(site: Path) -> Path:
    """Puts the distribution into a folder for the path; returns the folder."""
    package, info = site / "faulty", site / "faulty-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    descriptors = _DESCRIPTORS
    descriptors += "".join(f'{name.upper()} = _method("{name}")\n' for name in METHODS)
    descriptors += "".join(f'{name.upper()} = _model("{name}")\n' for name in _MODELS)
    texts = {
        "__init__": "", "methods": _METHODS, "networks": _NETWORKS, "data": _DATA, "descriptors": descriptors
    }  # fmt: skip
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    groups = {
        "methods": {name: name for name in METHODS},
        "models": {f"segmentation.{name}": name for name in _MODELS},
        "datasets": {f"segmentation.{name}": name for name in _DATASETS},
    }
    lines = []
    for group, entries in groups.items():
        lines.append(f"[bench.{group}]")
        lines += [f"{key} = faulty.descriptors:{name.upper()}" for key, name in entries.items()]
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site
