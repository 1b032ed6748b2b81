"""Against the simulated truth, on few deals, and where there is nothing to learn or too much to be true."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.results import ROOT, markdown, shared
from crm.importing import import_export
from crm.mapping import load_mapping, parse_mapping
from crm.schema import Known
from crm.simulate import simulate, write
from crm.store import Store
from crm.tables import DAY, CrmData, FloatArray, IntArray, micros
from features.history import History
from features.matrix import Snapshots, build_matrix, mondays, open_at
from features.registry import features_of
from models.metrics import auc, calibration_line
from models.uncertainty import LEVEL
from models.win import WinModel
from tests.training.outcomes import shuffled_outcomes
from training.gate import Refused
from training.run import Trained, train
from training.search import Search
from training.weights import Weighting

UNTIL = date(2026, 9, 30)
DEALS, SEED = 20_000, 1
TEST_WEEKS = 26
"""Weeks before the export that are scored; training ends where they begin."""
RECENT = 13 * 7 * DAY


@dataclass(frozen=True)
class Judged:
    """Scores of rows after the cut, beside the truth.

    Attributes:
        p: Win probabilities said, shape (n_rows,).
        truth: `p_observable`.
        lower: Lower end of the stated interval.
        upper: Its upper end.
    """

    p: FloatArray
    truth: FloatArray
    lower: FloatArray
    upper: FloatArray

    @property
    def error(self) -> float:
        """Mean absolute error."""
        return float(np.abs(self.p - self.truth).mean())

    @property
    def bias(self) -> float:
        """Mean error."""
        return float((self.p - self.truth).mean())

    @property
    def loss_ratio(self) -> float:
        """Expected log-loss under the truth, over the truth's own."""
        return _expected_loss(self.p, self.truth) / _expected_loss(self.truth, self.truth)

    @property
    def line(self) -> tuple[float, float]:
        """Calibration slope and intercept against the truth: each row is won with its true probability."""
        p = np.concatenate([self.p, self.p])
        won = np.repeat([1.0, 0.0], len(self.p))
        return calibration_line(p, won, np.concatenate([self.truth, 1 - self.truth]))

    @property
    def covered(self) -> float:
        """Share of rows whose interval holds the truth."""
        return float(((self.lower <= self.truth) & (self.truth <= self.upper)).mean())


def _expected_loss(p: FloatArray, truth: FloatArray) -> float:
    return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).mean())


def _imported(folder: Path) -> CrmData:
    with Store.open("sqlite://") as store:
        import_export([folder], load_mapping(folder / "mapping.toml"), store)
        return store.load()


def _rows_after(history: History, cut: int, end: int, truth: pd.DataFrame) -> tuple[Snapshots, FloatArray]:
    """Every deal open on a Monday in (cut, end], with its `p_observable`."""
    parts = [open_at(history, int(day)) for day in mondays(cut + 1, end + 1)]
    rows = Snapshots(np.concatenate([part.deal for part in parts]), np.concatenate([part.as_of for part in parts]))
    ids = np.array(history.deal_ids, dtype=object)[rows.deal]
    key = pd.MultiIndex.from_arrays([ids, rows.as_of])
    by_row = truth.assign(as_of=truth["as_of"].astype("int64")).set_index(["opportunity_id", "as_of"])["p_observable"]
    found = by_row.reindex(key).to_numpy(dtype=np.float64)
    known = ~np.isnan(found)
    return rows.take(known), found[known]


def _judged(history: History, model: WinModel, rows: Snapshots, truth: FloatArray) -> Judged:
    matrix = build_matrix(history, model.needed(features_of(history)), rows)
    explained = model.explain(matrix)
    return Judged(explained.p, truth, explained.lower, explained.upper)


def truth() -> str:
    """20,000 simulated deals: scores of 26 weeks after the cut against what could have been known at best."""
    crm = simulate(DEALS, SEED, until=UNTIL, weekly_truth=True)
    assert crm.weekly_truth is not None
    with tempfile.TemporaryDirectory() as folder:
        write(crm, Path(folder))
        data = _imported(Path(folder))
    end = micros(UNTIL)
    cut = end - TEST_WEEKS * 7 * DAY
    trained = train(data, cut=cut, threads=2)
    history = trained.data.history
    rows, observable = _rows_after(history, cut, end, crm.weekly_truth)
    found = _judged(history, trained.model, rows, observable)
    slope, intercept = found.line
    weekly = crm.weekly_truth.merge(_outcomes(history), on="opportunity_id")
    own = auc(weekly["p_observable"].to_numpy(), weekly["won"].to_numpy(dtype=np.float64))
    figures: list[list[object]] = [
        ["mean absolute error", f"{found.error:.4f}", "at most .04"],
        ["mean error", f"{found.bias:+.4f}", ""],
        ["expected log-loss, of the truth's", f"{found.loss_ratio:.4f}", "at most 1.03"],
        ["calibration slope", f"{slope:.3f}", ".95 to 1.05"],
        ["calibration intercept", f"{intercept:+.3f}", ""],
        [f"truth within lower..upper (stated {LEVEL:.0%})", f"{found.covered:.3f}", "within .03"],
        ["mean width of the interval", f"{(found.upper - found.lower).mean():.3f}", ""],
        ["AUC of p_observable on rows of closed deals", f"{own:.3f}", ".72 to .82"],
        ["win rate of closed deals", f"{_outcomes(history)['won'].mean():.3f}", ".20 to .35"],
    ]
    head = f"{DEALS:,} deals, cut {TEST_WEEKS} weeks before the export, {len(rows):,} rows scored.  {_named(trained)}"
    return f"{head}\n\n{markdown(['', 'measured', 'goal'], figures)}\n\n{_censoring(trained, crm.weekly_truth)}"


