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

The hazards are those of `models.hazards`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from crm.tables import FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.hazards import EDGES, HAZARDS, LENGTH, N_PERIODS, Hazards
from models.quarter import QuarterPace

HORIZONS = (30, 60, 90, 180)
"""Days for which every score says how likely a win within them is."""


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
