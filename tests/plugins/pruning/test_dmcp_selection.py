"""From chains to networks: expected widths on the target, and widths that are drawn."""

import pytest
import torch

from bench_pruning.channels.costs import CostModel, CostTerm, Width, width_costs
from bench_pruning.demand import Demand
from bench_pruning.descriptors.dmcp import DMCPOptions
from bench_pruning.dmcp.chain import Chain
from bench_pruning.dmcp.selection import Found, drawn_network, expected_network, fitted

SIZES = {"a": 160, "b": 240, "c": 400}


def demand(of="macs"):
    """A chain of layers a, b, c: three inputs, a classifier of two."""
    links = [(Width(3), _all("a")), (_all("a"), _all("b")), (_all("b"), _all("c")), (_all("c"), Width(2))]
    macs = CostModel(tuple(CostTerm(9, widths) for widths in links))
    return Demand(of=of, sizes=SIZES, costs={"macs": macs, "channels": width_costs(dict.fromkeys(SIZES, 1))})


def _all(name):
    return Width(0, ((name, 1),))


def found(alpha=None, of="macs", form="sigmoid", **options):
    chosen = DMCPOptions(**options)
    chains = {name: Chain.over(size, 10, 1) for name, size in SIZES.items()}
    values = alpha or {name: torch.zeros(len(chain), dtype=torch.float64) for name, chain in chains.items()}
    return Found(chains=chains, alpha=values, form=form, options=chosen, demand=demand(of))


def random_alpha(seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(9, generator=generator, dtype=torch.float64) for name in SIZES}


@pytest.mark.parametrize("form", ["sigmoid", "exponential"])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("of", ["macs", "channels"])
def test_the_expected_network_meets_the_target(form, ratio, of):
    """Every chain is moved by one number; then single channels close the gap."""
    for seed in range(3):
        searched = found(random_alpha(seed), of, form)
        chosen = expected_network(searched.moved(fitted(searched, ratio)), ratio, exactly=True)
        assert not chosen.target.missed, (seed, chosen.target)


def test_a_network_that_meets_the_target_is_hardly_moved():
    """The widths of the search are kept: the expected network of the target's own cost has the same widths."""
    searched = found(random_alpha(4))
    cost = searched.cost(searched.widths())
    ratio = 1 - cost / searched.demand.dense
    chosen = expected_network(searched.moved(fitted(searched, ratio)), ratio, exactly=True)
    assert {name: len(kept) for name, kept in chosen.kept.items()} == searched.widths()
    assert chosen.target.predicted == cost


def test_layers_that_reach_a_width_together_are_narrowed_one_by_one():
    """Equal chains: all widths change at once, and the target lies between."""
    sizes = {f"layer{number}": 20 for number in range(8)}
    costs = width_costs(dict.fromkeys(sizes, 1))
    chains = {name: Chain.over(20, 10, 1) for name in sizes}
    alpha = {name: torch.zeros(9, dtype=torch.float64) for name in sizes}
    needs = Demand(of="channels", sizes=sizes, costs={"channels": costs})
    equal = Found(chains=chains, alpha=alpha, form="sigmoid", options=DMCPOptions(), demand=needs)
    chosen = expected_network(equal.moved(fitted(equal, 0.375)), 0.375, exactly=True)
    widths = sorted(len(kept) for kept in chosen.kept.values())
    assert sum(widths) == 100
    assert set(widths) == {12, 13}


def test_what_is_kept_are_the_first_channels():
    searched = found(random_alpha(1))
    chosen = expected_network(searched, 0.5, exactly=False)
    for kept in chosen.kept.values():
        assert kept == list(range(len(kept)))


def test_without_fitting_the_search_is_taken_as_it_is_and_the_miss_is_explained():
    searched = found()
    chosen = expected_network(searched, 0.5, exactly=False)
    assert {name: len(kept) for name, kept in chosen.kept.items()} == {"a": 32, "b": 48, "c": 80}
    assert chosen.target.missed
    assert "fit=false takes the search as it ended" in chosen.target.reason
    assert chosen.details["search"]["means"]["a"] == pytest.approx(16 + 16 * (1 - 0.5**9), abs=1e-3)


