"""Focal and dice loss, against the numbers of a closed-form example, finite differences and direct sums."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from bench_segmentation.descriptors import ResidualFCNOptions, UNetOptions
from bench_segmentation.losses.batch_dice import BatchDiceLoss
from bench_segmentation.losses.cross_entropy import ClassWeightedCrossEntropy
from bench_segmentation.losses.softmax_focal import SoftmaxFocalLoss
from bench_segmentation.models.residual_fcn import ResidualFCN
from bench_segmentation.models.unet import UNet
from harness.errors import UnsupportedOperationError

IGNORED = 255
WEIGHTS = (2.0, 1.0, 3.0)
LOSSES = [
    SoftmaxFocalLoss(),
    SoftmaxFocalLoss(gamma=0.5),
    BatchDiceLoss(),
    SoftmaxFocalLoss(class_weight=WEIGHTS),
    BatchDiceLoss(class_weight=WEIGHTS),
]


@pytest.fixture
def toy():
    """Four pixels of three classes: [1, 3, 4, 1] and [1, 4, 1]."""
    logits = torch.tensor([[2.0, 0, -1], [0, 1, 0], [-1, 0, 3], [0, 0, 0]], dtype=torch.float64)
    return logits.T.reshape(1, 3, 4, 1), torch.tensor([0, 1, 2, 0]).reshape(1, 4, 1)


def test_known_values(toy):
    focal, dice = SoftmaxFocalLoss()(*toy), BatchDiceLoss()(*toy)
    assert focal.item() == pytest.approx(0.147942, abs=5e-7)
    assert dice.item() == pytest.approx(0.240840, abs=5e-7)
    both = SoftmaxFocalLoss(loss_weight=1.0)(*toy) + BatchDiceLoss(loss_weight=0.5)(*toy)
    assert both.item() == pytest.approx(0.268362, abs=5e-7)


def test_focal_by_hand(toy):
    logits, label = toy
    right = logits.softmax(1)[0, label.flatten(), torch.arange(4), 0].tolist()
    expected = [0.25 * (1 - p) ** 3 * -math.log(p) for p in right]
    loss = SoftmaxFocalLoss(gamma=3.0, alpha=0.25)
    assert loss(logits, label, reduction_override="none").flatten().tolist() == pytest.approx(expected)
    assert loss(logits, label).item() == pytest.approx(sum(expected) / 4)


def test_focal_is_averaged_by_class_weights(toy):
    """Labels 0, 1, 2, 0 weigh 2, 1, 3, 2."""
    logits, label = toy
    e = math.e
    right = [e**2 / (e**2 + 1 + 1 / e), e / (e + 2), e**3 / (e**3 + 1 + 1 / e), 1 / 3]
    losses = [(1 - p) ** 2 * -math.log(p) for p in right]
    loss = SoftmaxFocalLoss(class_weight=(2.0, 1.0, 3.0))
    expected = (2 * losses[0] + 1 * losses[1] + 3 * losses[2] + 2 * losses[3]) / 8
    assert loss(logits, label).item() == pytest.approx(expected)
    of_pixels = [2 * losses[0], losses[1], 3 * losses[2], 2 * losses[3]]
    assert loss(logits, label, reduction_override="none").flatten().tolist() == pytest.approx(of_pixels)


def test_focal_with_class_weights_and_gamma_0_is_the_weighted_cross_entropy(toy):
    logits, label = toy
    marked = label.clone()
    marked[0, 3] = IGNORED
    focal = SoftmaxFocalLoss(gamma=0.0, class_weight=WEIGHTS)(logits, marked, ignore_index=IGNORED)
    expected = ClassWeightedCrossEntropy(class_weight=WEIGHTS)(logits, marked, ignore_index=IGNORED)
    assert focal.item() == pytest.approx(expected.item())


def test_dice_is_averaged_by_class_weights():
    """Two pixels of classes 0 and 1 with p = 1/3 each: 2/3 of p and 1 of g a class, d = (2/3 + 1) / (5/3 + 1) = 5/8.

    Class 2 does not occur: d = 1 / (2/3 + 1) = 3/5.
    """
    logits, label = torch.zeros(1, 3, 2, 1, dtype=torch.float64), torch.tensor([0, 1]).reshape(1, 2, 1)
    assert BatchDiceLoss()(logits, label).item() == pytest.approx((3 / 8 + 3 / 8 + 2 / 5) / 3)
    for scale in (1.0, 10.0):
        loss = BatchDiceLoss(class_weight=(1.0 * scale, 0.0, 3.0 * scale), loss_weight=2.0)
        assert loss(logits, label).item() == pytest.approx(2 * (1 * 3 / 8 + 3 * 2 / 5) / 4)


@pytest.mark.parametrize("kind", [SoftmaxFocalLoss, BatchDiceLoss])
def test_equal_class_weights_change_nothing(kind, toy):
    assert kind(class_weight=(0.5, 0.5, 0.5))(*toy).item() == pytest.approx(kind()(*toy).item())
    assert kind(class_weight=WEIGHTS)(*toy).item() != pytest.approx(kind()(*toy).item(), rel=1e-3)


def test_dice_sums_over_the_batch_and_not_over_each_image():
    logits = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = torch.tensor([0, 0, 1, 1, 2, 2, 0, 0, 1, 2, 0, 0]).reshape(3, 2, 2)  # no pixel of class 3
    terms = []
    for index in range(4):
        p, g = logits.softmax(1)[:, index], (label == index).double()
        terms.append((2 * (p * g).sum() + 1) / (p.sum() + g.sum() + 1))
    assert BatchDiceLoss()(logits, label).item() == pytest.approx(1 - float(sum(terms)) / 4)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss, toy):
    logits, label = toy
    label = label.clone()
    label[0, 1] = IGNORED
    assert torch.autograd.gradcheck(lambda given: loss(given, label, ignore_index=IGNORED), logits.requires_grad_())


@pytest.mark.parametrize("loss", LOSSES)
def test_an_ignored_pixel_is_as_if_it_were_not_there(loss, toy):
    logits, label = toy
    marked = label.clone()
    marked[0, 3] = IGNORED
    without = loss(logits[:, :, :3], label[:, :3])
    assert loss(logits, marked, ignore_index=IGNORED).item() == pytest.approx(without.item())
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64).reshape(1, 4, 1)
    weighted = loss(logits, label, weight=weight).item()
    # A weight of a pixel leaves what the mean over labelled pixels is divided by; dice has no such mean.
    share = 1.0 if isinstance(loss, BatchDiceLoss) else 0.75 if loss.class_weight is None else 6 / 8
    assert weighted == pytest.approx(without.item() * share)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_a_label_costs_nothing_and_moves_nothing(loss, toy):
    logits, label = toy
    logits = logits.clone().requires_grad_()
    value = loss(logits, torch.full_like(label, IGNORED), ignore_index=IGNORED)
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_pixel_that_is_certain_has_finite_gradients(gamma):
    logits = torch.tensor([200.0, 0.0]).reshape(1, 2, 1, 1).requires_grad_()
    SoftmaxFocalLoss(gamma=gamma)(logits, torch.zeros(1, 1, 1, dtype=torch.long)).backward()
    assert bool(torch.isfinite(logits.grad).all())


def test_dice_has_no_loss_of_a_pixel(toy):
    with pytest.raises(UnsupportedOperationError, match="whole batch"):
        BatchDiceLoss()(*toy, reduction_override="none")


@pytest.mark.parametrize(("network", "options"), [(ResidualFCN, ResidualFCNOptions), (UNet, UNetOptions)])
@pytest.mark.parametrize("name", ["focal", "dice", "focal_dice"])
def test_a_model_is_trained_with_the_loss_of_its_options(network, options, name, task, meta, batch):
    torch.manual_seed(0)
    chosen = options(base_channels=4, loss=name, focal_weight=0.75, focal_gamma=1.0, dice_weight=0.25)
    model = task.build(network(options=chosen).config(meta))
    logits, samples = [], model.data_preprocessor(batch, True)["data_samples"]
    resized = model.decode_head.loss_by_feat

    def watched(seg_logits, batch_data_samples):
        logits.append(seg_logits)
        return resized(seg_logits, batch_data_samples)

    model.decode_head.loss_by_feat = watched
    loss = task.loss(model, batch)
    assert meta.ignore_index == IGNORED
    label = torch.cat([sample.gt_sem_seg.data for sample in samples])
    full = torch.nn.functional.interpolate(logits[0], size=label.shape[1:], mode="bilinear")
    weights = meta.class_weights
    assert len(set(weights)) > 1
    focal = SoftmaxFocalLoss(gamma=1.0, loss_weight=0.75, class_weight=weights)(full, label, ignore_index=IGNORED)
    dice = BatchDiceLoss(loss_weight=0.25, class_weight=weights)(full, label, ignore_index=IGNORED)
    expected = {"focal": focal, "dice": dice, "focal_dice": focal + dice}[name]
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("name", ["focal", "dice", "focal_dice"])
def test_a_config_states_class_weights_only_where_there_are_any(name, meta):
    def losses(given):
        found = UNet(options=UNetOptions(loss=name)).config(given)["decode_head"]["loss_decode"]
        return found if isinstance(found, list) else [found]

    assert all("class_weight" not in loss for loss in losses(replace(meta, class_weights=())))
    assert all(loss["class_weight"] == list(meta.class_weights) for loss in losses(meta))


def test_cross_entropy_stays_the_default(meta):
    head = ResidualFCN(options=ResidualFCNOptions()).config(meta)["decode_head"]
    assert head["loss_decode"]["type"] == "ClassWeightedCrossEntropy"
    assert head["loss_decode"]["class_weight"] == (list(meta.class_weights) or None)
