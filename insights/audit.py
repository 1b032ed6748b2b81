"""The audit: what was said of deals, as it was kept, against what has happened since; and whether deals have changed.

Rows are deals at the moments of kept runs, of several runs in a week (Monday to Sunday, UTC) the last. Runs for a
moment before their model's training cut are left out: that model may have seen how the deals ended. Deals still open
are censored, not lost: each row whose deal has closed weighs 1 / G (`models.censoring`), so that those that took long
stand for those still open. Intervals come from resampling deals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crm.ledger import Rows, Run, rows_of, runs
from crm.store import Store
from crm.tables import Coded, FloatArray, moment
from features.history import History
from features.matrix import FeatureMatrix, default_as_of
from features.registry import features_of
from insights.breaches import THRESHOLDS, Breach, breaches_of
from insights.drift import MOST_ROWS, InputDrift, Population, RateDrift, input_drift, mix, rate_drift, reasons_psi
from insights.errors import NothingToTellError
from insights.judged import GROUPINGS, LEAST_DEALS, Slice, judged, slices, weekly
from models.metrics import Bin
from models.ranking import NAN
from models.scoring import WinVersion


@dataclass(frozen=True)
class Audit:
    """What was said against what happened, and how deals have changed.

    Attributes:
        since: First moment judged, in microseconds.
        until: Last moment judged.
        known_until: What happened at or after it is not known yet.
        n_runs: Runs judged.
        n_kept: Runs kept in that time, those left out included.
        versions: Versions of the model that said so.
        n_deals: Deals judged, those still open included.
        overall: Figures of all rows; None where too few deals have closed.
        bins: The reliability table; empty likewise.
        groups: Figures by grouping; slices of too few deals are left out.
        inputs: How each input moved; empty where no model tells what it learned from.
        reasons_psi: PSI of the reasons' mix; NaN likewise.
        win_rate: How the win rate moved; None where too little has closed.
        breaches: What is out of bounds.
        notes: What was left out, and why.
        simulated: Whether the store holds simulated data.
    """

    since: int
    until: int
    known_until: int
    n_runs: int
    n_kept: int
    versions: tuple[int, ...]
    n_deals: int
    overall: Slice | None
    bins: tuple[Bin, ...]
    groups: dict[str, tuple[Slice, ...]]
    inputs: tuple[InputDrift, ...]
    reasons_psi: float
    win_rate: RateDrift | None
    breaches: tuple[Breach, ...]
    notes: tuple[str, ...]
    simulated: bool

    def to_json(self) -> dict[str, Any]:
        """As plain data; moments as ISO 8601, what cannot be told as null."""
        told = {name: moment(getattr(self, name)).isoformat() for name in ("since", "until", "known_until")}
        plain: dict[str, Any] = _no_nan({**asdict(self), **told, "thresholds": asdict(THRESHOLDS)})
        return plain

    def metrics(self) -> dict[str, float]:
        """Its figures for MLflow."""
        found = {"audit.breaches": float(len(self.breaches)), "audit.reasons_psi": self.reasons_psi}
        if self.overall is not None:
            one = self.overall
            found |= {"audit.gap": one.gap.mean, "audit.slope": one.slope.mean, "audit.intercept": one.intercept.mean,
                      "audit.ece": one.metrics.ece, "audit.log_loss": one.metrics.log_loss,
                      "audit.closed_deals": float(one.n_deals)}  # fmt: skip
        if self.win_rate is not None:
            found |= {"audit.win_rate": self.win_rate.after, "audit.win_rate_psi": self.win_rate.psi}
        found |= {f"audit.psi.{item.feature}": item.psi for item in self.inputs if not item.clock}
        found |= {f"audit.breach.{item.metric}": item.value for item in self.breaches}
        return {name: value for name, value in found.items() if not np.isnan(value)}


def _no_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _no_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def audit(
    store: Store, history: History, model: WinVersion | None, *, since: int | None = None, by: Sequence[str] = GROUPINGS
) -> Audit:  # fmt: skip
    """Judge the scores that were kept.

    Args:
        store: Where they are kept.
        history: The store's deals, as they are known now.
        model: The model of the newest run, whose inputs are held against what it learned from; None where it is not at
            hand.
        since: First moment to judge, in microseconds; by default from the first on.
        by: Groupings to tell, of `GROUPINGS`.

    Raises:
        NothingToTellError: Nothing was kept, or nothing that can be judged, or the export has no dates.
    """
    if history.crm.process.time_basis != "dates":
        raise NothingToTellError("an export without dates cannot be audited: nothing tells when a deal was scored "
                                 "and when it closed")  # fmt: skip
    kept = runs(store, since=since)
    if not kept:
        when = "" if since is None else f" for {moment(since):%Y-%m-%d} or later"
        raise NothingToTellError(f"no scores were kept{when} yet: `wonlost score` keeps them")
    honest = [run for run in kept if not run.made.in_sample]
    if not honest:
        raise NothingToTellError(
            f"all {len(kept)} runs that were kept are for moments before their model's training cut, so they prove "
            "nothing: score later days, or train with an earlier --as-of"
        )
    chosen = weekly(honest)
    cut = default_as_of(history.crm)
    rows, notes = judged(store, history, chosen, cut)
    if len(honest) < len(kept):
        notes.append(f"{len(kept) - len(honest)} in-sample runs were left out: their model may have seen the outcomes")
    everyone = np.ones(len(rows.deal), dtype=bool)
    overall = rows.slice("all", everyone)
    if overall is None:
        n = len(np.unique(rows.deal[rows.closed]))
        notes.append(f"calibration is not told: {n} of the deals scored have closed since; it takes {LEAST_DEALS}, "
                     "and both outcomes")  # fmt: skip
    groups = {name: slices(rows, rows.groups[name]) for name in by if name in rows.groups}
    newest = honest[-1]
    inputs, mixed, rate = _drift(store, history, newest, model, cut, notes)
    breaches = breaches_of(overall, groups, inputs, mixed, rate)
    return Audit(
        chosen[0].made.as_of, chosen[-1].made.as_of, cut, len(chosen), len(kept),
        tuple(sorted({run.made.model_version for run in chosen})), len(np.unique(rows.deal)), overall,
        rows.bins() if overall is not None else (), groups, tuple(inputs), mixed, rate, breaches, tuple(notes),
        history.crm.process.simulated,
    )  # fmt: skip


def _drift(
    store: Store, history: History, newest: Run, model: WinVersion | None, cut: int, notes: list[str]
) -> tuple[list[InputDrift], float, RateDrift | None]:  # fmt: skip
    """How inputs, reasons and the win rate moved since the newest run's model was trained."""
    trained = newest.facts.get("trained_before")
    if trained is None or not newest.n:
        notes.append("drift is not told: no deal was open at the newest run")
        return [], NAN, None
    rate = rate_drift(history, trained, cut)
    if model is None or model.digest != newest.made.model_digest:
        notes.append(f"drift of inputs is not told: version {newest.made.model_version}, which made the newest run, "
                     "is not at hand")  # fmt: skip
        return [], NAN, rate
    old = Population.before(history, trained, model.loaded.read(features_of(history)))
    if not len(old.pairs):
        notes.append("drift of inputs is not told: no deal was open in the year before the training cut")
        return [], NAN, rate
    matrix, contributions, names = _newest(rows_of(store, newest))
    share = dict(zip(names, mix(contributions).tolist(), strict=True))
    labels = {item["name"]: item["label"] for item in newest.facts["inputs"]}
    return input_drift(old, matrix, labels, share), reasons_psi(old, contributions, model), rate


def _newest(parts: Iterable[Rows]) -> tuple[FeatureMatrix, FloatArray, tuple[str, ...]]:
    """Inputs and contributions of a run, at most `MOST_ROWS` deals of it."""
    found = list(parts)
    step = max(-(-sum(map(len, found)) // MOST_ROWS), 1)
    found = [part.take(np.arange(0, len(part), step, dtype=np.int64)) for part in found]
    columns: dict[str, FloatArray | Coded] = {}
    for name, first in found[0].values.items():
        if isinstance(first, Coded):
            columns[name] = Coded.of([text for part in found for text in _texts(part, name)])
        else:
            columns[name] = np.concatenate([_numbers(part, name) for part in found])
    return (FeatureMatrix(columns, sum(map(len, found))), np.concatenate([part.contributions for part in found]),
            found[0].names)  # fmt: skip


def _texts(part: Rows, name: str) -> list[str]:
    column = part.values[name]
    assert isinstance(column, Coded)
    texts: list[str] = column.strings().tolist()
    return texts


def _numbers(part: Rows, name: str) -> FloatArray:
    column = part.values[name]
    assert not isinstance(column, Coded)
    return column


