import pytest
import torch

from bench_pruning.criteria.independence import independence


def by_definition(rows):
    whole = torch.linalg.matrix_norm(rows, "nuc")
    without = []
    for channel in range(len(rows)):
        left = rows.clone()
        left[channel] = 0
        without.append(torch.linalg.matrix_norm(left, "nuc"))
    return whole - torch.stack(without)


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_orthogonal_rows_are_worth_their_length():
    torch.testing.assert_close(independence(torch.diag(torch.tensor([3.0, 4.0]))).float(), torch.tensor([3.0, 4.0]))


def test_two_equal_rows_share_what_they_are_worth():
    assert independence(torch.tensor([[1.0, 0], [1, 0]])).tolist() == pytest.approx([2**0.5 - 1] * 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (8, 50), (30, 12), (16, 16)])
def test_the_integral_is_what_singular_values_say(shape):
    rows = random(*shape)
    torch.testing.assert_close(independence(rows), by_definition(rows), rtol=1e-7, atol=1e-8)


def test_rows_that_are_zero_equal_dependent_tiny_or_huge():
    rows = random(12, 20)
    rows[1], rows[2], rows[3] = 0, rows[4], rows[5] + rows[6]
    rows[7] *= 1e-4
    rows[8] *= 100
    torch.testing.assert_close(independence(rows), by_definition(rows), rtol=1e-6, atol=1e-6)
    assert float(independence(rows)[1]) == pytest.approx(0, abs=1e-6)


def test_maps_that_are_all_zero_are_worth_nothing():
    assert independence(torch.zeros(3, 5)).abs().tolist() == [0] * 3


def test_scale_rotation_and_order():
    rows = random(9, 15)
    found = independence(rows)
    torch.testing.assert_close(independence(-1000 * rows), 1000 * found)
    turned, _ = torch.linalg.qr(random(15, 15, seed=1))
    torch.testing.assert_close(independence(rows @ turned), found)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(independence(rows[order]), found[order])


def test_images_are_independent_of_each_other():
    images = random(3, 6, 10)
    torch.testing.assert_close(independence(images), torch.stack([independence(image) for image in images]))
