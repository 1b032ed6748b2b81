"""Fits side by side give what fits one after the other give."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from training.outlook import learn_outlook
from training.parallel import side_by_side
from training.recipes import SMALL, Part, Recipe
from training.search import LINE, Search
from training.uncertainty import _of_chance
from training.weights import CONSISTENT, PLAIN


@pytest.mark.parametrize("threads", [1, 2])
def test_results_come_in_order_and_linear_algebra_has_one_thread(threads: int) -> None:
    met = threading.Barrier(threads, timeout=60)

    def square(number: int) -> tuple[int, set[int]]:
        met.wait()  # only with so many at once does anybody pass
        blas = {int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"}
        return number**2, blas

    found = side_by_side(square, range(6), threads)
    assert [number for number, _ in found] == [0, 1, 4, 9, 16, 25]
    assert set.union(*(blas for _, blas in found)) == {1}


def test_an_error_of_one_is_the_error_of_all() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 / number, [1, 0, 2], 2)


def test_threads_change_no_bit(search: Search) -> None:
    alone, beside = (Search(search.data, search.folds, threads=threads) for threads in (1, 2))
    trees = Part("trees", size=SMALL)
    for part, weighting in ((LINE.parts[0], CONSISTENT), (trees, PLAIN)):
        assert np.array_equal(alone.part_margin(part, weighting), beside.part_margin(part, weighting))
    recipe = Recipe("both", (LINE.parts[0], trees), 3, CONSISTENT)
    rows, ignored = search.rows[::7], lambda _: None
    assert np.array_equal(*(_of_chance(each, recipe, rows, ignored) for each in (alone, beside)))
    line = Recipe("line", LINE.parts, 1)
    one, other = (learn_outlook(each, each.served(line), each.threads) for each in (alone, beside))
    assert one is not None
    assert other is not None
    assert (one.quarters, one.backtests, one.losses) == (other.quarters, other.backtests, other.losses)
