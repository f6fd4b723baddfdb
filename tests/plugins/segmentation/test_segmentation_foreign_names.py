"""Checkpoints with the names of torchvision and of the VSS benchmark, made from plain modules that have these names."""

from importlib import import_module

import pytest
import torch
from torch import nn

from bench_segmentation import vss_model_descriptors as vss
from bench_segmentation import wildscenes_model_descriptors as wildscenes
from bench_segmentation.networks.classifiers import deeplab, deeplab_deep, fcn
from bench_segmentation.networks.resnet import ResNet
from harness.engine.foreign_names import under_own_names

WIDTH = 2
CLASSES = 11
IMAGES = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def double(inputs, outputs, bias):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias), nn.BatchNorm2d(outputs), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias), nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip


class Torchvision(nn.Module):
    """The names of torchvision's DeepLabV3 and FCN, auxiliary head included."""

    def __init__(self, head, factor, aux=True):
        super().__init__()
        self.backbone = ResNet(50, 8, WIDTH)
        self.classifier = head(32 * WIDTH, factor * WIDTH, CLASSES, 0.0)
        if aux:
            self.aux_classifier = fcn(16 * WIDTH, 4 * WIDTH, CLASSES, 0.0)

    def forward(self, images):
        return self.classifier(self.backbone(images)[-1])


