"""What a win model knows of time: when deals close, how past quarters came out, and so how deals move together.

Deals of one quarter share a market, a price list and a sales team; sums of independent deals understate the spread. For
a past quarter t, forecast with what was known at its start, the shift s_t that makes

    sum over its open deals of (won_i - sigma(logit p_i + s_t)) = 0

has the sampling variance v_t = 1 / sum of p_i (1 - p_i). The variance of the common shock is found by moments, the mean
of s_t^2 - v_t (DerSimonian and Laird 1986), and drawn towards what is usual, as a handful of quarters tells little:

    spread^2 = (n x max(mean(s_t^2 - v_t), 0) + PRIOR_QUARTERS x USUAL^2) / (n + PRIOR_QUARTERS)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from crm.tables import FloatArray
from models.estimator import log_odds, probability
from models.incidence import Episodes, brier
from models.metrics import calibration_line
from models.timing import Timing

USUAL = 0.2
"""Spread of the common shock expected before any quarter was seen, in log-odds."""
PRIOR_QUARTERS = 4.0
"""How many quarters that expectation is worth."""


@dataclass(frozen=True)
class PastQuarter:
    """How the deals open at a past moment came out, against what would have been said then.

    Attributes:
        start: The moment, in microseconds.
        end: End of the period, in microseconds.
        deals: Deals open at the moment.
        expected: Wins expected of them within the period.
        variance: Sum of p (1 - p).
        won: Wins within the period.
        shift: Shift of the log-odds that makes the wins as expected.
    """

    start: int
    end: int
    deals: int
    expected: float
    variance: float
    won: float
    shift: float

    @classmethod
    def of(cls, start: int, end: int, p: FloatArray, won: FloatArray) -> PastQuarter:
        """From probabilities and outcomes, both of shape (n_deals,)."""
        return cls(start, end, len(p), float(p.sum()), float((p * (1 - p)).sum()), float(won.sum()), shift_of(p, won))


@dataclass(frozen=True)
class Backtest:
    """A forecast as it would have been made at a past quarter's start, and what came.

    Attributes:
        name: The quarter.
        start: Its start, in microseconds.
        currency: Currency of the amounts; empty where none is named; None where wins are counted.
        low: 10 % line.
        middle: 50 % line.
        high: 90 % line.
        actual: What was won.
    """

    name: str
    start: int
    currency: str | None
    low: float
    middle: float
    high: float
    actual: float


@dataclass(frozen=True)
class Judged:
    """Probabilities to be won within so many days, said at past moments of the deals open then, against what came.

    All figures are of the rows that could be followed, by inverse probability of censoring weights.

    Attributes:
        days: The horizon.
        rows: Deals and moments.
        said: Mean of the probabilities.
        came: Share won within the horizon.
        brier: Brier score.
        slope: Slope of outcomes on log-odds (`models.metrics.calibration_line`): below 1 if overconfident; NaN where
            there is none.
    """

    days: int
    rows: int
    said: float
    came: float
    brier: float
    slope: float

    @classmethod
    def of(cls, p: FloatArray, seen: Episodes, days: int) -> Judged | None:
        """From probabilities, shape (n_rows,), and what became of the rows; None where too few could be followed."""
        weight = seen.weights(days)
        if weight is None:
            return None
        won = seen.won_within(days)
        return cls(days, len(p), float(np.average(p, weights=weight)), float(np.average(won, weights=weight)),
                   brier(p, seen, days), calibration_line(p, won, weight)[0])  # fmt: skip


def shift_of(p: FloatArray, won: FloatArray) -> float:
    """Shift of log-odds at which as many wins are expected as came; half a win and half a loss keep it finite."""
    z, wins, shift = log_odds(p), float(won.sum()), 0.0
    pull = 0.5
    for _ in range(60):
        q = probability(z + shift)
        half = 1 / (1 + np.exp(-shift))
        step = (wins - float(q.sum()) + pull * (1 - 2 * half)) / (float((q * (1 - q)).sum()) + half * (1 - half))
        shift += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-9:
            break
    return shift


def spread_of(quarters: Sequence[PastQuarter]) -> float:
    """Standard deviation of the common shock, in log-odds, from past quarters; see the module."""
    excess = [item.shift**2 - 1 / (item.variance + 0.25) for item in quarters]
    n = len(excess)
    moment = max(float(np.mean(excess)), 0.0) if n else 0.0
    return float(np.sqrt((n * moment + PRIOR_QUARTERS * USUAL**2) / (n + PRIOR_QUARTERS)))


@dataclass(frozen=True)
class Outlook:
    """When deals close, and how sure a sum of them is.

    Attributes:
        timing: When deals close.
        quarters: Past quarters, in order.
        backtests: Forecasts of past quarters, in order; each rests on earlier quarters alone.
        losses: Out-of-sample log-loss of each candidate for the timing, by its name.
        judged: How the chosen one did at past moments, by horizon.
    """

    timing: Timing
    quarters: tuple[PastQuarter, ...] = ()
    backtests: tuple[Backtest, ...] = ()
    losses: dict[str, float] = field(default_factory=dict)
    judged: tuple[Judged, ...] = ()

    @property
    def spread(self) -> float:
        """Standard deviation of the common shock, in log-odds."""
        return spread_of(self.quarters)

    def metrics(self) -> dict[str, float]:
        """Its figures for MLflow."""
        found = {"timing.spread": self.spread}
        for item in self.judged:
            figures = {"said": item.said, "came": item.came, "brier": item.brier, "slope": item.slope}
            found |= {f"timing.{name}_{item.days}": value for name, value in figures.items() if value == value}
        return found

    def save(self, folder: Path) -> None:
        """Write it into an empty folder, as data and not as code."""
        self.timing.save(folder)
        data = {"losses": self.losses, "quarters": [asdict(item) for item in self.quarters],
                "judged": [asdict(item) for item in self.judged],
                "backtests": [asdict(item) for item in self.backtests]}  # fmt: skip
        (folder / "outlook.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Outlook:
        """Read what `save` wrote."""
        data = json.loads((folder / "outlook.json").read_text())
        return cls(Timing.load(folder), tuple(PastQuarter(**item) for item in data["quarters"]),
                   tuple(Backtest(**item) for item in data["backtests"]), data["losses"],
                   tuple(Judged(**item) for item in data["judged"]))  # fmt: skip