def _named(trained: Trained) -> str:
    return f"Recipe: {trained.choice.served.recipe.name}, calibration {trained.choice.served.calibration.kind}."


def _outcomes(history: History) -> pd.DataFrame:
    known = ~np.isnan(history.won)
    return pd.DataFrame({
        "opportunity_id": np.array(history.deal_ids, dtype=object)[known], "won": history.won[known],
    })  # fmt: skip


def _censoring(trained: Trained, weekly: pd.DataFrame) -> str:
    """What the chosen recipe does about open deals: bias on the last quarter before the cut, their rows included."""
    data, history = trained.data, trained.data.history
    rows, observable = _rows_after(history, data.cut - RECENT, data.cut - 1, weekly)
    matrix = build_matrix(history, data.features, rows)
    recipe = trained.choice.served.recipe
    every: IntArray = np.arange(len(data.rows), dtype=np.int64)
    search = Search(data, trained.folds, threads=2)
    lines: list[list[object]] = []
    half_life = recipe.weighting.half_life
    ways = {"left out": Weighting(half_life), "left out, censoring weights": Weighting(half_life, censoring=True),
            "learnt from (temporally consistent)": Weighting(half_life, consistent=True)}  # fmt: skip
    for name, weighting in ways.items():
        fitted = search.fit_recipe(dataclasses.replace(recipe, weighting=weighting), every, data.cut)
        p = 1 / (1 + np.exp(-fitted.margin(matrix)))
        lines.append([name, f"{(p - observable).mean():+.4f}", f"{np.abs(p - observable).mean():.4f}"])
    table = markdown(["open deals", "mean error", "mean absolute error"], lines)
    return f"Rows of the last 13 weeks before the cut, those of deals still open included:\n\n{table}"


def few_deals(sizes: Sequence[int] = (60, 200, 1_000), seeds: int = 20) -> str:
    """Simulated CRMs of few deals: refused, or not overconfident against the truth."""
    rows: list[list[object]] = []
    for size in sizes:
        refusals: dict[str, int] = {}
        slopes, ratios = [], []
        for seed in range(seeds):
            found = _few(size, seed)
            if isinstance(found, str):
                refusals[found] = refusals.get(found, 0) + 1
            else:
                slopes.append(found.line[0])
                ratios.append(found.loss_ratio)
        told = ", ".join(f"{n} x {reason}" for reason, n in refusals.items()) or "none"
        low = sum(slope < 0.8 for slope in slopes)
        shown = f"{min(slopes):.2f}, median {np.median(slopes):.2f}" if slopes else "none promoted"
        loss = f"{np.median(ratios):.3f}" if ratios else ""
        rows.append([f"{size:,}", told, len(slopes), shown, low, loss])
    head = ["deals", "refused", "promoted", "least slope", "slopes below .8", "median log-loss of the truth's"]
    return f"{seeds} seeds each, cut 13 weeks before the export.\n\n{markdown(head, rows)}"


def _few(size: int, seed: int) -> Judged | str:
    """Judged on the 13 weeks after the cut, or why it was refused."""
    end = micros(UNTIL)
    cut = end - 13 * 7 * DAY
    with tempfile.TemporaryDirectory() as folder:
        write(simulate(size, seed, until=UNTIL), Path(folder))
        data = _imported(Path(folder))
    try:
        trained = train(data, cut=cut)
    except Refused as refusal:
        return str(refusal).split(":")[0]
    if not trained.decision.promoted:
        return trained.decision.reason.split(":")[0]
    weekly = simulate(size, seed, until=UNTIL, weekly_truth=True).weekly_truth
    assert weekly is not None
    rows, observable = _rows_after(trained.data.history, cut, end, weekly)
    return _judged(trained.data.history, trained.model, rows, observable)


def refusals() -> str:
    """Data that hold nothing must be refused, and a field that knows the outcome must be named."""
    maven = ROOT / "benchmarks" / "mappings" / "maven_crm.toml"
    text = maven.read_text()
    crm = _maven(text)
    leaking = text.replace("[tables.opportunities.columns]", "[tables.opportunities.columns]\n" + MAVEN_LEAK, 1)
    with tempfile.TemporaryDirectory() as folder:
        write(simulate(4_000, SEED, until=UNTIL), Path(folder))
        simulated = _imported(Path(folder))
    planted = tuple(
        dataclasses.replace(item, known=Known.CREATED) if item.name == "close_plan_score" else item
        for item in simulated.attributes
    )
    cases = {
        "Maven, entry time": crm,
        "Maven, outcomes shuffled": shuffled_outcomes(crm),
        "simulated CRM of 4,000 deals, outcomes shuffled": shuffled_outcomes(simulated),
        "Maven, `close_value` mapped as known at entry": _maven(leaking),
        "simulated CRM, planted leak mapped as known at entry": dataclasses.replace(simulated, attributes=planted),
    }
    rows: list[list[object]] = [[name, _verdict(data)] for name, data in cases.items()]
    return markdown(["data", "verdict"], rows)


MAVEN_LEAK = 'amount = { from = "close_value", known = "created" }'


def _maven(text: str) -> CrmData:
    with Store.open("sqlite://") as store:
        import_export([shared("data/maven_crm")], parse_mapping(text, "maven_crm.toml"), store)
        return store.load()


def _verdict(crm: CrmData) -> str:
    try:
        decision = train(crm, threads=2).decision
    except Refused as refusal:
        return f"refused: {refusal}"
    return f"{'promoted' if decision.promoted else 'refused'}: {decision.reason}"
