"""When an open deal closes: discrete-time hazards of being won and lost, censoring respected.

Time after the moment of a score is cut into periods, weeks at first and longer later. A deal that is open when a period
begins closes within it with probability c_k(x), and is then won with probability w_k(x):

    S_k = (1 - c_1) ... (1 - c_k)                               still open after period k
    F(h) = sum over the periods k up to h of S_(k-1) c_k w_k    closed and won within h
    won within h = win_probability x F(h) / F(infinity)

so the sum over time of P(closes then) x P(won | then), tied to the win model: F tells *when*, the win model *whether*.
Within a period the rate of closing is constant; after the last one, everything that is still open closes as in it.
Where deals are known to crowd at the end of quarters (`models.quarter`), rates are those of usual days: a period that
is worth u usual days to wins and v to losses of its length L, of whose closings the share w is won, has

    1 - c' = (1 - c)^g,   g = (w u + (1 - w) v) / L,   w' = w u / (w u + (1 - w) v)

F(h) never falls, and F(h) <= F(infinity), so neither does the probability fall with h nor exceed the win probability.

Rows are snapshots of the weekly grid, open deals included, each followed for the whole periods that the data allow: a
deal still open then is censored, and counts as open for as long as it was seen to be (Allison 1982; Tutz and Schmid
2016, *Modeling Discrete Time-to-Event Data*). Features are as of the snapshot.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.estimator import log_odds, probability
from models.incidence import Episodes
from models.quarter import QuarterPace
from models.trees import Trees, TreeSize

HORIZONS = (30, 60, 90, 180)
"""Days for which every score says how likely a win within them is."""
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


@dataclass(frozen=True)
class Timing:
    """When deals close, and how: cumulative incidence of wins.

    Attributes:
        hazards: Fitted hazards.
        recipe: What they are, in words.
        pace: How deals crowd at the end of quarters; None where that is not known.
    """

    hazards: Hazards
    recipe: str
    pace: QuarterPace | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that it reads."""
        return self.hazards.features

    def incidence(
        self, matrix: FeatureMatrix, days: FloatArray, at: IntArray | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
        """Probability to be won, and to be closed at all, within so many days, and to be won in the end.

        Args:
            matrix: Features as of the moment.
            days: Horizons of each row, shape (n_rows, n_horizons) or (n_horizons,) for the same ones.
            at: The moments, in microseconds, shape (n_rows,); without, all days are taken to be usual ones.

        Returns:
            F and 1 - S of shape (n_rows, n_horizons), and F(infinity) of shape (n_rows,).
        """
        closing, share = self.hazards.rates(matrix)
        n = matrix.n_rows
        days = np.broadcast_to(days, (n, np.shape(days)[-1]))
        period = np.searchsorted(EDGES[1:-1], days, side="left")  # after the last edge, it is still the last one
        row = np.arange(n)[:, None]

        def of(values: FloatArray) -> FloatArray:
            return values[row, period]

        wins_by, losses_by = self._usual(np.hstack([np.broadcast_to(EDGES, (n, N_PERIODS + 1)), days]), at)
        wins_at, losses_at = wins_by[:, N_PERIODS + 1 :], losses_by[:, N_PERIODS + 1 :]
        to_wins = share * (wins_by[:, 1 : N_PERIODS + 1] - wins_by[:, :N_PERIODS])
        to_losses = (1.0 - share) * (losses_by[:, 1 : N_PERIODS + 1] - losses_by[:, :N_PERIODS])
        stays = (1.0 - closing) ** ((to_wins + to_losses) / LENGTH)
        won = to_wins / (to_wins + to_losses)
        open_still, wins = np.ones((n, N_PERIODS + 1)), np.zeros((n, N_PERIODS + 1))
        np.cumprod(stays, axis=1, out=open_still[:, 1:])
        np.cumsum(open_still[:, :-1] * (1.0 - stays) * won, axis=1, out=wins[:, 1:])
        share_then, before = of(share), of(open_still)
        some = share_then * (wins_at - of(wins_by)) + (1.0 - share_then) * (losses_at - of(losses_by))
        gone = 1.0 - (1.0 - of(closing)) ** (np.maximum(some, 0.0) / LENGTH[period])  # beyond the last edge, on and on
        found = of(wins) + before * gone * of(won)
        return found, 1.0 - before * (1.0 - gone), wins[:, -1] + open_still[:, -1] * won[:, -1]

    def _usual(self, days: FloatArray, at: IntArray | None) -> tuple[FloatArray, FloatArray]:
        """Usual days in the first so many days, for wins and losses, both of shape (n_rows, n_days) like the days."""
        return (days, days) if self.pace is None or at is None else self.pace.usual_days(at, days)

    def won_within(
        self, matrix: FeatureMatrix, p: FloatArray, days: FloatArray, waited: FloatArray | None = None,
        at: IntArray | None = None,
    ) -> FloatArray:  # fmt: skip
        """Probability to be won within so many days: p x (F(h) / F(infinity)), never falling with h nor above p.

        A deal that has been open for w days since the moment of its features (where features are those at entry) is won
        within h more of them with p x (F(w + h) - F(w)) / (F(infinity) - F(w)).

        Args:
            matrix: Features as of the moment.
            p: Win probability of each row, shape (n_rows,).
            days: Horizons in growing order, shape (n_horizons,), or (n_rows, n_horizons).
            waited: Days since the moment of the features, shape (n_rows,); none by default.
            at: The moment of the features, see `incidence`.

        Returns:
            Shape (n_rows, n_horizons).
        """
        days = np.broadcast_to(days, (matrix.n_rows, np.shape(days)[-1]))
        wait = np.zeros(matrix.n_rows) if waited is None else waited
        won, _, total = self.incidence(matrix, np.hstack([wait[:, None], wait[:, None] + days]), at)
        before = won[:, [0]]
        share = (won[:, 1:] - before) / np.maximum(total[:, None] - before, 1e-12)
        # rounding must not make a longer horizon less likely
        return np.asarray(p[:, None] * np.maximum.accumulate(np.minimum(np.maximum(share, 0.0), 1.0), axis=1))

    def save(self, folder: Path) -> None:
        """Write it into an empty folder, as data and not as code."""
        (folder / "hazards").mkdir()
        self.hazards.save(folder / "hazards")
        pace = None if self.pace is None else asdict(self.pace)
        (folder / "timing.json").write_text(
            json.dumps({"hazards": self.hazards.kind, "recipe": self.recipe, "pace": pace}, indent=1)
        )

    @classmethod
    def load(cls, folder: Path) -> Timing:
        """Read what `save` wrote."""
        data = json.loads((folder / "timing.json").read_text())
        pace = data["pace"]
        if pace is not None:
            pace = QuarterPace(pace["fiscal_year_start"], tuple(pace["won"]), tuple(pace["lost"]))
        return cls(HAZARDS[data["hazards"]].load(folder / "hazards"), data["recipe"], pace)
