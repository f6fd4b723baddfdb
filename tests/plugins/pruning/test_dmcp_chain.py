"""Markov chains over widths: the toy numbers of the definition, their limits and draws."""

import itertools

import pytest
import torch

from bench_pruning.dmcp.chain import Chain, keep_probabilities, split, wider

SMALL = Chain((2, 4, 6, 8))
"""K = 3 groups of two channels behind the two that always stay."""


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def enumerated(chain, transitions):
    """Returns the probability of each width, by going through all outcomes of all transitions."""
    found = dict.fromkeys(chain.widths, 0.0)
    for outcome in itertools.product((True, False), repeat=len(chain)):
        probability = 1.0
        for stays, transition in zip(outcome, transitions, strict=True):
            probability *= transition if stays else 1 - transition
        width = chain.widths[next((k for k, stays in enumerate(outcome) if not stays), len(chain))]
        found[width] += probability
    return found


def test_expected_width_at_one_half():
    """alpha = 0: P = 1/2, 1/4, 1/8 and E = 2 + 2 (1/2 + 1/4 + 1/8) = 3.75, the mean of the exact distribution."""
    alpha = double(0, 0, 0)
    assert SMALL.expected_width(alpha).item() == 3.75
    exact = enumerated(SMALL, [0.5] * 3)
    assert exact == {2: 0.5, 4: 0.25, 6: 0.125, 8: 0.125}
    assert sum(width * probability for width, probability in exact.items()) == 3.75


def test_expected_width_and_its_gradient():
    alpha = double(2, 0, -2).requires_grad_()
    mean = SMALL.expected_width(alpha)
    mean.backward()
    assert mean.item() == pytest.approx(4.747385, abs=1e-6)
    torch.testing.assert_close(alpha.grad, double(0.3275, 0.4929, 0.0925), atol=5e-5, rtol=0)


@pytest.mark.parametrize("form", ["sigmoid", "exponential"])
def test_draws_have_the_distribution_of_the_chain(form):
    """Monte Carlo: 4,000 draws; each frequency is within four standard errors of the exact probability."""
    alpha, generator = double(2, 0.3, -0.5), torch.Generator().manual_seed(0)
    transitions = (torch.sigmoid(alpha) if form == "sigmoid" else torch.exp(-alpha.clamp(min=0))).tolist()
    drawn = [SMALL.draw(alpha, generator, form) for _ in range(4000)]
    for width, probability in enumerated(SMALL, transitions).items():
        error = (probability * (1 - probability) / len(drawn)) ** 0.5
        assert abs(drawn.count(width) / len(drawn) - probability) <= 4 * error, width
    mean = SMALL.expected_width(alpha, form).item()
    assert sum(drawn) / len(drawn) == pytest.approx(mean, abs=4 * 3 / len(drawn) ** 0.5)


def test_probabilities_fall_along_the_chain_and_grow_with_every_parameter():
    generator = torch.Generator().manual_seed(1)
    alpha = torch.randn(9, generator=generator, dtype=torch.float64) * 2
    chain = Chain.over(40, 10, 1)
    kept = keep_probabilities(alpha)
    assert bool((kept[1:] <= kept[:-1]).all())
    before = chain.expected_width(alpha)
    for position in range(len(alpha)):
        more = alpha.clone()
        more[position] += 0.5
        assert chain.expected_width(more) > before


@pytest.mark.parametrize("form", ["sigmoid", "exponential"])
def test_limits_are_the_whole_and_the_narrowest_layer(form):
    chain, alpha = Chain.over(30, 10, 1), torch.zeros(9, dtype=torch.float64)
    assert chain.expected_width(wider(alpha, 60, form), form).item() == 30
    assert chain.expected_width(wider(alpha, -60, form), form).item() == pytest.approx(3, abs=1e-9)
    assert torch.equal(chain.gates(wider(alpha, 60, form), form), torch.ones(30, dtype=torch.float64))


def test_the_exponential_form_has_no_gradient_below_zero():
    alpha = double(-1.0, 0.5).requires_grad_()
    Chain((1, 2, 3)).expected_width(alpha, "exponential").backward()
    assert alpha.grad[0] == 0
    assert alpha.grad[1] < 0


def test_the_forms_start_differently():
    """At alpha = 0 the sigmoid is 1/2, near the narrowest network; the exponential is 1, the whole network."""
    alpha = double(0, 0, 0).requires_grad_()
    assert SMALL.expected_width(alpha.detach(), "exponential").item() == 8
    SMALL.expected_width(alpha, "exponential").backward()
    assert alpha.grad.tolist() == [-6, -4, -2], "the gradient of the clamp at exactly 0 is 1"


def test_gates_are_the_probability_of_each_channel():
    alpha = double(2, 0, -2)
    p = torch.sigmoid(alpha)
    expected = torch.stack([p[0] / p[0], p[0] / p[0], p[0], p[0], p[0] * p[1], p[0] * p[1], p.prod(), p.prod()])
    torch.testing.assert_close(SMALL.gates(alpha), expected)
    assert SMALL.gates(alpha).sum().item() == pytest.approx(SMALL.expected_width(alpha).item())


@pytest.mark.parametrize(
    ("size", "steps", "fewest", "widths"),
    [
        (100, 10, 1, tuple(range(10, 101, 10))),
        (16, 10, 1, (2, 3, 5, 6, 8, 10, 11, 13, 14, 16)),
        (3, 10, 1, (1, 2, 3)),
        (20, 4, 12, (12, 15, 20)),
        (1, 10, 1, (1,)),
        (8, 2, 8, (8,)),
    ],
)
def test_widths_are_equal_parts_of_the_layer(size, steps, fewest, widths):
    assert Chain.over(size, steps, fewest).widths == widths


def test_uniform_draws_reach_every_width():
    generator = torch.Generator().manual_seed(0)
    drawn = [SMALL.draw_uniformly(generator) for _ in range(2000)]
    assert {width: pytest.approx(500, abs=80) for width in SMALL.widths} == {w: drawn.count(w) for w in SMALL.widths}


def test_parameters_are_split_by_chain():
    first, second = split(double(1, 2, 3, 4), [Chain((1, 2)), SMALL])
    assert (first.tolist(), second.tolist()) == ([1.0], [2.0, 3.0, 4.0])
