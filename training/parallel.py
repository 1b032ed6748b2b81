"""Independent fits side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """The results of a function, in the order of the items.

    LightGBM and NumPy let other threads work while they are busy, so fits too small to gain from threads of their own
    gain from running beside each other. Each has one thread for its linear algebra, whatever the number of threads:
    the results are the same bits, and nothing waits by spinning.

    Args:
        function: What to do; it must change nothing that another call reads.
        items: What to do it with.
        threads: How many at once.
    """
    with threadpool_limits(limits=1):  # set here once: set by each thread, one would lift it for another
        if threads < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(function, items))
