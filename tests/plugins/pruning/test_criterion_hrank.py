import pytest
import torch

from bench_pruning.criteria.hrank import HRank
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.hrank import HRANK


def measured(*maps):
    return HRank(options=PruningOptions()).measure(torch.stack(maps)[None, :, None])


def test_ranks_of_known_maps():
    ramp = torch.outer(torch.arange(1.0, 7), torch.arange(2.0, 8))
    step = torch.zeros(6, 6)
    step[:3, :3] = 1
    step[4:, 4:] = 2
    assert measured(ramp, torch.eye(6), step, torch.zeros(6, 6), torch.ones(6, 6)).tolist() == [1, 6, 2, 0, 1]


def test_wide_maps_have_at_most_as_many_as_their_shorter_side():
    generator = torch.Generator().manual_seed(0)
    assert measured(torch.randn(4, 9, generator=generator)).tolist() == [4]


@pytest.mark.parametrize("scale", [1e-3, -7.0, 1e4])
def test_scale_changes_nothing_and_an_activation_does(scale):
    generator = torch.Generator().manual_seed(1)
    plane = torch.outer(torch.randn(8, generator=generator), torch.randn(8, generator=generator))
    assert measured(scale * plane).tolist() == [1]
    assert measured(torch.relu(plane)).tolist() == [2], "the signs of a product make two blocks"


def test_images_are_added_and_tied_maps_averaged():
    one, other = torch.eye(4), torch.ones(4, 4)
    maps = torch.stack([torch.stack([one, other]), torch.stack([other, other])])  # [P, N, H, W]
    assert HRank(options=PruningOptions()).measure(maps.transpose(0, 1)[:, None]).tolist() == [(4 + 1) / 2 + 1]


def test_half_precision_is_widened():
    assert measured(torch.eye(5, dtype=torch.float16)).tolist() == [5]


def test_tokens_have_no_rank():
    assert HRank(options=PruningOptions()).measure(torch.ones(2, 3, 1, 9)) is None


def test_every_layer_loses_the_same_share_by_default():
    assert HRANK.options().allocation == "uniform"
