"""Hazards of closing in discrete time: by stage, by trees, and their mean.

Rows are snapshots of the weekly grid, open deals included, each followed for the whole periods that the data allow: a
deal still open then is censored, and counts as open for as long as it was seen to be (Allison 1982; Tutz and Schmid
2016, *Modeling Discrete Time-to-Event Data*). Features are as of the snapshot.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.estimator import log_odds, probability
from models.incidence import Episodes
from models.trees import Trees, TreeSize

EDGES: FloatArray = 7.0 * np.array([0, 1, 2, 3, 4, 6, 8, 10, 13, 17, 21, 26, 34, 43, 52, 78, 104], dtype=np.float64)
"""Where periods begin and end, in days."""
N_PERIODS = len(EDGES) - 1
LENGTH: FloatArray = EDGES[1:] - EDGES[:-1]
MIDDLE: FloatArray = (EDGES[:-1] + EDGES[1:]) / 2
LEAST_CLOSINGS = 20
"""Fewest closings in a period for it to have hazards of its own; later ones are taken to be like it."""
PACE = ("stage", "days_in_stage", "age_days", "days_to_expected_close", "pushes", "days_silent")
"""Features that tell how fast a deal goes."""
COUNT_DOWN = "days_to_expected_close"
"""Counts down to a day: in a later period, so much less of it is left."""
_CELLS = 400_000
"""Rows and periods that are worked on together."""
SIZE = TreeSize(trees=80, leaves=7, depth=4, learning_rate=0.06, min_rows=100, l2=5.0, column_share=0.7)


class Hazards(ABC):
    """Hazards of closing by period, and who is won of those that close."""

    kind: ClassVar[str]

    @abstractmethod
    def fit(self, matrix: FeatureMatrix, seen: Episodes) -> None:
        """Learn from rows.

        Args:
            matrix: Features as of each row's moment.
            seen: What became of each row, shape (n_rows,).
        """

    @abstractmethod
    def rates(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray]:
        """Probability to close within each period for deals open at its start, and the share won of those that do.

        Returns:
            Two arrays of shape (n_rows, N_PERIODS).
        """

    @property
    @abstractmethod
    def features(self) -> tuple[str, ...]:
        """Names of the features that it reads."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learnt into an empty folder, as data and not as code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Hazards:
        """Read what `save` wrote."""


def periods_seen(seen: Episodes) -> tuple[IntArray, IntArray]:
    """Number of periods in which each row was at risk, and the period of its close; both of shape (n_rows,).

    A period counts only if it could be watched whole: a half-watched one shows the quick closings of it alone.

    Returns:
        Periods at risk, and the place of the period of the close, -1 where none was seen.
    """
    whole = np.searchsorted(EDGES, seen.watched, side="right") - 1
    at = np.searchsorted(EDGES, np.where(seen.closed, seen.days, np.inf), side="left") - 1
    at = np.maximum(at, 0)  # a close at the very moment falls into the first period
    ended = at < np.minimum(whole, N_PERIODS)
    n = np.where(ended, at + 1, np.minimum(whole, N_PERIODS))
    return n.astype(np.int64), np.where(ended, at, -1).astype(np.int64)