class Wrapped(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.model = network

    def forward(self, images):
        return self.model(images)


class ResNetSeg(nn.Module):
    """The backbone's children without their names."""

    def __init__(self):
        super().__init__()
        self.backbone_net = nn.Sequential(*ResNet(50, 32, WIDTH).children())
        self.classifier = fcn(32 * WIDTH, 8 * WIDTH, CLASSES, 0.0)
        self.classifier[0] = nn.Conv2d(32 * WIDTH, 8 * WIDTH, 3, padding=1)

    def forward(self, images):
        return self.classifier(self.backbone_net(images))


class SegNet(nn.Module):
    def __init__(self):
        super().__init__()
        for stage, (inputs, outputs) in enumerate([(3, 1), (1, 2), (2, 4), (4, 8)], start=1):
            self.add_module(f"enc{stage}", double(inputs if stage == 1 else inputs * WIDTH, outputs * WIDTH, True))
        for stage, (inputs, outputs) in zip((4, 3, 2, 1), [(8, 4), (4, 2), (2, 1), (1, 1)], strict=True):
            self.add_module(f"dec{stage}", double(inputs * WIDTH, outputs * WIDTH, True))
        self.classifier = nn.Conv2d(WIDTH, CLASSES, 1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

    def forward(self, images):
        features, places = images, []
        for stage in (1, 2, 3, 4):
            features, indices = self.pool(self.get_submodule(f"enc{stage}")(features))
            places.append(indices)
        for stage in (4, 3, 2, 1):
            features = self.get_submodule(f"dec{stage}")(self.unpool(features, places[stage - 1]))
        return self.classifier(features)


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = double(inputs, outputs, False)

    def forward(self, features):
        return self.conv(features)


class UNet(nn.Module):
    """Transposed convolutions and merges in one list."""

    def __init__(self):
        super().__init__()
        self.ups, self.downs = nn.ModuleList(), nn.ModuleList()
        for inputs, outputs in [(3, 1 * WIDTH), (1 * WIDTH, 2 * WIDTH), (2 * WIDTH, 4 * WIDTH), (4 * WIDTH, 8 * WIDTH)]:
            self.downs.append(DoubleConv(inputs, outputs))
        for own in (8 * WIDTH, 4 * WIDTH, 2 * WIDTH, 1 * WIDTH):
            self.ups.append(nn.ConvTranspose2d(2 * own, own, 2, stride=2))
            self.ups.append(DoubleConv(2 * own, own))
        self.bottleneck = DoubleConv(8 * WIDTH, 16 * WIDTH)
        self.final_conv = nn.Conv2d(WIDTH, CLASSES, 1)

    def forward(self, images):
        features, skips = images, []
        for down in self.downs:
            skips.append(down(features))
            features = nn.functional.max_pool2d(skips[-1], 2)
        features = self.bottleneck(features)
        for step, skip in enumerate(reversed(skips)):
            features = self.ups[2 * step + 1](torch.cat([skip, self.ups[2 * step](features)], dim=1))
        return self.final_conv(features)


class Part(nn.Module):
    """A module with parts of given names, called in their order."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, features):
        for part in self.children():
            features = part(features)
        return features


class WildScenesUNet(nn.Module):
    """Two convolutions and dropout in modules of their own, resized bilinearly on the way up."""

    def __init__(self):
        super().__init__()
        widths = [WIDTH * 2**stage for stage in range(5)]
        self.encoder1 = self.block(3, WIDTH)
        for stage in range(1, 5):
            below = nn.Sequential(nn.MaxPool2d(2), self.block(widths[stage - 1], widths[stage]))
            self.add_module(f"encoder{stage + 1}", Part(maxpool_conv=below))
        for stage in (4, 3, 2, 1):
            own, below = widths[stage - 1], widths[stage]
            rise = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(below, own, 1)
            )
            self.add_module(f"upconv{stage}", Part(up=rise, conv=self.block(below, own)))
        self.final_conv = nn.Conv2d(WIDTH, CLASSES, 1)

    @staticmethod
    def block(inputs, outputs):
        return Part(double_conv=nn.Sequential(*double(inputs, outputs, False), nn.Dropout(0.2)))

    def forward(self, images):
        skips = [self.encoder1(images)]
        for stage in range(2, 6):
            skips.append(self.get_submodule(f"encoder{stage}")(skips[-1]))
        features = skips.pop()
        for stage in (4, 3, 2, 1):
            part = self.get_submodule(f"upconv{stage}")
            features = part.conv(torch.cat([skips.pop(), part.up(features)], dim=1))
        return self.final_conv(features)


CASES = {
    "deeplabv3_resnet50": (vss.DEEPLABV3_RESNET50, lambda: Torchvision(deeplab, 4)),
    "in a wrapper": (vss.DEEPLABV3_RESNET50, lambda: Wrapped(Torchvision(deeplab, 4, aux=False))),
    "fcn_resnet50": (vss.FCN_RESNET50, lambda: Torchvision(fcn, 8)),
    "fcn_r50_wildscenes": (wildscenes.FCN_R50_WILDSCENES, lambda: Torchvision(fcn, 8)),
    "resnet50_seg": (vss.RESNET50_SEG, ResNetSeg),
    "simple_segnet": (vss.SIMPLE_SEGNET, SegNet),
    "unet": (vss.VSS_UNET, UNet),
    "unet_wildscenes": (wildscenes.UNET_WILDSCENES, WildScenesUNet),
}


@pytest.fixture
def build(task, meta):
    def make(descriptor, **options):
        module, _, name = descriptor.implementation.partition(":")
        written = descriptor.options(base_channels=WIDTH, **options)
        return task.build(getattr(import_module(module), name)(options=written).config(meta))

    return make


def randomised(network):
    """Statistics and scales of their own, so that a layer in another one's place changes the result."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                low = 0.5 if name.endswith("running_var") else -0.5
                value.copy_(torch.rand(value.shape, generator=generator) + low)
    return network.eval()


@pytest.mark.parametrize("case", CASES)
def test_the_network_does_what_the_foreign_one_does(case, build):
    descriptor, make = CASES[case]
    foreign, own = randomised(make()), build(descriptor).eval()
    named = under_own_names(own.state_dict(), foreign.state_dict(), descriptor)
    own.load_state_dict(named.weights, strict=True)
    assert not (named.report.missing or named.report.unexpected or named.report.mismatched)
    assert named.report.renamed
    with torch.no_grad():
        torch.testing.assert_close(own(IMAGES, mode="tensor"), foreign(IMAGES), rtol=1e-4, atol=1e-4)


def test_an_auxiliary_head_is_loaded_where_there_is_one_and_left_out_where_there_is_none(build):
    descriptor, make = CASES["fcn_resnet50"]
    weights = randomised(make()).state_dict()
    theirs = [name for name in weights if name.startswith("aux_classifier.")]
    without = under_own_names(build(descriptor).state_dict(), weights, descriptor)
    assert list(without.report.left_out) == theirs
    network = build(descriptor, aux_loss=True)
    named = under_own_names(network.state_dict(), weights, descriptor)
    assert not named.report.left_out
    network.load_state_dict(named.weights, strict=True)
    assert torch.equal(network.auxiliary_head.classifier[4].bias, weights["aux_classifier.4.bias"])


def test_another_number_of_classes_is_told_by_both_shapes(build):
    descriptor, make = CASES["fcn_resnet50"]
    weights = randomised(make()).state_dict()
    weights["classifier.4.bias"] = torch.zeros(21)
    report = under_own_names(build(descriptor).state_dict(), weights, descriptor).report
    assert report.mismatched == ("decode_head.classifier.4.bias",)
    assert not (report.missing or report.unexpected)


def test_the_deeper_head_of_wildscenes_has_the_names_of_its_sequence(build, meta):
    descriptor = wildscenes.DEEPLABV3_R101_WILDSCENES
    own = build(descriptor).state_dict()
    head = deeplab_deep(32 * WIDTH, 4 * WIDTH, len(meta.classes), 0.0)
    foreign = {f"deeplabv3.classifier.{name}": value for name, value in head.state_dict().items()}
    foreign["deeplabv3.backbone.conv1.weight"] = own["backbone.conv1.weight"]
    report = under_own_names(own, foreign, descriptor).report
    assert {name.partition(".")[0] for name in report.missing} == {"backbone"}
    assert not (report.unexpected or report.mismatched)
    assert "deeplabv3.classifier.4.4.bias -> decode_head.classifier.4.4.bias" in report.renamed
