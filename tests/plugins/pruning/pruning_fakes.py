"""A task and a context without data, and small networks with the joins that pruning has to get right."""

import logging
import zlib
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from harness.engine.costs import count_macs
from harness.registry.context import Context
from harness.registry.dataset import DatasetMeta
from harness.registry.task import Task
from harness.spec.budget import TrainingBudget


class FakeTask(Task):
    """Calls the model; every tensor it returns is an output. A batch is the tensor of its images."""

    def setup(self):
        return ""

    def build(self, config):
        return config["factory"]()

    def forward(self, model, images):
        output = model(images)
        return list(output) if isinstance(output, (tuple, list)) else [output]

    def predict(self, model, images):
        return self.forward(model, images)[0]

    def loss(self, model, batch):
        return sum(output.square().mean() for output in self.forward(model, batch))

    def images(self, model, batch):
        return batch

    def class_maps(self, model, outputs):
        return [output for output in outputs if output.dim() > 1 and output.shape[1] > 1]

    def evaluator(self, meta):
        return {}

    def metrics(self, raw, meta):
        return dict(raw)


class MmsegTask(FakeTask):
    """All heads of an mmseg EncoderDecoder."""

    def forward(self, model, images):
        features = model.extract_feat(images)
        outputs = [model.decode_head(features)]
        if model.with_auxiliary_head:
            outputs.append(model.auxiliary_head(features))
        return outputs


class FakeContext(Context):
    """Noise images; a batch is one tensor."""

    def __init__(self, task=None, seed=0, size=(32, 32), ratio_of="channels"):
        self.task = task or FakeTask()
        self.meta = DatasetMeta(splits=("val",), input_size=size, mean=(0.0,) * 3, std=(1.0,) * 3)
        self.budget = TrainingBudget()
        self.seed = seed
        self.device = torch.device("cpu")
        self.protocol = "corrected"
        self.ratio_of = ratio_of
        self.logger = logging.getLogger("pruning-test")
        self.reports = []

    def generator(self, purpose=""):
        return torch.Generator().manual_seed(self.seed + zlib.crc32(purpose.encode()))

    def calibration_batches(self, samples=None):
        yield self.example_images(samples or 2)

    def loss(self, model, batch):
        return self.task.loss(model, batch)

    def train(self, model, budget, purpose, hooks=()):
        """Plain gradient descent; hooks see a runner that has what they may look at."""
        runner = SimpleNamespace(model=model.train(), optim_wrapper=SimpleNamespace())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for hook in hooks:
            hook.before_train(runner)
        for _ in range(budget.iterations):
            optimizer.zero_grad()
            self.loss(model, next(self.calibration_batches())).backward()
            optimizer.step()
        for hook in hooks:
            hook.after_train(runner)
        return budget.iterations

    def example_images(self, batch_size=1, size=None):
        height, width = size or self.meta.input_size
        return torch.randn(batch_size, 3, height, width, generator=self.generator("images"))

    def count_macs(self, model, images):
        return count_macs(model, self.task, images)

    def progress(self, done, total, text=""):
        self.reports.append((done, total, text))


def randomize(model, seed=0):
    """Gives normalisation statistics and shifts that make every leak visible."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)) and module.weight is not None:
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(0.2, 1.0, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model


def conv(inputs, outputs, kernel=3, **kwargs):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **kwargs)


class Chain(nn.Module):
    """conv - norm - relu - conv - norm - relu - classifier."""

    def __init__(self, width=8, classes=4):
        super().__init__()
        self.first = conv(3, width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = conv(width, width + 2)
        self.second_norm = nn.BatchNorm2d(width + 2)
        self.classifier = conv(width + 2, classes, 1)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.relu(self.second_norm(self.second(x)))
        return self.classifier(x)


class Residual(nn.Module):
    """Two blocks on one stream, with an auxiliary head on the first."""

    def __init__(self, width=8, classes=4):
        super().__init__()
        self.stem = conv(3, width)
        self.inner = conv(width, 6)
        self.outer = conv(6, width)
        self.norm = nn.BatchNorm2d(width)
        self.auxiliary_inner = conv(width, 5)
        self.auxiliary = conv(5, classes, 1)
        self.head = conv(width, classes, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = F.relu(self.norm(self.outer(F.relu(self.inner(x)))) + x)
        return [self.head(y), self.auxiliary(F.relu(self.auxiliary_inner(x)))]


class Concatenation(nn.Module):
    """Two branches and their input, concatenated, normalised and reduced."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 4)
        self.left = conv(4, 6)
        self.right = conv(4, 5)
        self.norm = nn.BatchNorm2d(15)
        self.reduce = conv(15, 7)
        self.head = conv(7, 2, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = torch.cat([self.left(x), F.interpolate(self.right(x), scale_factor=1.0), x], dim=1)
        return self.head(F.relu(self.reduce(F.relu(self.norm(x)))))


class Separable(nn.Module):
    """Pointwise, depthwise, squeeze-and-excitation, transposed convolution, PReLU."""

    def __init__(self, width=8):
        super().__init__()
        self.point = conv(3, width, 1)
        self.depth = conv(width, width, groups=width)
        self.activation = nn.PReLU(width)
        self.squeeze = nn.Linear(width, 6)
        self.excite = nn.Linear(6, width)
        self.up = nn.ConvTranspose2d(width, 5, 2, stride=2)
        self.up_norm = nn.InstanceNorm2d(5)
        self.head = conv(5, 2, 1)

    def forward(self, x):
        x = self.activation(self.depth(F.relu(self.point(x))))
        gate = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        x = x * self.excite(gate).sigmoid()[:, :, None, None]
        return self.head(F.relu(self.up_norm(self.up(x))))


class Swapped(nn.Module):
    """The halves of a layer's output change places."""

    def __init__(self):
        super().__init__()
        self.first = conv(3, 8)
        self.norm = nn.BatchNorm2d(8)
        self.second = conv(8, 6)
        self.head = conv(6, 2, 1)

    def forward(self, x):
        left, right = F.relu(self.norm(self.first(x))).chunk(2, dim=1)
        return self.head(F.relu(self.second(torch.cat([right, left], dim=1))))


def train_a_little(model, steps=3):
    """Moves all statistics and weights away from their initial values."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(3)
    for _ in range(steps):
        optimizer.zero_grad()
        FakeTask().loss(model, torch.randn(2, 3, 16, 16, generator=generator)).backward()
        optimizer.step()
    return model
