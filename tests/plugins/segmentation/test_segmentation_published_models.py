"""The models of published studies: exact sizes, configs, budgets."""

from importlib import import_module

import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from bench_segmentation import vss_model_descriptors as vss
from bench_segmentation import wildscenes_model_descriptors as wildscenes
from bench_segmentation.task import Segmentation
from harness.registry import DatasetMeta
from harness.spec.budget import TrainingBudget

# Without auxiliary heads, at 19, 12 and 17 classes.
COUNTS = (
    (vss.DEEPLABV3_RESNET50, {19: 39_638_355, 12: 39_636_556}),
    (vss.DEEPLABV3_RESNET101, {19: 58_630_483, 12: 58_628_684}),
    (vss.FCN_RESNET50, {19: 32_955_987, 12: 32_952_396}),
    (vss.FCN_RESNET101, {19: 51_948_115, 12: 51_944_524}),
    (vss.RESNET50_SEG, {19: 32_956_499, 12: 32_952_908}),
    (vss.RESNET101_SEG, {19: 51_948_627, 12: 51_945_036}),
    (vss.SIMPLE_SEGNET, {19: 7_089_683, 12: 7_089_228}),
    (vss.VSS_UNET, {19: 31_038_803, 12: 31_038_348}),
    (wildscenes.DEEPLABV3_R101_WILDSCENES, {17: 59_220_561}),
    (wildscenes.FCN_R50_WILDSCENES, {17: 32_954_961}),
    (wildscenes.UNET_WILDSCENES, {17: 28_949_713}),
)
NAMES = {descriptor.name: descriptor for descriptor, _ in COUNTS}
SMALL = {"base_channels": 2}


def meta(classes=3):
    return DatasetMeta(
        splits=("val",), input_size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3,
        classes=tuple(map(str, range(classes))), ignore_index=255,
    )  # fmt: skip


def config(descriptor, classes, **options):
    module, _, name = descriptor.implementation.partition(":")
    model = getattr(import_module(module), name)(options=descriptor.options(**options))
    return model.config(meta(classes))


def build(descriptor, classes=3, **options):
    return Segmentation().build(config(descriptor, classes, **options))


def sized(descriptor, classes, **options):
    """Returns the full network without memory or initialisation."""
    with DefaultScope.overwrite_default_scope(Segmentation().setup()), torch.device("meta"):
        return MODELS.build(config(descriptor, classes, **options))


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [(descriptor.name, classes, count) for descriptor, counts in COUNTS for classes, count in counts.items()],
)
def test_parameters_are_those_of_the_study(name, classes, count):
    assert parameters(sized(NAMES[name], classes)) == count


@pytest.mark.parametrize("name", NAMES)
def test_a_narrow_one_predicts(name):
    torch.manual_seed(0)
    model = build(NAMES[name], **SMALL).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        logits = Segmentation().predict(model, images)
    assert logits.shape == (2, 3, 32, 32)
    assert logits.std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_recommended_budgets_are_valid(name):
    training, recovery = (
        TrainingBudget.model_validate(budget) for budget in (NAMES[name].training, NAMES[name].recovery)
    )
    assert training.iterations > recovery.iterations > 1000
    assert training.batch_size == recovery.batch_size


def test_budgets_come_from_epochs_images_and_batch_size():
    assert vss.FCN_RESNET50.training["iterations"] == 100 * -(-2975 // 8)
    assert wildscenes.DEEPLABV3_R101_WILDSCENES.training["iterations"] == 60 * (6051 // 16)
    assert vss.SIMPLE_SEGNET.training["optimizer"]["lr"] == 0.1


def test_an_auxiliary_head_reads_the_third_stage_and_has_the_published_size():
    plain = sized(vss.DEEPLABV3_RESNET101, 21)
    model = sized(vss.DEEPLABV3_RESNET101, 21, aux_loss=True)
    assert parameters(model) - parameters(plain) == 2_365_205
    assert model.auxiliary_head.in_index == -2
    assert model.auxiliary_head.loss_decode.loss_weight == 0.4
    assert not plain.with_auxiliary_head


def test_options_reach_the_network_and_the_loss():
    model = build(vss.FCN_RESNET50, **SMALL, dropout=0.25, loss="dice")
    assert model.decode_head.classifier[3].p == 0.25
    assert type(model.decode_head.loss_decode).__name__ == "BatchDiceLoss"
    assert build(vss.SIMPLE_SEGNET, **SMALL, loss="focal").decode_head.loss_decode.gamma == 2.0
    assert build(wildscenes.UNET_WILDSCENES, **SMALL, dropout=0.0).backbone.downs[0][-1].p == 0.0


def test_wildscenes_models_have_the_losses_of_the_study():
    def weights(descriptor):
        losses = build(descriptor, **SMALL).decode_head.loss_decode
        return [(type(loss).__name__, loss.loss_weight) for loss in losses]

    assert weights(wildscenes.FCN_R50_WILDSCENES) == [("SoftmaxFocalLoss", 0.75), ("BatchDiceLoss", 0.25)]
    for descriptor in (wildscenes.DEEPLABV3_R101_WILDSCENES, wildscenes.UNET_WILDSCENES):
        assert weights(descriptor) == [("SoftmaxFocalLoss", 1.0), ("BatchDiceLoss", 0.5)]


def test_names_of_the_backbone_are_torchvisions():
    names = set(sized(vss.DEEPLABV3_RESNET50, 19).state_dict())
    assert {"backbone.conv1.weight", "backbone.layer4.2.bn3.weight"} <= names
    assert {"decode_head.classifier.0.convs.4.1.weight", "decode_head.classifier.4.bias"} <= names