def test_limits_and_rounding_hold():
    searched = found(random_alpha(2), round_to=8, min_channels=16)
    chosen = expected_network(searched.moved(fitted(searched, 0.6)), 0.6, exactly=True)
    for name, kept in chosen.kept.items():
        assert len(kept) >= 16
        assert len(kept) % 8 == 0 or len(kept) == SIZES[name]


def test_a_drawn_network_is_within_one_percent():
    searched = found(random_alpha(3))
    moved = searched.moved(fitted(searched, 0.5))
    chosen = drawn_network(moved, 0.5, torch.Generator().manual_seed(0))
    again = drawn_network(moved, 0.5, torch.Generator().manual_seed(0))
    others = [drawn_network(moved, 0.5, torch.Generator().manual_seed(seed)) for seed in range(1, 5)]
    assert not chosen.target.missed
    assert chosen.kept == again.kept
    assert any(other.kept != chosen.kept for other in others)
    for name, kept in chosen.kept.items():
        assert len(kept) in moved.chains[name].widths


def test_chains_that_cannot_reach_the_target_give_the_nearest_draw():
    narrow = {name: torch.full((9,), -60.0, dtype=torch.float64) for name in SIZES}
    chosen = drawn_network(found(narrow), 0.5, torch.Generator().manual_seed(0))
    assert {name: len(kept) for name, kept in chosen.kept.items()} == {"a": 16, "b": 24, "c": 40}
    assert chosen.target.missed
    assert chosen.details["search"]["draws"] == 2000
    assert "none of 2000 drawn networks is nearer" in chosen.target.reason


def test_small_networks_are_as_near_as_single_channels_allow():
    """Eight layers of 12 to 40 channels: no layer that is one channel wider or narrower would be nearer."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        sizes = {f"layer{number}": int(torch.randint(12, 41, (), generator=generator)) for number in range(8)}
        names = list(sizes)
        links = [(Width(3), _all(names[0])), *((_all(a), _all(b)) for a, b in zip(names, names[1:], strict=False))]
        costs = CostModel(tuple(CostTerm(9, widths) for widths in [*links, (_all(names[-1]), Width(2))]))
        chains = {name: Chain.over(size, 10, 1) for name, size in sizes.items()}
        alpha = {name: torch.randn(len(chain), generator=generator).double() for name, chain in chains.items()}
        needs = Demand(of="macs", sizes=sizes, costs={"macs": costs})
        searched = Found(chains=chains, alpha=alpha, form="sigmoid", options=DMCPOptions(), demand=needs)
        chosen = expected_network(searched.moved(fitted(searched, 0.5)), 0.5, exactly=True)
        widths = {name: len(kept) for name, kept in chosen.kept.items()}
        target = needs.dense / 2
        nearest = abs(costs.count(widths) - target)
        for name, width in widths.items():
            for other in {max(width - 1, chains[name].widths[0]), min(width + 1, sizes[name])}:
                assert abs(costs.count({**widths, name: other}) - target) >= nearest
        assert not chosen.target.missed


def test_no_layer_becomes_narrower_than_its_chain():
    searched = found(random_alpha(5))
    chosen = expected_network(searched.moved(fitted(searched, 0.995)), 0.995, exactly=True)
    assert {name: len(kept) for name, kept in chosen.kept.items()} == {"a": 16, "b": 24, "c": 40}
    assert "no single step of one layer" in chosen.target.reason


def test_every_layer_is_drawn_from_its_own_chain():
    """One chain that always stays whole, two that always go."""
    alpha = {name: torch.full((9,), 60.0 if name == "b" else -60.0, dtype=torch.float64) for name in SIZES}
    chosen = drawn_network(found(alpha), 0.5, torch.Generator().manual_seed(0))
    assert {name: len(kept) for name, kept in chosen.kept.items()} == {"a": 16, "b": 240, "c": 40}
