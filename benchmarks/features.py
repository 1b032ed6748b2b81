"""How fast the feature matrix is made, beside an idiomatic pandas version, and how much memory a large one takes.

    python -m benchmarks.features --deals 100000 --snapshots 4
    python -m benchmarks.features --deals 1000000 --snapshots 4 --only-arrays

Both versions start from tables in memory and end with the same columns; each round runs one after the other. Every
value must be equal: numbers to the last bit, text as text. The second form runs wonlost alone in a process of its own
and reports its peak memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks import features_pandas
from benchmarks.crm_arrays import crm_arrays, pairs_of
from crm.tables import Coded, CrmData
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix
from features.registry import features_of


def matrix_of(crm: CrmData, pairs: Snapshots, names: list[str] | None = None) -> FeatureMatrix:
    """Tables in, matrix out: everything sorted afresh.

    Args:
        crm: The tables.
        pairs: Where.
        names: Features wanted; by default all that the data allow.
    """
    history = History(crm)
    chosen = [item for item in features_of(history) if names is None or item.name in names]
    return build_matrix(history, chosen, pairs)


def compare(n_deals: int, per_deal: int, rounds: int) -> str:
    """Time both versions and check that they agree; a Markdown table."""
    crm = crm_arrays(n_deals)
    pairs = Snapshots(*pairs_of(crm, per_deal))
    tables = features_pandas.frames(crm)
    expected = features_pandas.features(tables, pairs.deal, pairs.as_of)
    names = [str(name) for name in expected.columns]
    matrix = matrix_of(crm, pairs, names)
    assert_identical(matrix, expected)
    del expected, matrix
    pandas_times, wonlost_times = [], []
    for _ in range(rounds):
        pandas_times.append(timed(lambda: features_pandas.features(tables, pairs.deal, pairs.as_of)))
        wonlost_times.append(timed(lambda: matrix_of(crm, pairs, names)))
    slow, fast = median(pandas_times), median(wonlost_times)
    size = f"{n_deals:,} deals x {per_deal} snapshots x {len(names)} features"
    return "\n".join([
        f"| {size}, median of {rounds} | CPU s | wall s |", "|---|---:|---:|",
        f"| pandas (merge_asof, groupby) | {slow[0]:.2f} | {slow[1]:.2f} |",
        f"| wonlost | {fast[0]:.2f} | {fast[1]:.2f} |",
        f"| times faster | {slow[0] / fast[0]:.1f} | {slow[1] / fast[1]:.1f} |",
        "", f"All {len(names)} columns are identical, numbers to the last bit.",
    ])  # fmt: skip


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of a run."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def median(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Medians of CPU and of wall seconds."""
    return statistics.median(cpu for cpu, _ in times), statistics.median(wall for _, wall in times)


def assert_identical(matrix: FeatureMatrix, expected: pd.DataFrame) -> None:
    """Raise unless every column of both has the same values, missing ones in the same places.

    Raises:
        AssertionError: Names the columns that differ.
    """
    wrong = []
    for name in expected.columns:
        values, other = matrix.columns[str(name)], expected[name]
        if isinstance(values, Coded):
            mine = pd.Series(values.strings())
            same = bool((mine == other.astype(object).where(other.notna(), "").to_numpy()).all())
        else:
            same = np.array_equal(values, other.to_numpy(dtype=np.float64), equal_nan=True)
        wrong += [] if same else [str(name)]
    if set(matrix.columns) != set(expected.columns) or wrong:
        raise AssertionError(f"columns differ: {wrong or set(matrix.columns) ^ set(expected.columns)}")


def alone(n_deals: int, per_deal: int) -> str:
    """Time the same features for a large company in this process, and its peak memory; a Markdown table."""
    few = crm_arrays(100)
    names = list(map(str, features_pandas.features(features_pandas.frames(few), *pairs_of(few, 1)).columns))
    crm = crm_arrays(n_deals)
    pairs = Snapshots(*pairs_of(crm, per_deal))
    before = peak_gb()
    cpu, wall = timed(lambda: keep(matrix_of(crm, pairs, names)))
    return "\n".join([
        f"| {n_deals:,} deals x {per_deal} snapshots x {len(KEPT[0].columns)} features | |", "|---|---:|",
        f"| CPU s | {cpu:.1f} |", f"| wall s | {wall:.1f} |",
        f"| peak memory before, the tables only, GB | {before:.2f} |", f"| peak memory, GB | {peak_gb():.2f} |",
    ])  # fmt: skip


KEPT: list[FeatureMatrix] = []


def keep(matrix: FeatureMatrix) -> None:
    """Hold on to a matrix, so that the peak counts it."""
    KEPT[:] = [matrix]


def peak_gb() -> float:
    """Peak resident memory of this process so far, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Time the feature matrix.")
    parser.add_argument("--deals", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-arrays", action="store_true", help="wonlost alone, with its peak memory")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(alone(asked.deals, asked.snapshots))
    elif asked.only_arrays:
        own = [sys.executable, "-m", "benchmarks.features", "--child", "--deals", str(asked.deals)]
        subprocess.run([*own, "--snapshots", str(asked.snapshots)], check=True)
    else:
        print(compare(asked.deals, asked.snapshots, asked.rounds))


if __name__ == "__main__":
    main()
