"""The audit: honest scores pass, dishonest ones do not, and what is still open counts as neither won nor lost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from crm.ledger import Keeping, Made, Rows, runs
from crm.store import Store
from crm.tables import DAY, Coded, CrmData, FloatArray, Process, micros
from features.history import History
from features.registry import features_of
from insights.audit import audit
from insights.breaches import breaches_of
from insights.drift import InputDrift, RateDrift
from insights.errors import NothingToTellError
from insights.judged import LEAST_DEALS, Judged, judged, slices, weekly
from models.estimator import log_odds
from tests.features.small import crm_of
from tests.insights.conftest import Company, Keep

pytestmark = pytest.mark.slow

FIRST = date(2024, 1, 1)
QUICK, SLOW = 9, 61
N = 1_500
CREATED = np.random.default_rng(1).integers(0, 250, N)
IS_SLOW = np.random.default_rng(2).random(N) < 0.5
WON = np.random.default_rng(3).random(N) < np.where(IS_SLOW, 0.2, 0.8)
END = 250


def quick_and_slow(end: int = END) -> CrmData:
    """Deals that take 9 days and are won in 80 % of cases, or take 61 and are won in 20 %, as known on a day."""
    lines = ["opportunity_id|created_at|closed_at|stage|outcome|owner_id"]
    for deal in range(N):
        closes = CREATED[deal] + (SLOW if IS_SLOW[deal] else QUICK)
        if CREATED[deal] >= end:
            continue
        created = FIRST + timedelta(days=int(CREATED[deal]))
        if closes < end:
            outcome = "won" if WON[deal] else "lost"
            closed = FIRST + timedelta(days=int(closes))
            lines.append(f"D{deal:05d}|{created}|{closed}|{outcome.title()}|{outcome}|U{deal % 3}")
        else:
            lines.append(f"D{deal:05d}|{created}||Open||U{deal % 3}")
    users = "user_id|team\nU0|North\nU1|South\nU2|"
    return crm_of({"opportunities": "\n".join(lines), "users": users})


def honest(age: FloatArray) -> FloatArray:
    """The true win probability of an open deal: slow for sure once it is older than the quick ones get."""
    return np.where(age >= QUICK, 0.2, 0.5)


def said(
    store: Store, crm: CrmData, days: range, probability: Callable[[FloatArray], FloatArray] = honest
) -> None:
    """Keeps scores of all deals open on some days."""
    history = History(crm)
    for day in days:
        as_of = micros(FIRST) + day * DAY
        everyone = np.arange(history.n_deals, dtype=np.int64)
        deals = everyone[history.is_open(everyone, np.full(history.n_deals, as_of, dtype=np.int64))]
        p = probability((as_of - history.created[deals]) / DAY)
        keeping = Keeping(store, Made(as_of, 0, 1, "d", False))
        keeping.add(Rows(tuple(history.deal_ids[deal] for deal in deals), p, p, p), {"trained_before": micros(FIRST)})
        keeping.finish()


WEEKS = range(70, END, 7)


@pytest.fixture
def empty() -> Store:
    return Store.open("sqlite://")


def test_open_deals_are_censored_not_lost(empty: Store) -> None:
    crm = quick_and_slow()
    said(empty, crm, range(180, END, 7))
    found = audit(empty, History(crm), None, by=())
    assert found.overall is not None
    assert found.overall.n_open > 100
    assert abs(found.overall.gap.mean) < 0.03
    assert found.breaches == ()
    rows, _ = judged(empty, History(crm), runs(empty), micros(FIRST) + END * DAY)
    unweighted = float((rows.won - rows.p)[rows.closed].mean())
    as_lost = float((np.nan_to_num(rows.won) - rows.p).mean())
    assert unweighted > 0.05, "quick deals are won more often, and of new rows only the quick ones have closed"
    assert as_lost < -0.05


def test_dishonest_scores_are_breaches_with_the_advice(empty: Store) -> None:
    crm = quick_and_slow()
    said(empty, crm, WEEKS, lambda age: np.where(age >= QUICK, 0.02, 0.9))
    found = audit(empty, History(crm), None, by=())
    names = {item.metric for item in found.breaches}
    assert "ece" in names
    assert any(item.sentence.startswith("calibration error") for item in found.breaches)
    metrics = found.metrics()
    assert metrics["audit.breaches"] == len(found.breaches) > 0
    assert metrics["audit.breach.ece"] > 0.05


def test_what_happens_later_changes_neither_what_was_said_nor_when_it_was_known(empty: Store) -> None:
    early, late = quick_and_slow(150), quick_and_slow(END)
    said(empty, early, range(70, 150, 7))
    before, after = (audit(empty, History(crm), None, by=()) for crm in (early, late))
    assert before.n_deals == after.n_deals
    assert before.overall is not None
    assert after.overall is not None
    assert after.overall.n_open < before.overall.n_open
    assert after.overall.n_deals > before.overall.n_deals
    rows = [judged(empty, History(crm), runs(empty), micros(FIRST) + 250 * DAY)[0] for crm in (early, late)]
    assert np.array_equal(rows[0].p, rows[1].p)
    known = rows[0].closed
    assert np.array_equal(rows[0].won[known], rows[1].won[known])


def test_groups_by_team_time_and_version(empty: Store) -> None:
    crm = quick_and_slow()
    said(empty, crm, WEEKS)
    found = audit(empty, History(crm), None)
    assert [item.name for item in found.groups["team"]] == ["North", "South"], "a team without a name is in none"
    assert [item.name for item in found.groups["time"]] == ["2024Q1", "2024Q2", "2024Q3"]
    assert [item.name for item in found.groups["version"]] == ["version 1"]
    assert found.groups["stage"] == ()
    assert "there are no figures by stage: the data do not tell it" in found.notes
    assert list(audit(empty, History(crm), None, by=["time"]).groups) == ["time"]
    north = found.groups["team"][0]
    history = History(crm)
    rows, _ = judged(empty, history, runs(empty), found.known_until)
    mine = np.array([int(history.deal_ids[deal][1:]) % 3 == 0 for deal in rows.deal])
    assert north.n_rows == (mine & rows.closed).sum()


def test_of_several_runs_in_a_week_the_last_counts(empty: Store) -> None:
    crm = quick_and_slow()
    said(empty, crm, range(70, 100))
    chosen = weekly(runs(empty))
    assert len(runs(empty)) == 30
    days = [(run.made.as_of - micros(FIRST)) // DAY for run in chosen]
    assert days == [76, 83, 90, 97, 99]  # 2024-01-01 was a Monday, so day 76 is a Sunday
    assert audit(empty, History(crm), None, by=()).n_runs == 5


def test_since_leaves_earlier_scores_out(empty: Store) -> None:
    crm = quick_and_slow()
    said(empty, crm, WEEKS)
    start = micros(FIRST) + 140 * DAY
    found = audit(empty, History(crm), None, since=start, by=())
    assert found.since == start
    assert found.n_runs == len(range(140, END, 7))


def test_scores_of_deals_that_are_gone_or_had_closed_are_left_out_and_told(empty: Store) -> None:
    crm = quick_and_slow()
    said(empty, crm, range(100, 107, 7))
    whole = audit(empty, History(crm), None, by=())
    deals = crm.tables["opportunities"]
    ids = deals["opportunity_id"]
    assert isinstance(ids, Coded)
    keep = np.flatnonzero(np.arange(len(ids)) % 2 == 0)
    fewer = {name: values.take(keep) if isinstance(values, Coded) else values[keep] for name, values in deals.items()}
    half = audit(empty, History(dataclasses.replace(crm, tables={**crm.tables, "opportunities": fewer})), None)
    assert half.n_deals < whole.n_deals
    assert any("the store no longer holds" in note for note in half.notes)
    closed = np.asarray(deals["closed_at"]).copy()
    closed[:] = np.where(closed > 0, micros(FIRST) + 90 * DAY, closed)
    backdated = dataclasses.replace(crm, tables={**crm.tables, "opportunities": {**deals, "closed_at": closed}})
    found = audit(empty, History(backdated), None)
    assert any("their deals were not open then" in note for note in found.notes)


@pytest.mark.parametrize("form", ["json", "metrics"])
def test_what_cannot_be_told_is_null_or_left_out(empty: Store, form: str) -> None:
    crm = quick_and_slow(71)
    said(empty, crm, range(70, 71))
    found = audit(empty, History(crm), None)
    assert found.overall is None
    assert any(f"it takes {LEAST_DEALS}" in note for note in found.notes)
    if form == "json":
        plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
        assert plain["overall"] is None
        assert plain["reasons_psi"] is None
        assert plain["since"] == "2024-03-11T00:00:00+00:00"
    else:
        assert set(found.metrics()) >= {"audit.breaches"}
        assert all(np.isfinite(value) for value in found.metrics().values())


def test_nothing_to_audit_ends_in_one_clear_sentence(company: Company, store: Store, keep: Keep) -> None:
    with pytest.raises(NothingToTellError, match="no scores were kept yet: `wonlost score` keeps them"):
        audit(store, company.history, None)
    keep("2024-06-03")
    with pytest.raises(NothingToTellError, match="all 1 runs that were kept are for moments before their model's"):
        audit(store, company.history, None)
    with pytest.raises(NothingToTellError, match="no scores were kept for 2025-01-01 or later yet"):
        audit(store, company.history, None, since=micros("2025-01-01"))
    undated = History(crm_of({"opportunities": "opportunity_id|outcome\na|won"}, process=Process(time_basis="none")))
    with pytest.raises(NothingToTellError, match="an export without dates cannot be audited"):
        audit(store, undated, None)


def test_a_whole_company(company: Company, store: Store, keep: Keep) -> None:
    keep("2024-06-03")
    for day in ("2024-07-01", "2024-08-05", "2024-09-02", "2024-10-07", "2024-11-04"):
        keep(day)
    found = audit(store, company.history, company.models[1])
    assert (found.n_runs, found.n_kept, found.versions, found.simulated) == (5, 6, (1,), True)
    assert "1 in-sample runs were left out" in found.notes[-1]
    assert found.overall is not None
    assert found.overall.slope.lower < found.overall.slope.mean < found.overall.slope.upper
    assert len(found.bins) == 10
    assert {item.name for item in found.groups["stage"]} <= set(company.crm.process.stages)
    assert found.groups["stage"]
    read = company.models[1].loaded.read(features_of(company.history))
    assert {item.feature for item in found.inputs} == {item.name for item in read}
    assert sum(item.share for item in found.inputs) == pytest.approx(1)
    other = audit(store, company.history, company.models[2])
    assert other.inputs == ()
    assert any("version 1, which made the newest run, is not at hand" in note for note in other.notes)


# -- what is a breach --------------------------------------------------------------------------------------------------


def rows_with(said_at: FloatArray, true: FloatArray, seed: int = 0) -> Judged:
    n = len(said_at)
    won = (np.random.default_rng(seed).random(n) < true).astype(np.float64)
    return Judged(np.arange(n), np.zeros(n, dtype=np.int64), said_at, won, np.ones(n),
                  {"team": Coded((np.arange(n) % 2).astype(np.int32), ("a", "b"))})  # fmt: skip


def metrics_of(rows: Judged) -> set[str]:
    everyone = np.ones(len(rows.p), dtype=bool)
    teams = slices(rows, rows.groups["team"])
    found = breaches_of(rows.slice("all", everyone), {"team": teams}, [], float("nan"), None)
    return {item.metric for item in found}


def logistic(margin: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-margin)))


def test_honest_probabilities_are_no_breach() -> None:
    p = np.random.default_rng(44).uniform(0.05, 0.95, 2_000)
    assert sum(bool(metrics_of(rows_with(p, p, seed))) for seed in range(6)) == 0


def test_bold_timid_and_biased_probabilities_are() -> None:
    p = np.random.default_rng(44).uniform(0.05, 0.95, 2_000)
    z = log_odds(p)
    assert "slope" in metrics_of(rows_with(p, logistic(0.5 * z)))
    assert "slope" in metrics_of(rows_with(p, logistic(2.0 * z)))
    assert {"gap", "ece"} <= metrics_of(rows_with(p, logistic(z - 1.0)))


def test_one_team_that_is_told_too_much_is_named() -> None:
    p = np.full(2_000, 0.5)
    true = np.where(np.arange(2_000) % 2 == 0, 0.35, 0.65)
    assert metrics_of(rows_with(p, true)) == {"gap.team.a", "gap.team.b"}


def test_few_deals_are_no_breach_however_far_off() -> None:
    assert metrics_of(rows_with(np.full(LEAST_DEALS, 0.5), np.full(LEAST_DEALS, 0.35), 1)) == set()
    assert rows_with(np.full(LEAST_DEALS - 1, 0.5), np.full(LEAST_DEALS - 1, 0.5)).slice(
        "few", np.ones(LEAST_DEALS - 1, dtype=bool)) is None  # fmt: skip


def test_drift_counts_if_it_is_large_beyond_chance_weighty_and_no_clock() -> None:
    moved = InputDrift("x", "size", 0.4, 0.1, 0.2, False)
    calm = [dataclasses.replace(moved, psi=0.2), dataclasses.replace(moved, chance=0.5),
            dataclasses.replace(moved, share=0.01), dataclasses.replace(moved, clock=True)]  # fmt: skip
    found = breaches_of(None, {}, [moved, *calm], 0.3, RateDrift(0.3, 500, 0.5, 500, 0.17, 0.02))
    assert [item.metric for item in found] == ["psi.x", "reasons_psi", "win_rate_psi"]
    assert "size: deals look different" in found[0].sentence
    assert breaches_of(None, {}, [], 0.2, RateDrift(0.3, 9, 0.5, 9, 0.17, 2.4)) == ()
