"""What a run learns from: the rows of deals closed before the cut, with their features and outcomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crm.schema import TABLES, Known
from crm.tables import DAY, Coded, CrmData, FloatArray, IntArray
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix, grid
from features.records import NEVER
from features.registry import Feature, features_of
from models.censoring import FollowUp


@dataclass(frozen=True)
class TrainingData:
    """Rows of closed deals known before the cut.

    Attributes:
        history: All deals.
        cut: Microseconds; for exports without dates, the time of import.
        rows: Their places in time.
        matrix: Their features.
        won: Their outcomes.
        features: What was computed.
        data_hash: SHA-256 over rows, features and outcomes.
        population: Every row of the weekly grid, those of open deals included.
        open_rows: Rows of the weekly grid whose deals had not closed by the cut; none where each deal has one row.
        open_matrix: Their features.
        follow_up: How long rows could be followed, open deals' rows included; None without dates.
    """

    history: History
    cut: int
    rows: Snapshots
    matrix: FeatureMatrix
    won: FloatArray
    features: list[Feature]
    data_hash: str
    population: Snapshots
    open_rows: Snapshots
    open_matrix: FeatureMatrix
    follow_up: FollowUp | None

    @property
    def n_deals(self) -> tuple[int, int]:
        """Won and lost deals behind the rows."""
        deals = np.unique(self.rows.deal)
        won = int(self.history.won[deals].sum())
        return won, len(deals) - won

    @property
    def dated(self) -> bool:
        """Whether the export has dates."""
        return self.history.crm.process.time_basis == "dates"

    @property
    def end(self) -> int | None:
        """The cut as the moment up to which a fit looks; None without dates."""
        return self.cut if self.dated else None

    @property
    def weekly(self) -> bool:
        """Whether deals are seen on every Monday of their open life, and not once."""
        return self.history.crm.process.weekly

    @cached_property
    def closed(self) -> IntArray:
        """Closing time of each row's deal, in microseconds."""
        return self.history.closed[self.rows.deal]

    @cached_property
    def order(self) -> FloatArray | None:
        """When each row's outcome came, as a number that grows with time; None where nothing tells the order."""
        if self.dated:
            return self.closed.astype(np.float64)
        if self.history.crm.process.time_basis == "sequence":
            return self.history.field("opportunities.sequence").numbers(self.rows.deal, self.rows.as_of)
        return None

    @cached_property
    def days_left(self) -> FloatArray | None:
        """Days from each row to its deal's close; None without dates."""
        return (self.closed - self.rows.as_of) / DAY if self.dated else None

    @cached_property
    def known_at_close(self) -> list[str]:
        """Columns of deals that are known only once a deal is closed, and so are no features."""
        told = ("outcome", "closed_at", "name", "loss_reason", "win_reason")
        standard = [name for name in TABLES["opportunities"].columns() if name not in told]
        return [
            item.name
            for item in self.history.crm.attributes
            if item.table == "opportunities" and item.known is Known.CLOSED and (item.custom or item.name in standard)
        ]

    @cached_property
    def core(self) -> tuple[str, ...]:
        """The few features that models of few features read."""
        return tuple(item.name for item in self.features if item.core)


def prepare(crm: CrmData, cut: int) -> TrainingData:
    """Rows, features and outcomes of all deals closed before a cut.

    Args:
        crm: The store's tables.
        cut: Microseconds.

    Raises:
        Refused: There are no rows.
    """
    history = History(crm)
    every = grid(history, cut)
    closed = history.closed[every.deal]
    dated = crm.process.time_basis == "dates"
    known = ~np.isnan(history.won[every.deal]) & ((closed < cut) if dated else (closed != NEVER))
    rows = every.take(known)
    features = features_of(history)
    matrix = build_matrix(history, features, rows)
    won = history.won[rows.deal]
    open_rows = every.take((closed >= cut) & crm.process.weekly)
    open_matrix = build_matrix(history, features, open_rows)
    digest = hashlib.sha256()
    _hash(digest, history, rows, matrix)
    digest.update(won.tobytes())
    _hash(digest, history, open_rows, open_matrix)
    return TrainingData(history, cut, rows, matrix, won, features, digest.hexdigest(), every, open_rows, open_matrix,
                        FollowUp(every.as_of, closed) if dated else None)  # fmt: skip


def _hash(digest: hashlib._Hash, history: History, rows: Snapshots, matrix: FeatureMatrix) -> None:
    digest.update("\n".join(history.deal_ids[deal] for deal in np.unique(rows.deal)).encode())
    digest.update(rows.as_of.tobytes())
    for name, values in sorted(matrix.columns.items()):
        digest.update(name.encode())
        if isinstance(values, Coded):
            used = sorted({values.levels[code] for code in np.unique(values.codes) if code >= 0})
            place = {level: rank for rank, level in enumerate(used)}
            table = np.array([*(place.get(level, -1) for level in values.levels), -1], dtype=np.int32)
            digest.update("\x1f".join(used).encode() + table[values.codes].tobytes())
        else:
            digest.update(values.tobytes())
