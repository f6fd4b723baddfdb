import pytest
import torch

from bench_pruning.criteria.chip import CHIP
from bench_pruning.descriptors import PruningOptions


def measured(maps):
    return CHIP(options=PruningOptions()).measure(maps).tolist()


def test_the_toys_of_the_definition():
    diagonal = torch.diag(torch.tensor([3.0, 4.0])).view(1, 2, 1, 1, 2)
    assert measured(diagonal) == pytest.approx([3, 4])
    equal = torch.tensor([[1.0, 0], [1, 0]]).view(1, 2, 1, 2, 1)
    assert measured(equal) == pytest.approx([0.41421356] * 2)
    assert measured(torch.cat([equal.view(1, 2, 1, 1, 2), diagonal])) == pytest.approx([3.41421356, 4.41421356])


def test_a_map_that_repeats_others_goes_before_a_small_one_that_does_not():
    maps = torch.zeros(1, 4, 1, 2, 2)
    maps[0, :3, 0, 0, 0] = 1
    maps[0, 3, 0, 1, 1] = 0.4
    scores = measured(maps)
    assert scores == pytest.approx([3**0.5 - 2**0.5] * 3 + [0.4])


def test_pixels_of_tied_channels_stand_side_by_side():
    """Channel 0 has the maps (3, 0) and (0, 0), channel 1 (0, 0) and (4, 0): orthogonal rows."""
    maps = torch.zeros(1, 2, 2, 1, 2)
    maps[0, 0, 0, 0, 0], maps[0, 1, 1, 0, 0] = 3, 4
    assert measured(maps) == pytest.approx([3, 4])
