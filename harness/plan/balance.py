"""Orders of arms that favour none of them.

A machine drifts (heat, neighbours, page cache) and a run feels the one before it, so each arm has
to stand at each position equally often, and after each other arm equally often. Squares as in
Williams (1949) do both: for an even number of arms k rows suffice, for an odd number the square and
its mirror are needed.
The rows are handed out as a row followed by its own reverse, so that any two arms have swapped
their order after every two blocks, however early the run ends; which rows, which of the two comes
first and which arm is which column are drawn from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence


def williams_orders(arms: Sequence[str], rng: random.Random) -> Iterator[list[str]]:
    """Endless orders of `arms`, one per block, balanced as the module says."""
    while True:
        labels = list(arms)
        rng.shuffle(labels)
        pairs = [[row, row[::-1]] for row in _half_square(len(labels))]
        rng.shuffle(pairs)
        for pair in pairs:
            rng.shuffle(pair)
            for row in pair:
                yield [labels[column] for column in row]


def _half_square(k: int) -> list[list[int]]:
    """Rows that, with their reverses, make a balanced set: k/2 rows for even k, k for odd."""
    zigzag = [0]
    for step in range(1, k):
        zigzag.append((zigzag[-1] + (step if step % 2 else -step)) % k)
    rows = k // 2 if k % 2 == 0 else k
    return [[(column + shift) % k for column in zigzag] for shift in range(rows)]


def order_balance(orders: Iterable[Sequence[str]], first: str, second: str) -> int:
    """How many more orders have `first` before `second` than after it."""
    return sum(1 if order.index(first) < order.index(second) else -1 for order in orders)