class StageHazards(Hazards):
    """The Aalen-Johansen estimate by stage, in discrete time: shares that closed, won and lost, period by period.

    Each stage's hazards are drawn towards those of all deals: (closings + strength x overall) / (at risk + strength).

    Args:
        strength: Rows at the overall hazard that a stage starts with.
    """

    kind = "stage"

    def __init__(self, strength: float = 20.0) -> None:
        self.strength = strength
        self.encoding = Encoding((), {})
        self.closing: FloatArray = np.zeros((1, N_PERIODS))
        self.won: FloatArray = np.full((1, N_PERIODS), 0.5)

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages with hazards of their own; () where the data have none."""
        return self.encoding.categories.get("stage", ())

    def _row(self, matrix: FeatureMatrix) -> IntArray:
        if not self.stages:
            return np.zeros(matrix.n_rows, dtype=np.int64)
        codes = self.encoding.codes(matrix, "stage").astype(np.int64)
        return np.where(codes >= 0, codes, len(self.stages))

    def fit(self, matrix: FeatureMatrix, seen: Episodes) -> None:
        """See `Hazards.fit`."""
        stage = matrix.columns.get("stage")
        if isinstance(stage, Coded):
            self.encoding = Encoding.learn(FeatureMatrix({"stage": stage}, matrix.n_rows))
        row, n_rows = self._row(matrix), len(self.stages) + 1
        n, at = periods_seen(seen)
        reached = np.zeros((n_rows, N_PERIODS + 1))
        np.add.at(reached, (row, n), 1.0)
        at_risk = reached[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        closings, wins = np.zeros((n_rows, N_PERIODS)), np.zeros((n_rows, N_PERIODS))
        ended = at >= 0
        np.add.at(closings, (row[ended], at[ended]), 1.0)
        np.add.at(wins, (row[ended], at[ended]), seen.won[ended])
        last = last_period(at)
        overall = (closings.sum(0) + 0.5) / (at_risk.sum(0) + 1.0)
        share = (wins.sum(0) + 0.5) / (closings.sum(0) + 1.0)
        self.closing = (closings + self.strength * overall) / np.maximum(at_risk + self.strength, 1e-9)
        self.won = (wins + self.strength * share) / np.maximum(closings + self.strength, 1e-9)
        self.closing[:, last + 1 :], self.won[:, last + 1 :] = self.closing[:, [last]], self.won[:, [last]]

    def rates(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray]:
        """See `Hazards.rates`."""
        row = self._row(matrix)
        return self.closing[row], self.won[row]

    @property
    def features(self) -> tuple[str, ...]:
        """`stage`, where the data have one."""
        return ("stage",) if self.stages else ()

    def save(self, folder: Path) -> None:
        """See `Hazards.save`."""
        data = {"strength": self.strength, "stages": list(self.stages), "closing": self.closing.tolist(),
                "won": self.won.tolist()}  # fmt: skip
        (folder / "stage.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> StageHazards:
        """See `Hazards.load`."""
        data = json.loads((folder / "stage.json").read_text())
        table = cls(data["strength"])
        stages = tuple(data["stages"])
        table.encoding = Encoding((), {"stage": stages} if stages else {})
        table.closing, table.won = np.array(data["closing"]), np.array(data["won"])
        return table


def last_period(at: IntArray) -> int:
    """The last period with `LEAST_CLOSINGS` of its own; at least the first."""
    enough = np.flatnonzero(np.bincount(at[at >= 0], minlength=N_PERIODS) >= LEAST_CLOSINGS)
    return int(enough[-1]) if len(enough) else 0


class TreeHazards(Hazards):
    """Two gradient-boosted models on one row per snapshot and period: does it close in it, and is it won if it does.

    They read the features of a deal's pace (`PACE`): whether it is won is the win model's to say.

    Args:
        size: How many trees of which size.
        threads: Threads of a fit and of a prediction.
    """

    kind = "trees"

    def __init__(self, size: TreeSize = SIZE, *, threads: int = 1) -> None:
        self.closing, self.outcome = Trees(size, threads=threads), Trees(size, threads=threads)
        self.names: tuple[str, ...] = ()
        self.last = 0

    def fit(self, matrix: FeatureMatrix, seen: Episodes) -> None:
        """See `Hazards.fit`."""
        self.names = tuple(name for name in PACE if name in matrix.columns)
        n, at = periods_seen(seen)
        self.last = last_period(at)
        n = np.minimum(n, self.last + 1)
        row = np.repeat(np.arange(len(n)), n)
        period = np.arange(len(row)) - np.repeat(np.cumsum(n) - n, n)
        happens = (period == at[row]).astype(np.float64)
        whole = self._in_periods(matrix, row, period)
        self.closing.fit(whole, happens)
        ended = happens == 1
        self.outcome.fit(whole.take(ended), seen.won[row[ended]])

    def _in_periods(self, matrix: FeatureMatrix, row: IntArray, period: IntArray) -> FeatureMatrix:
        """Features of rows in periods, with the period's middle, and what it leaves of the count-down."""
        columns: dict[str, FloatArray | Coded] = {}
        middle = MIDDLE[period]
        for name in self.names:
            values = matrix.columns[name]
            if isinstance(values, Coded):
                columns[name] = values.take(row)
            else:
                columns[name] = values[row] - middle if name == COUNT_DOWN else values[row]
        columns["period_days"] = middle
        return FeatureMatrix(columns, len(row))

    def rates(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray]:
        """See `Hazards.rates`."""
        own, n = self.last + 1, matrix.n_rows
        closing, won = np.empty((n, N_PERIODS)), np.empty((n, N_PERIODS))
        step = max(_CELLS // own, 1)
        for start in range(0, n, step):
            part: IntArray = np.arange(start, min(start + step, n), dtype=np.int64)
            row, period = np.repeat(part, own), np.tile(np.arange(own), len(part))
            whole = self._in_periods(matrix, row, period)
            closing[part, :own] = probability(self.closing.margin(whole)).reshape(-1, own)
            won[part, :own] = probability(self.outcome.margin(whole)).reshape(-1, own)
        closing[:, own:], won[:, own:] = closing[:, [self.last]], won[:, [self.last]]
        return closing, won

    @property
    def features(self) -> tuple[str, ...]:
        """See `Hazards.features`."""
        return self.names

    def save(self, folder: Path) -> None:
        """See `Hazards.save`."""
        for name, part in (("closing", self.closing), ("outcome", self.outcome)):
            (folder / name).mkdir()
            part.save(folder / name)
        (folder / "hazards.json").write_text(json.dumps({"names": list(self.names), "last": self.last}))

    @classmethod
    def load(cls, folder: Path) -> TreeHazards:
        """See `Hazards.load`."""
        data = json.loads((folder / "hazards.json").read_text())
        made = cls()
        made.closing, made.outcome = (Trees.load(folder / name) for name in ("closing", "outcome"))
        made.names, made.last = tuple(data["names"]), data["last"]
        return made


class MeanHazards(Hazards):
    """The mean of several hazards in log-odds; its parts are fitted one by one.

    Args:
        parts: Hazards, at least one.
    """

    kind = "mean"

    def __init__(self, parts: Sequence[Hazards]) -> None:
        self.parts = tuple(parts)

    def fit(self, matrix: FeatureMatrix, seen: Episodes) -> None:
        """See `Hazards.fit`."""
        for part in self.parts:
            part.fit(matrix, seen)

    def rates(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray]:
        """See `Hazards.rates`."""
        found = [part.rates(matrix) for part in self.parts]
        closing = np.mean([log_odds(item[0]) for item in found], axis=0)
        won = np.mean([log_odds(item[1]) for item in found], axis=0)
        return probability(closing), probability(won)

    @property
    def features(self) -> tuple[str, ...]:
        """See `Hazards.features`."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.features))

    def save(self, folder: Path) -> None:
        """See `Hazards.save`."""
        for number, part in enumerate(self.parts):
            (folder / str(number)).mkdir()
            part.save(folder / str(number))
        (folder / "parts.json").write_text(json.dumps([part.kind for part in self.parts]))

    @classmethod
    def load(cls, folder: Path) -> MeanHazards:
        """See `Hazards.load`."""
        kinds = json.loads((folder / "parts.json").read_text())
        return cls([HAZARDS[kind].load(folder / str(number)) for number, kind in enumerate(kinds)])


HAZARDS: dict[str, type[Hazards]] = {kind.kind: kind for kind in (StageHazards, TreeHazards, MeanHazards)}
