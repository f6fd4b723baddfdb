"""How much faster the greedy search of SIRFP is with sums kept up to date than with sums made anew at each step.

    python benchmarks/greedy_clique.py [--sizes 256 512 1024 2048] [--repetitions 3] [--seed 0]

Both run on one thread on the same random symmetric matrix and must agree; times are the fastest of the repetitions (of
the slow search, one run at each size).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from bench_pruning.criteria.clique import Removal, greedy_removal


def main() -> None:
    """Prints one line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=(256, 512, 1024, 2048), help="numbers of channels")
    parser.add_argument("--repetitions", type=int, default=3, help="runs of the fast search")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'channels':>8}{'fast (ms)':>12}{'slow (ms)':>12}{'ratio':>8}")
    for size in arguments.sizes:
        matrix = redundancy(size, arguments.seed)
        fast, found = timed(lambda matrix=matrix: greedy_removal(matrix), arguments.repetitions)
        slow, expected = timed(lambda matrix=matrix: straightforward(matrix), 1)
        same = torch.equal(found.order, expected.order) and torch.equal(found.scores, expected.scores)
        if not same:
            message = f"the two searches differ for {size} channels"
            raise SystemExit(message)
        print(f"{size:>8}{fast * 1e3:>12.2f}{slow * 1e3:>12.1f}{slow / fast:>8.0f}")


def redundancy(size: int, seed: int) -> torch.Tensor:
    """Returns a symmetric matrix of small integers [C, C], whose sums are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    upper = torch.randint(0, 1000, (size, size), generator=generator).double().triu(1)
    return upper + upper.T


def straightforward(matrix: torch.Tensor) -> Removal:
    """Returns what the greedy search does, from the sums of all rows at each step: O(C^3)."""
    weights = matrix.numpy().copy()
    np.fill_diagonal(weights, 0)
    left, total = np.ones(len(weights), dtype=bool), weights.sum(axis=1)
    order, scores = [], np.zeros(len(weights))
    for _ in range(len(weights)):
        sums = np.where(left, weights.sum(axis=1), -np.inf)
        channel = int(sums.argmax())
        if len(weights) - len(order) == 2:  # these are always equal
            channel = int(np.where(left, total, -np.inf).argmax())
        order.append(channel)
        scores[channel] = -sums[channel]
        left[channel] = False
        weights[channel, :] = weights[:, channel] = 0
    return Removal(torch.tensor(order), torch.from_numpy(scores))


def timed(search: Callable[[], Removal], repetitions: int) -> tuple[float, Removal]:
    """Returns the shortest time of some runs in seconds, and what they found."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        found = search()
        times.append(time.perf_counter() - start)
    return min(times), found


if __name__ == "__main__":
    main()
