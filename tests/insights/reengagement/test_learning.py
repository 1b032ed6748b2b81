"""What the history teaches: the prior that fades, the model that takes over, amounts, waits and kept queues."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crm.simulate import simulate
from crm.tables import DAY, Coded, FloatArray, IntArray, micros
from features.history import History
from features.matrix import FeatureMatrix
from features.records import NEVER
from insights.money import Rates
from insights.reengagement.amounts import PSEUDO_PAIRS, AmountLine, relative, usual_amounts
from insights.reengagement.keeping import kept, queue_key
from insights.reengagement.landmarks import Landmarks, landmarks, month_starts, months_later
from insights.reengagement.lessons import USUAL_LAG, Business, Lessons
from insights.reengagement.levels import Moment, calibrated, drift_of, level_of, slope_of
from insights.reengagement.losses import Accounts, Lost
from insights.reengagement.model import PRIOR, fit, past_moments
from insights.reengagement.options import Options
from insights.reengagement.prior import USUAL_RATE, Prior
from insights.reengagement.queue import learn, make_queue
from insights.reengagement.reasons import Reader
from insights.reengagement.rows import Queue
from insights.reengagement.twosteps import fit_steps
from tests.insights.reengagement.simulated import imported
from tests.insights.reengagement.small import DEALS, TAXONOMY, company

HEAD, LOST = DEALS.strip().splitlines()
NOBODY = np.zeros(100, dtype=bool)


# -- landmarks ---------------------------------------------------------------------------------------------------------


def rows_of(*lines: str, end: str = "2026-06-01", horizon: int = 6) -> tuple[Accounts, Landmarks]:
    accounts = Accounts(History(company("\n".join([HEAD, LOST, *lines]))), Options())
    return accounts, landmarks(accounts, micros(end), horizon, NOBODY[: accounts.history.n_deals])


def test_a_row_on_the_first_of_each_month_after_the_rest() -> None:
    _, rows = rows_of()
    assert rows.lost.as_of[0] == micros("2025-04-01")
    assert len(rows) == 15
    assert rows.won_back().sum() == 0
    assert rows.followed(micros("2026-06-01")).sum() == 9  # April to December 2025


def test_only_new_business_entered_after_the_landmark_counts() -> None:
    won = "won | 2025-06-15 | 2025-08-20 | won | A | U1 | 10 | EUR | | new"
    _, rows = rows_of(won)
    told = dict(zip(rows.lost.as_of.tolist(), rows.won_back().tolist(), strict=True))
    assert told == {  # from July on the deal was open already; from September on the account had won
        micros("2025-04-01"): 1.0, micros("2025-05-01"): 1.0, micros("2025-06-01"): 1.0, micros("2025-07-01"): 0.0,
        micros("2025-08-01"): 0.0,
    }  # fmt: skip
    assert rows.accounts_won_back() == 1
    _, rows = rows_of(won.replace("| new", "| Renewal"))
    assert rows.won_back().sum() == 0
    _, rows = rows_of(won.replace("2025-08-20", "2026-02-20"))
    assert rows.won_back().sum() == 0  # won, but after six months


def test_what_was_won_or_entered_at_the_end_or_later_is_not_known() -> None:
    won = "won | 2025-06-15 | 2025-08-20 | won | A | U1 | 10 | EUR | | new"
    entered = rows_of(won)[1].entered_at
    assert set(entered[:3].tolist()) == {micros("2025-06-15")}
    assert entered[3] == NEVER
    assert set(rows_of(won, end="2025-06-15")[1].entered_at.tolist()) == {NEVER}
    assert set(rows_of(won.replace("| new", "| Renewal"))[1].entered_at.tolist()) == {NEVER}
    assert rows_of(won, end="2025-08-20")[1].won_back().sum() == 0
    assert rows_of(won, end="2025-08-21")[1].won_back().sum() == 3


def test_months() -> None:
    found = month_starts(micros("2025-01-31"), micros("2025-03-01"))
    assert found.tolist() == [micros("2025-02-01"), micros("2025-03-01")]
    assert month_starts(micros("2025-01-31"), micros("2025-01-31")).tolist() == []
    later = months_later(np.array([micros("2025-08-31"), micros("2025-12-01")]), 6)
    assert later.tolist() == [micros("2026-02-28"), micros("2026-06-01")]


# -- the prior ---------------------------------------------------------------------------------------------------------


def made_up(n: int, won_share: float, *, months: int = 12, seed: int = 0) -> tuple[Lessons, FloatArray]:
    """n accounts over 48 months that come back more often where x is high, and win more where z is; and the truth.

    Of those that come back a half is won on average, so that `won_share` is about the share won back.
    """
    rng = np.random.default_rng(seed)
    first = month_starts(micros("2020-01-01"), micros("2024-01-01"))
    account: IntArray = np.repeat(np.arange(n, dtype=np.int64), 4)
    as_of = first[rng.integers(0, len(first), 4 * n)]
    order = np.lexsort((as_of, account))
    as_of = as_of[order]
    x, z = (np.repeat(rng.standard_normal(n), 4) for _ in range(2))
    returns, wins = 1 / (1 + np.exp(-(np.log(2 * won_share / (1 - 2 * won_share)) + 1.5 * x))), 1 / (1 + np.exp(-z))
    end = micros("2024-06-01")
    entered = as_of + (rng.random(4 * n) * 200 * DAY).astype(np.int64)
    came = rng.random(4 * n) < returns
    won = came & (rng.random(4 * n) < wins)
    closed = entered + 90 * DAY
    won_at = np.where(won & (closed < end), closed, NEVER)
    lost = Lost(account, account, as_of - 100 * DAY, as_of)
    rows = Landmarks(lost, won_at, np.where(came & (entered < end), entered, NEVER), months_later(as_of, months), end)
    matrix = FeatureMatrix({
        "x": x, "z": z, "days_since_loss": np.full(4 * n, 100.0), "loss_reason": Coded.of(["price_value"] * (4 * n)),
    }, 4 * n)  # fmt: skip
    ended = np.flatnonzero(came & (closed < end))
    business = Business(account[ended], closed[ended], won[ended].astype(np.float64), np.full(len(ended), 90.0),
                        FeatureMatrix({"z": z[ended]}, len(ended)))  # fmt: skip
    return Lessons(rows, matrix, business, months), returns * wins


NONE = np.zeros(0, dtype=np.int64)
NO_MATRIX = FeatureMatrix({"loss_reason": Coded.of([])}, 0)
NOTHING = Lessons(Landmarks(Lost(NONE, NONE, NONE, NONE), NONE, NONE, NONE, 0), NO_MATRIX,
                  Business(NONE, NONE, NONE.astype(np.float64), NONE.astype(np.float64), NO_MATRIX), 12)  # fmt: skip


def test_before_any_history_the_prior_is_the_hand_set_rate() -> None:
    prior = Prior.learn(TAXONOMY, NOTHING)
    days = np.array([100.0, 100.0, 100.0, 2000.0])
    reason = Coded.of(["price_value", "timing_deferred", None, "price_value"])
    p, lower, upper = prior.predict(days, reason, 12)
    assert (lower < p).all()
    assert (p < upper).all()
    years = 1 - USUAL_LAG / 365.25  # what is entered later is not won in time
    assert p[3] == pytest.approx(1 - (40 / (40 + years)) ** (40 * 0.8 * USUAL_RATE), rel=1e-6)  # all of it lies after
    assert p[0] > p[3]
    p6, p18 = (prior.predict(days, reason, months)[0] for months in (6, 18))
    assert (p6 < p).all()
    assert (p < p18).all()


def test_the_prior_fades_as_years_gather() -> None:
    said = []
    for n in (5, 50, 5000):
        lessons, _ = made_up(n, 0.3)
        prior = Prior.learn(TAXONOMY, lessons)
        said.append(float(prior.predict(np.array([100.0]), Coded.of(["price_value"]), 12)[0][0]))
        assert prior.winbacks <= (lessons.rows.won_at < lessons.rows.end).sum()
    start = Prior.learn(TAXONOMY, NOTHING)
    first = float(start.predict(np.array([100.0]), Coded.of(["price_value"]), 12)[0][0])
    assert first < said[0] < said[1] < said[2]


def test_a_loss_without_a_reason_has_the_days_that_reasons_usually_have() -> None:
    windows = [item.wait_days for item in TAXONOMY.reasons if item.wait_days is not None]
    prior = Prior.learn(TAXONOMY, NOTHING)
    assert prior.window[-1].tolist() == np.median(np.array(windows), axis=0).tolist()
    none = replace(TAXONOMY, reasons=tuple(replace(item, wait_days=None) for item in TAXONOMY.reasons))
    assert np.isinf(Prior.learn(none, NOTHING).window).all()
    p, lower, upper = Prior.learn(none, NOTHING).predict(np.array([30.0]), Coded.of([None]), 12)
    assert 0 < lower[0] < p[0] < upper[0] < 1


# -- the model ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_where_history_allows_a_model_takes_over_and_tells_the_truth() -> None:
    lessons, p = made_up(3000, 0.2)
    model = fit(lessons, TAXONOMY, 40)
    assert model.kind != PRIOR
    assert model.judgement.losses[model.kind] < model.judgement.losses[PRIOR]
    told = model.tell(lessons.matrix)
    assert np.abs(told.p - p).mean() < 0.04
    assert (told.lower <= told.p).all()
    assert (told.p <= told.upper).all()
    assert ((told.lower <= p) & (p <= told.upper)).mean() > 0.5  # two steps are no sum: see `BIAS`
    assert told.features == ("x", "z")
    points = told.points.sum(axis=1)
    assert np.allclose(points - points[0], told.p - told.p[0])
    assert np.corrcoef(told.points[:, 0], lessons.matrix.columns["x"])[0, 1] > 0.8  # type: ignore[arg-type]
    assert np.corrcoef(told.points[:, 1], lessons.matrix.columns["z"])[0, 1] > 0.8  # type: ignore[arg-type]


def test_with_few_win_backs_or_no_past_to_judge_by_the_prior_speaks_and_says_why() -> None:
    lessons, _ = made_up(1000, 0.2)
    few = fit(lessons, TAXONOMY, 10_000)
    assert (few.kind, few.steps) == (PRIOR, None)
    assert "a model of its own takes 10000" in few.why
    late = np.flatnonzero(lessons.rows.lost.as_of >= micros("2023-03-01"))
    short = replace(lessons, rows=lessons.rows.take(late), matrix=lessons.matrix.take(late))
    assert "too few win-backs" in fit(short, TAXONOMY, 10).why
    assert fit(NOTHING, TAXONOMY, 1).why.startswith("0 accounts were won back")


@pytest.mark.slow
def test_a_model_that_tells_nothing_hardly_moves() -> None:
    lessons, _ = made_up(2000, 0.2)
    rng = np.random.default_rng(5)
    noise = {name: rng.standard_normal(lessons.matrix.n_rows) for name in ("x", "z")}
    matrix = FeatureMatrix({**lessons.matrix.columns, **noise}, lessons.matrix.n_rows)
    n = lessons.business.matrix.n_rows
    blind = replace(lessons.business, matrix=FeatureMatrix({"z": rng.standard_normal(n)}, n))
    assert fit(replace(lessons, matrix=matrix, business=blind), TAXONOMY, 40).tell(matrix).p.std() < 0.03


def test_the_same_rows_give_the_same_bits() -> None:
    lessons, _ = made_up(300, 0.2)
    one, other = (fit(lessons, TAXONOMY, 10).tell(lessons.matrix) for _ in range(2))
    assert np.array_equal(one.p, other.p)
    assert np.array_equal(one.lower, other.lower)


def test_what_came_later_teaches_nothing() -> None:
    lessons, _ = made_up(300, 0.2)
    middle = micros("2022-06-01")
    then = lessons.as_known(middle)
    assert (then.rows.won_at[then.rows.won_at != NEVER] < middle).all()
    assert (then.rows.entered_at[then.rows.entered_at != NEVER] < middle).all()
    assert (then.business.closed < middle).all()
    later = lessons.rows.lost.as_of >= middle
    changed = replace(then, rows=replace(then.rows, won_at=np.where(later, 0, then.rows.won_at),
                                         entered_at=np.where(later, 0, then.rows.entered_at)))  # fmt: skip
    one, other = fit_steps("lines", then), fit_steps("lines", changed)
    assert one is not None
    assert other is not None
    assert np.array_equal(one.margin(lessons.matrix), other.margin(lessons.matrix))


def test_past_moments_have_rows_followed_to_the_end_on_both_sides() -> None:
    rows = made_up(300, 0.2)[0].rows
    found = past_moments(rows)
    assert len(found) == 3
    for moment in found:
        assert rows.followed(moment).any()
        assert (rows.followed(rows.end) & (rows.lost.as_of >= moment)).any()
    assert past_moments(NOTHING.rows) == []


# -- slopes and levels -------------------------------------------------------------------------------------------------


def test_slopes_levels_and_drift_are_found_again() -> None:
    rng = np.random.default_rng(1)

    def moment(shift: float) -> Moment:
        margins = [rng.normal(0, 1.5, 20_000) for _ in range(2)]
        came = [(rng.random(20_000) < 1 / (1 + np.exp(-(0.6 * m - 2 + by)))).astype(np.float64)
                for m, by in zip(margins, (0.0, shift), strict=True)]  # fmt: skip
        return Moment(margins[0], came[0], margins[1], came[1], 1.0)

    moments = [moment(0.4), moment(-0.4)]
    slope = slope_of(moments)
    assert slope == pytest.approx(0.6, abs=0.03)
    assert level_of(slope, moments[0].learned, moments[0].outcome) == pytest.approx(-2, abs=0.05)
    assert drift_of(slope, moments) == pytest.approx(0.4, abs=0.05)
    p = calibrated(slope, moments[0].learned, moments[0].outcome)(moments[0].learned)
    assert p.mean() == pytest.approx(moments[0].outcome.mean(), abs=1e-6)


# -- amounts -----------------------------------------------------------------------------------------------------------


def test_without_pairs_the_same_amount_is_expected() -> None:
    lost = np.array([100.0, np.nan, 0.0])
    assert AmountLine.learn(lost, np.array([np.nan, 5.0, 5.0])).pairs == 0
    ratio = AmountLine().ratio(lost)
    assert ratio[0] == 1.0
    assert np.isnan(ratio[1:]).all()


def test_amounts_are_drawn_towards_what_past_win_backs_show() -> None:
    rng = np.random.default_rng(0)
    lost = np.exp(rng.normal(9, 1, 2000))
    won = 0.8 * lost * np.exp(rng.normal(0, 0.3, 2000))
    line = AmountLine.learn(lost, won)
    assert (line.ratio(lost) * lost).sum() == pytest.approx(won.sum(), rel=0.05)
    one = AmountLine.learn(np.array([100.0]), np.array([200.0]))
    assert 1.0 < float(one.ratio(np.array([100.0]))[0]) < 2.0 ** (2 / PSEUDO_PAIRS) + 0.1


def test_amounts_are_relative_to_what_is_usual_in_their_currency() -> None:
    currency = Coded.of(["EUR", "JPY", "EUR", "JPY", None, "EUR"])
    amount = np.array([100.0, 20_000.0, 300.0, 40_000.0, 5.0, np.nan])
    usual = usual_amounts(amount, currency)
    assert usual == {"EUR": 200.0, "JPY": 30_000.0, "": 5.0}
    found = relative(amount, currency, usual)
    assert found[:5].tolist() == pytest.approx([0.5, 2 / 3, 1.5, 4 / 3, 1.0])
    assert np.isnan(found[5])
    assert np.isnan(relative(amount, currency, {"EUR": 200.0})[1])


@pytest.mark.slow
def test_expected_amounts_are_about_what_win_backs_bring() -> None:
    history = History(imported(simulate(2000, 3)))
    learned = learn(history, micros("2026-09-01"), Options(least_winbacks=10_000), TAXONOMY, Reader())
    assert learned.line.pairs > 30
    queue = make_queue(history, micros("2026-09-01"), Options(least_winbacks=10_000), TAXONOMY)
    rows = [row for row in queue.rows if row.amount is not None and row.expected_amount is not None]
    lost, expected = (np.array([getattr(row, name) for row in rows]) for name in ("amount", "expected_amount"))
    assert 0.7 < expected.sum() / lost.sum() < 1.4
    assert np.corrcoef(np.log(lost), np.log(expected))[0, 1] > 0.95


# -- kept queues -------------------------------------------------------------------------------------------------------


def test_a_queue_is_made_once_and_read_back_the_same(tmp_path: Path) -> None:
    made: list[Queue] = []

    def make() -> Queue:
        made.append(make_queue(History(company()), micros("2025-09-01"), Options(), TAXONOMY))
        return made[-1]

    first, again = kept(tmp_path / "q", "key", make), kept(tmp_path / "q", "key", make)
    assert len(made) == 1
    assert first == again
    (tmp_path / "q" / "key.json").write_text("{broken")
    assert kept(tmp_path / "q", "key", make) == first
    assert len(made) == 2
    (tmp_path / "file").write_text("")
    assert kept(tmp_path / "file", "key", make) == first  # a place that cannot be written to


def test_the_key_changes_with_all_that_a_queue_rests_on() -> None:
    keys = {
        queue_key(store, number, 0, as_of, options, TAXONOMY, rates, reader)
        for store, number, as_of, options, rates, reader in (
            ("a", 1, 1, Options(), None, ""), ("b", 1, 1, Options(), None, ""), ("a", 2, 1, Options(), None, ""),
            ("a", 1, 2, Options(), None, ""), ("a", 1, 1, Options(horizon=6), None, ""),
            ("a", 1, 1, Options(), Rates("EUR", {}), ""), ("a", 1, 1, Options(), None, "model"),
        )
    }
    assert len(keys) == 7


# -- a whole company ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_a_simulated_company_the_queue_tells_who_comes_back() -> None:
    crm = simulate(5000, 7, years=4.0, winback_truth=True)
    queue = make_queue(History(imported(crm)), micros("2025-10-01"), Options(), TAXONOMY)
    assert queue.method != PRIOR
    assert crm.winback_truth is not None
    truth = crm.winback_truth[crm.winback_truth["landmark"] == "2025-10-01"].set_index("account_id")["p_won_12"]
    rows = [row for row in queue.rows if row.account_id in truth.index]
    said = np.array([row.probability for row in rows])
    true = truth.reindex([row.account_id for row in rows]).to_numpy()
    assert len(rows) > 200
    assert np.corrcoef(np.log(said), np.log(true))[0, 1] > 0.4
    assert 0.4 < said.mean() / true.mean() < 2.5
    top = np.argsort(-said)[: len(rows) // 5]
    assert true[top].mean() > 1.5 * true.mean()
    assert all(row.why for row in rows)
    assert any(row.similar for row in rows)
