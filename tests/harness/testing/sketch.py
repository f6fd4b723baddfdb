"""The tiny task at work: a network of two layers, and dots on paper."""

import random
import time

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import nn
from torch.nn import functional

from harness.registry import Dataset, DatasetMeta, Model, Task

SIDE, WIDTH = 8, 10
COUNTS = {"train": 40, "val": 20, "test": 20}


class Network(BaseModel):
    def __init__(self, classes, wrong):
        super().__init__()
        self.wrong = wrong
        self.hidden = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.head = nn.Conv2d(WIDTH, classes, 3, padding=1)
        self.scale = 1.0
        if wrong == "unused":
            self.spare = nn.Parameter(torch.zeros(1))
        if wrong == "own seed":
            self.hidden.weight.data += random.SystemRandom().random()
        if wrong == "no seed":
            for parameter in self.parameters():
                nn.init.constant_(parameter, 0.01)
        if wrong == "not stored":
            self.scale = 1 + float(torch.rand(()))

    def logits(self, images):
        if self.wrong == "slow":
            time.sleep(0.1)
        logits = self.head(functional.relu(self.hidden(images))) * self.scale
        return logits[:, :, ::2, ::2] if self.wrong == "half" else logits

    def forward(self, inputs, data_samples=None, mode="tensor"):
        logits = self.logits(torch.stack([image / 255 for image in inputs]))
        labels = torch.stack([sample.label for sample in data_samples])
        return {"loss": functional.cross_entropy(functional.interpolate(logits, labels.shape[1:]), labels)}


class Sketch(Task):
    def setup(self):
        return "mmengine"

    def build(self, config):
        return Network(config["classes"], config["wrong"])

    def forward(self, model, images):
        return [] if model.wrong == "headless" else [model.logits(images)]

    def predict(self, model, images):
        return model.logits(images)

    def loss(self, model, batch):
        return model(**batch, mode="loss")["loss"]

    def evaluator(self, meta):
        raise NotImplementedError

    def metrics(self, raw, meta):
        raise NotImplementedError


class Net(Model):
    def config(self, meta):
        sides = (1, 2) if self.options.wrong == "tuple" else [1, 2]
        return {"classes": len(meta.classes), "wrong": self.options.wrong, "sides": sides}


class Dots(torch.utils.data.Dataset):
    def __init__(self, split, wrong):
        self.start = {"train": 0, "val": 100, "test": 0 if wrong == "overlap" else 200}[split]
        self.length = COUNTS[split]
        self.wrong = wrong
        if wrong == "lambda":
            self.change = lambda image: image

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not 0 <= index < self.length:
            raise IndexError(index)
        if self.wrong == "slow sample":
            time.sleep(0.02)
        generator = torch.Generator().manual_seed(self.start + index)
        channels = 1 if self.wrong == "grey" else 3
        image = torch.randint(256, (channels, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        return {"inputs": image.float(), "data_samples": BaseDataElement(label=image[0].long() % 3)}


FACTS = {
    "std": {"std": (1.0, 0.0, 1.0)},
    "mean": {"mean": (0.0, 0.0, 300.0)},
    "size": {"input_size": (0, SIDE)},
    "classes": {"classes": ("a", "b", "b")},
    "palette": {"palette": ((0, 0, 0),)},
    "colour": {"palette": ((0, 0, 0), (1, 1, 1), (2, 2, 256))},
    "weights": {"class_weights": (1.0, 1.0, -1.0)},
    "ignored": {"ignore_index": 2},
    "hidden split": {"splits": ("train", "test")},
}


class DotsOnPaper(Dataset):
    def meta(self):
        facts = {
            "splits": ("train", "val", "test"), "input_size": (SIDE, SIDE), "mean": (0.0, 0.0, 0.0),
            "std": (255.0, 255.0, 255.0), "classes": ("a", "b", "c"),
        }  # fmt: skip
        return DatasetMeta(**{**facts, **FACTS.get(self.options.wrong, {})})

    def loader(self, request):
        wrong = self.options.wrong
        dots = Dots(request.split, wrong)
        seed = {"own seed": None, "one seed": 0}.get(wrong, request.seed)
        if request.shuffle:
            sampler = {"type": "InfiniteSampler", "shuffle": True, "seed": seed}
        else:
            sampler = {"type": "DefaultSampler", "shuffle": False}
            if request.samples and wrong != "endless":
                dots.length = min(dots.length, request.samples)
        size = 1 if wrong == "single" else request.batch_size
        return {"dataset": dots, "batch_size": size, "num_workers": 0, "sampler": sampler}
