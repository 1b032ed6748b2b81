"""Scores written to a file, batch by batch, and the few most and least likely of them kept for the terminal."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.scoring import SHOWN, WITHIN, Scores, reason_text, score_frame
from wonlost.csv_cells import neutral_frame

SCHEMA = pa.schema([
    ("opportunity_id", pa.string()), ("as_of", pa.string()), ("win_probability", pa.float64()), ("band", pa.string()),
    ("model_version", pa.int64()), ("reasons", pa.string()), ("in_sample", pa.bool_()),
    ("lower", pa.float64()), ("upper", pa.float64()),
])  # fmt: skip
TIMED_SCHEMA = pa.schema([*SCHEMA, *((name, pa.float64()) for name in WITHIN)])
"""The same, where the model knows when deals close."""

Row = tuple[float, str, str, str]


class Extremes:
    """The most and the least likely deals of those seen.

    Args:
        n: How many of each.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._high: list[Row] = []
        self._low: list[Row] = []

    def add(self, scores: Scores) -> None:
        """Look through a batch."""
        order = scores.p.argsort(kind="stable")
        band = scores.band.strings()

        def row(place: int) -> Row:
            why = "\n".join(reason_text([reason]) for reason in scores.reasons(place, SHOWN))
            return (float(scores.p[place]), scores.deal_ids[place], str(band[place]), why)

        self._high = heapq.nlargest(self.n, self._high + [row(int(place)) for place in order[-self.n :]])
        self._low = heapq.nsmallest(self.n, self._low + [row(int(place)) for place in order[: self.n]])

    def tables(self) -> dict[str, list[list[str]]]:
        """Rows for printing, by title."""
        found = {"most likely": self._high, "least likely": self._low}
        return {title: [[deal, f"{100 * p:.0f} %", band, why] for p, deal, band, why in rows]
                for title, rows in found.items() if rows}  # fmt: skip


def write_scores(
    batches: Iterable[Scores], version: int, path: Path, n_extremes: int, *, timed: bool
) -> tuple[int, dict[str, list[list[str]]]]:  # fmt: skip
    """Write scores to a CSV or Parquet file; it appears under its name only when it is whole.

    In CSV no cell can run as a formula in a spreadsheet.

    Args:
        batches: The scores.
        version: The model's version.
        path: The file.
        n_extremes: How many of the most and of the least likely deals to keep for printing.
        timed: Whether the scores say when.

    Returns:
        Number of deals, and the most and least likely.
    """
    kept, schema = Extremes(n_extremes), TIMED_SCHEMA if timed else SCHEMA
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    n = 0
    try:
        if path.suffix == ".csv":
            with part.open("w", newline="") as file:
                pd.DataFrame(columns=schema.names).to_csv(file, index=False)
                for scores in batches:
                    n += len(scores)
                    kept.add(scores)
                    neutral_frame(score_frame(scores, version)).to_csv(file, index=False, header=False)
        else:
            with pq.ParquetWriter(part, schema) as writer:
                for scores in batches:
                    n += len(scores)
                    kept.add(scores)
                    writer.write_table(pa.Table.from_pandas(score_frame(scores, version), schema, preserve_index=False))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return n, kept.tables()
