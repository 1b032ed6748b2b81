"""How good a run's probabilities are, beside the baselines, overall and by stage and by age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from crm.tables import Coded, FloatArray, IntArray
from models.metrics import Interval, Metrics, age_bands, auc, bootstrap_mean, by_group, row_log_loss

LEAST_ROWS = 20
MODEL = "model"
SIMILAR = (0, 10, 30, 100, 300, 1_000, 3_000, 1_000_000_000)
"""Edges between numbers of similar deals, each counted with the line above it."""
CHAMPION = "champion's recipe"


@dataclass(frozen=True)
class Tested:
    """Out-of-sample rows with every probability, in order of origin; kept with the run as `out_of_sample.parquet`.

    Attributes:
        deal_ids: Id of each row's deal, shape (n_rows,).
        as_of: Microseconds.
        fold: Number of the origin.
        deal: Code of the deal, for resampling.
        won: 1 or 0.
        stage: Stage at as_of, all missing where there are none.
        age_days: Age at as_of, NaN where there are no dates.
        segment: Segment of the deal or of its account at as_of, all missing where there is none.
        weight: What each row stands for among rows of open deals; ones without dates.
        lower: Lower end of the model's interval for the true probability (`models.uncertainty`).
        upper: Its upper end.
        similar: Closed deals once seen in the same stage and age band.
        p: Probabilities by name: `model`, the champion's recipe where there is one, and each baseline and candidate.
    """

    deal_ids: tuple[str, ...]
    as_of: IntArray
    fold: IntArray
    deal: IntArray
    won: FloatArray
    stage: Coded
    age_days: FloatArray
    segment: Coded
    weight: FloatArray
    lower: FloatArray
    upper: FloatArray
    similar: FloatArray
    p: Mapping[str, FloatArray]

    @property
    def groups(self) -> dict[str, Coded]:
        """Groupings of the rows that people look at, by name."""
        return {"stage": self.stage, "age": age_bands(self.age_days), "segment": self.segment}

    def frame(self) -> pd.DataFrame:
        """As a table: one row per (opportunity_id, as_of), probabilities in columns."""
        data: dict[str, object] = {
            "opportunity_id": list(self.deal_ids),
            "as_of": pd.to_datetime(pd.Series(self.as_of.view("M8[us]"))).dt.tz_localize("UTC"),
            "fold": self.fold,
            "won": self.won,
            "stage": self.stage.strings(),
            "age_days": self.age_days,
            "segment": self.segment.strings(),
            "weight": self.weight,
            "lower": self.lower,
            "upper": self.upper,
            "similar": self.similar,
        }
        return pd.DataFrame(data | dict(self.p))


@dataclass(frozen=True)
class Report:
    """Figures of a run.

    Attributes:
        overall: By `model`, champion, baseline and candidate, each row counting once.
        weighted: The same, each row counting for the rows of open deals that it stands for (`FollowUp`).
        widths: Mean width of the model's interval by number of similar deals.
        groups: By grouping (`stage`, `age`, `segment`), then as in `overall`, then by group; small groups are left out.
    """

    overall: dict[str, Metrics]
    weighted: dict[str, Metrics]
    widths: list[Width]
    groups: dict[str, dict[str, dict[str, Metrics]]]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Width:
    """How wide the model's intervals are where so many similar deals had closed.

    Attributes:
        least: Fewest similar deals.
        most: Most of them; None for the last line.
        n: Rows.
        width: Mean of upper - lower.
    """

    least: int
    most: int | None
    n: int
    width: float


def widths(tested: Tested) -> list[Width]:
    """Mean width of the intervals by number of similar deals; lines without rows are left out."""
    found = []
    for least, most in pairwise(SIMILAR):
        rows = (tested.similar >= least) & (tested.similar < most)
        if rows.any():
            mean = float((tested.upper - tested.lower)[rows].mean())
            found.append(Width(least, None if most == SIMILAR[-1] else most - 1, int(rows.sum()), mean))
    return found


def evaluate(tested: Tested) -> Report:
    """Figures of all probabilities of a run."""
    base, won = tested.p["base rate"], tested.won

    def deals_of(name: str) -> IntArray | None:
        return tested.deal if name == MODEL else None  # an interval costs a second

    return Report(
        overall={name: Metrics.of(p, won, deal=deals_of(name), reference=base) for name, p in tested.p.items()},
        weighted={name: Metrics.of(p, won, weight=tested.weight, reference=base) for name, p in tested.p.items()},
        widths=widths(tested),
        groups={
            title: {name: by_group(p, won, group, LEAST_ROWS, reference=base) for name, p in tested.p.items()}
            for title, group in tested.groups.items()
        },
    )


@dataclass(frozen=True)
class Compared:
    """Two runs on the rows that both predicted out of sample.

    Attributes:
        n: Rows in common.
        gain: Log-loss of the second run less the first's, with its interval over deals; above zero, the first is
            better.
        groups: By `stage` and `age`: rows, and both log-losses and AUCs.
    """

    n: int
    gain: Interval
    groups: dict[str, pd.DataFrame]


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Compared:
    """Compare two runs' out-of-sample tables (`Tested.frame`), by stage and by age.

    Args:
        first: Rows of the new run.
        second: Rows of the champion's run.
    """
    both = first.merge(second[["opportunity_id", "as_of", MODEL]], on=["opportunity_id", "as_of"],
                       suffixes=("", "_other"))  # fmt: skip
    won = both["won"].to_numpy(dtype=np.float64)
    ours, theirs = both[MODEL].to_numpy(dtype=np.float64), both[f"{MODEL}_other"].to_numpy(dtype=np.float64)
    deal = pd.factorize(both["opportunity_id"])[0].astype(np.int64)
    ages = age_bands(both["age_days"].to_numpy(dtype=np.float64))
    groups = {}
    for name, group in (("stage", Coded.of(both["stage"].tolist())), ("age", ages)):
        lines = []
        for code, level in enumerate(group.levels):
            rows = group.codes == code
            if rows.sum() >= LEAST_ROWS:
                lines.append({
                    name: level, "rows": int(rows.sum()),
                    "log-loss": row_log_loss(ours[rows], won[rows]).mean(),
                    "log-loss of the other": row_log_loss(theirs[rows], won[rows]).mean(),
                    "AUC": auc(ours[rows], won[rows]), "AUC of the other": auc(theirs[rows], won[rows]),
                })  # fmt: skip
        groups[name] = pd.DataFrame(lines)
    gain = bootstrap_mean(row_log_loss(theirs, won) - row_log_loss(ours, won), deal)
    return Compared(len(both), gain, groups)
