import pytest
import torch

from bench_pruning.criteria.redundancy import edge_sum, redundancy_sum

X0 = [1.0, 1, 0, 0]
TOY = torch.tensor([[X0, [0, 0, 1, 1], [2, 2, 0, 0], [-1, -1, 0, 0], [1, 1, 1, 1]]], dtype=torch.float64)


def random_maps(seed=0, shape=(3, 7, 6, 5)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_redundancies_of_the_toy_maps():
    found = redundancy_sum(TOY.view(1, 5, 2, 2))
    assert found[0].tolist() == pytest.approx([0.5, 0, 0.5, -0.5, 0.25], abs=1e-4)
    assert found[4, 4].item() == pytest.approx(0.25, abs=1e-4)


def test_redundancy_follows_its_definition_pixel_by_pixel():
    maps = random_maps()
    expected = torch.zeros(7, 7, dtype=torch.float64)
    for image in maps:
        for i, one in enumerate(image):
            for j, other in enumerate(image):
                norms = (one.abs().sum() + 1e-5) * (other.abs().sum() + 1e-5)
                expected[i, j] += (one * other).sum() / norms
    torch.testing.assert_close(redundancy_sum(maps), expected, rtol=1e-10, atol=0)


def test_redundancy_is_symmetric_bounded_and_indifferent_to_the_scale_of_a_map():
    maps = random_maps(shape=(1, 7, 6, 5))
    found = redundancy_sum(maps)
    torch.testing.assert_close(found, found.T, rtol=0, atol=1e-15)
    assert found.abs().max() <= 1
    scales = torch.tensor([1, -3, 0.5, 20, -7, 2, 9], dtype=torch.float64)
    torch.testing.assert_close(redundancy_sum(maps * scales[:, None, None]).abs(), found.abs(), rtol=1e-5, atol=1e-9)


def test_the_diagonal_is_the_inverse_of_how_many_pixels_a_map_is_spread_over():
    maps = torch.zeros(1, 3, 4, 5)
    maps[0, 0] = 3
    maps[0, 1, 2, 2] = -4
    maps[0, 2, :2] = 1
    assert redundancy_sum(maps).diagonal().tolist() == pytest.approx([1 / 20, 1, 1 / 10], rel=1e-4)


def test_all_pixels_count_wherever_they_are():
    maps = random_maps(shape=(2, 5, 4, 4))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    shuffled = maps.flatten(2)[..., order].view_as(maps)
    torch.testing.assert_close(redundancy_sum(shuffled), redundancy_sum(maps))
    pooled = redundancy_sum(maps[:1].mean((2, 3), keepdim=True))
    signs = maps[0].mean((1, 2)).sign()
    torch.testing.assert_close(pooled, torch.outer(signs, signs), rtol=1e-3, atol=1e-3)


def test_sums_over_batches_are_those_of_all_images():
    maps = random_maps()
    for measure in (redundancy_sum, edge_sum):
        torch.testing.assert_close(measure(maps[:1]) + measure(maps[1:]), measure(maps), rtol=1e-12, atol=1e-15)
        assert measure(maps.float()).dtype == torch.float64
        torch.testing.assert_close(measure(maps.half()), measure(maps.half().float()), rtol=0, atol=0)


def test_redundancy_and_edges_follow_a_permutation_of_the_channels():
    maps, order = random_maps(), torch.tensor([3, 0, 6, 2, 1, 5, 4])
    torch.testing.assert_close(redundancy_sum(maps[:, order]), redundancy_sum(maps)[order][:, order])
    torch.testing.assert_close(edge_sum(maps[:, order]), edge_sum(maps)[order])


def step():
    maps = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    maps[..., 3:] = 1
    return maps


def test_zero_padding_makes_a_constant_map_more_detailed_than_a_step():
    assert edge_sum(torch.ones(1, 1, 6, 6), "zero").item() == pytest.approx(1.0065, abs=5e-5)
    assert edge_sum(step(), "zero").item() == pytest.approx(0.9907, abs=5e-5)


def test_continued_borders_are_no_edges():
    assert edge_sum(torch.full((1, 1, 6, 6), 5.0)).item() == 0
    # A magnitude of 2 in the two columns at the step: the deviation of (0, 0, 2, 2, 0, 0).
    assert edge_sum(step()).item() == pytest.approx((4 / 3 - 4 / 9) ** 0.5)
    torch.testing.assert_close(edge_sum(step().mT.contiguous()), edge_sum(step()))


def test_edges_grow_with_the_scale_and_need_two_axes():
    maps = random_maps()
    torch.testing.assert_close(edge_sum(-3 * maps), 3 * edge_sum(maps))
    assert edge_sum(maps.flatten(2)).tolist() == [0] * 7
