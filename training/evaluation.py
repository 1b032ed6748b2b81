"""How good a run's probabilities are, beside the baselines, overall and by stage and by age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm.tables import Coded, FloatArray, IntArray
from models.metrics import Interval, Metrics, age_bands, auc, bootstrap_mean, by_group, row_log_loss

LEAST_ROWS = 20
MODEL = "model"


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
        p: Probabilities by name: `model`, and each baseline and candidate.
    """

    deal_ids: tuple[str, ...]
    as_of: IntArray
    fold: IntArray
    deal: IntArray
    won: FloatArray
    stage: Coded
    age_days: FloatArray
    p: Mapping[str, FloatArray]

    def frame(self) -> pd.DataFrame:
        """As a table: one row per (opportunity_id, as_of), probabilities in columns."""
        data: dict[str, object] = {
            "opportunity_id": list(self.deal_ids),
            "as_of": pd.to_datetime(pd.Series(self.as_of.view("M8[us]"))).dt.tz_localize("UTC"),
            "fold": self.fold,
            "won": self.won,
            "stage": self.stage.strings(),
            "age_days": self.age_days,
        }
        return pd.DataFrame(data | dict(self.p))


@dataclass(frozen=True)
class Report:
    """Figures of a run.

    Attributes:
        overall: By `model`, baseline and candidate.
        by_stage: Of the model and the stage x age table, by stage.
        by_age: The same, by age band.
        gain_on_table: Log-loss of stage x age less the model's, with its interval over deals.
    """

    overall: dict[str, Metrics]
    by_stage: dict[str, dict[str, Metrics]]
    by_age: dict[str, dict[str, Metrics]]
    gain_on_table: Interval

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def evaluate(tested: Tested) -> Report:
    """Figures of all probabilities of a run."""
    shown = (MODEL, "stage x age")
    ages = age_bands(tested.age_days)
    table = row_log_loss(tested.p["stage x age"], tested.won)
    return Report(
        overall={name: Metrics.of(p, tested.won) for name, p in tested.p.items()},
        by_stage={name: by_group(tested.p[name], tested.won, tested.stage, LEAST_ROWS) for name in shown},
        by_age={name: by_group(tested.p[name], tested.won, ages, LEAST_ROWS) for name in shown},
        gain_on_table=bootstrap_mean(table - row_log_loss(tested.p[MODEL], tested.won), tested.deal),
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
    for name, group in (("stage", Coded.of(both["stage"])), ("age", ages)):
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
