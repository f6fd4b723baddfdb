import pytest
import torch

from bench_pruning.criteria.activation import Activation
from bench_pruning.descriptors.activation import ACTIVATION, ActivationOptions

MAPS = torch.tensor([[[0.0, 0, 3, 1], [0, 0, 0, 0.5]], [[2, 2, 0, 0], [0, 0, 0, 0]]])[:, :, None]


def measured(maps, **options):
    return Activation(options=ActivationOptions(**options)).measure(maps)


def test_the_mean_magnitude_of_each_image_is_added():
    assert measured(MAPS).tolist() == [2, 0.125]
    assert measured(-MAPS).tolist() == [2, 0.125], "activations that are not of a ReLU may be negative"


def test_apoz_is_the_share_of_zeros_behind_a_relu():
    """One minus (half, half; three quarters, all)."""
    assert measured(MAPS, variant="apoz").tolist() == [1, 0.25]
    zeros = (MAPS == 0).double().mean((2, 3)).sum(0)
    assert measured(MAPS, variant="apoz").tolist() == (2 - zeros).tolist()


def test_small_but_frequent_is_less_for_one_and_more_for_the_other():
    maps = torch.tensor([[[9.0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1]]])[:, :, None]
    mean, frequency = measured(maps), measured(maps, variant="apoz")
    assert mean.argmin() == 1
    assert frequency.argmin() == 0


@pytest.mark.parametrize(("variant", "expected"), [("mean", 3.0), ("apoz", 1.0)])
def test_scale(variant, expected):
    once, scaled = measured(MAPS, variant=variant), measured(3 * MAPS, variant=variant)
    torch.testing.assert_close(scaled, expected * once)


def test_it_needs_no_gradients():
    assert ACTIVATION.needs == {"weights", "forward", "samples"}
