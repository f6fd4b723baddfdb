import pytest
import torch

from bench_pruning.criteria.support import class_support, class_targets, kept_prefix, shares, tail_shares

FEATURES = torch.tensor([[[1.0, 2], [3, 0], [1, 1]]], dtype=torch.float64)
GRADIENTS = [
    torch.tensor([[[1, 0], [-1, 1], [0.5, 0.5]]], dtype=torch.float64),
    torch.tensor([[[0, 1], [1, 0], [-1, -1]]], dtype=torch.float64),
]


def toy(weighting="pixel"):
    return torch.stack([class_support(FEATURES, gradients, weighting)[0] for gradients in GRADIENTS])


def test_the_toy_of_two_classes():
    scores = toy()
    assert scores.tolist() == [[0.5, 0, 0.5], [1, 1.5, 0]]
    support = scores.mean(0)
    assert support.tolist() == [0.75, 0.75, 0.25]
    assert shares(support).tolist() == pytest.approx([0.4286, 0.4286, 0.1429], abs=5e-5)
    assert kept_prefix(support, 0.8).tolist() == [0, 1]


def test_mean_weights_are_those_of_grad_cam():
    # mean(G) is .5, 0, .5 for the first class and .5, .5, -1 for the second.
    assert toy("mean").tolist() == [[0.75, 0, 0.5], [0.75, 0.75, 0]]
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    gradients = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    expected = (gradients.mean((2, 3), keepdim=True) * maps).relu().mean((2, 3)).double()
    torch.testing.assert_close(class_support(maps, gradients, "mean"), expected)


def test_support_multiplies_before_it_averages():
    maps = torch.tensor([[[1.0, -1.0]]])
    assert class_support(maps, maps).item() == 1
    assert class_support(maps, -maps).item() == 0
    assert class_support(maps, maps, "mean").item() == 0


def test_support_follows_a_permutation_and_the_scale_of_channels():
    maps, gradients = (torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    found = class_support(maps, gradients)
    assert torch.equal(class_support(maps[:, order], gradients[:, order]), found[:, order])
    torch.testing.assert_close(class_support(maps, 3 * gradients), 3 * found)
    torch.testing.assert_close(class_support(4 * maps, gradients / 4), found)


def test_targets_add_each_classs_logits_where_it_is_predicted():
    logits = torch.tensor([[[[3.0, 1], [2, 0]], [[1, 5], [0, 4]], [[0, 0], [0, 0]]]], requires_grad=True)
    targets = class_targets(logits)
    assert [value.item() for value in targets] == [5, 9]
    (gradient,) = torch.autograd.grad(targets[1], logits)
    assert gradient[0].tolist() == [[[0, 0], [0, 0]], [[0, 1], [0, 1]], [[0, 0], [0, 0]]]


def test_a_single_logit_counts_everywhere():
    targets = class_targets(torch.tensor([[[[3.0, -1], [2, 0]]]]))
    assert [value.item() for value in targets] == [4]


def test_there_are_as_many_targets_as_one_image_has_classes():
    # Images of the classes 0 and 2, of 1 alone, and of 3 and 1.
    predicted = torch.tensor([[0, 2], [1, 1], [3, 1]])
    logits = torch.nn.functional.one_hot(predicted, 4).movedim(-1, 1).double().requires_grad_()
    targets = class_targets(logits)
    assert [value.item() for value in targets] == [4, 2]
    first, second = (torch.autograd.grad(target, logits, retain_graph=True)[0].nonzero() for target in targets)
    assert first[:, :2].tolist() == [[0, 0], [1, 1], [1, 1], [2, 1]]
    assert second[:, :2].tolist() == [[0, 2], [2, 3]]


def test_thresholds_from_everything_that_is_supported_to_one_channel():
    support = torch.tensor([0.0, 5, 1e-30, 3, 2])
    assert kept_prefix(support, 1.0).tolist() == [1, 2, 3, 4]
    assert kept_prefix(support, 1e-30).tolist() == [1]
    assert kept_prefix(support, 0.5).tolist() == [1]
    assert kept_prefix(support, 0.51).tolist() == [1, 3]
    assert kept_prefix(support, 0.8).tolist() == [1, 3]
    assert kept_prefix(100 * support, 0.81).tolist() == [1, 3, 4]


def definition(support, threshold):
    """The paper's rule in exact fractions of integers: sort, and add until the share is reached."""
    total, reached, kept = sum(support), 0, []
    for channel in sorted(range(len(support)), key=lambda c: (support[c], c), reverse=True):
        if kept and reached >= threshold * total / 100:
            break
        kept.append(channel)
        reached += support[channel]
    return sorted(kept)


@pytest.mark.parametrize("threshold", [1, 10, 25, 50, 80, 90, 99])
def test_the_prefix_is_the_smallest_that_reaches_the_threshold(threshold):
    generator = torch.Generator().manual_seed(threshold)
    for _ in range(30):
        support = torch.randint(0, 9, (7,), generator=generator)
        support[0] += 1
        assert kept_prefix(support.double(), threshold / 100).tolist() == definition(support.tolist(), threshold)


def test_tail_shares_rank_as_support_does_and_break_ties_by_the_index():
    assert tail_shares(torch.tensor([4.0, 1, 4, 1])).tolist() == pytest.approx([0.6, 0.1, 1, 0.2])
    support = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert tail_shares(support).argsort().tolist() == support.argsort().tolist()


def test_nothing_is_worth_less_where_nothing_is_supported():
    nothing = torch.zeros(4)
    assert shares(nothing).tolist() == [0] * 4
    assert tail_shares(nothing).tolist() == [1] * 4
    assert kept_prefix(nothing, 0.5).tolist() == [0, 1, 2, 3]
