from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crm.tables import DAY, NAT, Coded, CrmData, Process, micros
from features.history import History
from insights.arrivals import arrivals_of, won_since_entry
from insights.errors import NothingToTellError, PeriodError, RatesError
from insights.forecast import Forecast, forecast, open_deals_of
from insights.money import Rates
from insights.spans import Span, parse_until
from insights.stated import amounts_at, money_at, won_in
from insights.totals import lines_of, stage_weighted
from tests.features.small import crm_of
from tests.insights.conftest import World


def ask(world: World, until: str = "2025Q3", as_of: int | None = None, **wanted: object) -> Forecast:
    when = world.now if as_of is None else as_of
    return forecast(world.history, world.model, when, parse_until(until, when), draws=1_000, **wanted)  # type: ignore[arg-type]


def with_columns(world: World, **columns: object) -> History:
    deals = {**world.crm.tables["opportunities"], **columns}
    return History(dataclasses.replace(world.crm, tables={**world.crm.tables, "opportunities": deals}))


# -- totals ------------------------------------------------------------------------------------------------------------


def test_the_total_is_what_was_won_what_is_open_and_what_is_not_there_yet(world: World) -> None:
    when = world.now - 45 * DAY
    found = ask(world, "2025Q2", when)
    period, lines = found.period, found.lines
    won = won_in(world.history, period.start, when)
    assert lines.wins.so_far == len(won) > 0
    assert lines.wins.expected_open == pytest.approx(found.open_deals.in_period.sum())
    assert lines.wins.expected == lines.wins.so_far + lines.wins.expected_open + lines.wins.expected_new
    money = lines.money["EUR"]
    assert money.so_far == pytest.approx(amounts_at(world.history, when)[won].sum() / 100)
    assert money.expected_open == pytest.approx(lines.kept * lines.amount @ found.open_deals.in_period)
    assert money.so_far <= money.low < money.middle < money.high
    assert lines.totals.wins.mean() == pytest.approx(lines.wins.expected, rel=0.1)


def test_a_longer_period_never_makes_a_deal_less_likely(world: World) -> None:
    before = np.zeros(len(ask(world).open_deals.deals))
    for day in ("2025-07-10", "2025-08-01", "2025-10-01", "2026-06-01"):
        found = ask(world, day).open_deals
        assert np.all(found.in_period >= before)
        assert np.all(found.in_period <= found.p)
        before = found.in_period


def test_a_quarter_to_come_counts_only_what_closes_in_it(world: World) -> None:
    third, fourth = (ask(world, text).open_deals.in_period for text in ("2025Q3", "2025Q4"))
    both = ask(world, "2025-12-31").open_deals.in_period
    rest = ask(world, "2025-06-30").open_deals.in_period  # from the moment to the end of the running quarter
    assert rest + third + fourth == pytest.approx(both)


def test_nothing_after_the_moment_is_looked_at(world: World) -> None:
    when = world.now - 200 * DAY
    period = parse_until("", when)
    crm = world.crm
    deals = dict(crm.tables["opportunities"])
    closed, created, outcome = deals["closed_at"], deals["created_at"], deals["outcome"]
    assert isinstance(closed, np.ndarray)
    assert isinstance(created, np.ndarray)
    assert isinstance(outcome, Coded)
    late = (closed >= when) & (closed != NAT)
    deals["closed_at"] = np.where(late, closed + 50 * DAY, closed)
    deals["outcome"] = Coded(np.where(late, 1 - outcome.codes, outcome.codes).astype(np.int32), outcome.levels)
    changed = History(dataclasses.replace(crm, tables={**crm.tables, "opportunities": deals}))
    found = []
    for history in (world.history, changed):
        now = open_deals_of(history, world.model, when, period)
        found.append(lines_of(history, when, period, now.deals, now.in_period, 0.2, draws=1_000))
    assert found[0].wins == found[1].wins
    assert found[0].money == found[1].money
    assert late.any()


# -- what changed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 7, 30, 100])
def test_the_waterfall_adds_up_to_the_cent(world: World, days: int) -> None:
    when = world.now - 20 * DAY
    found = ask(world, "2025Q2", when, since=when - days * DAY)
    changed = found.waterfalls["EUR"]
    total = round(100 * changed.before) + sum(round(100 * value) for value in changed.steps.values())
    assert total == round(100 * changed.after)
    assert changed.after == pytest.approx(found.lines.money["EUR"].expected, abs=len(found.open_deals.deals))
    earlier = ask(world, "2025Q2", when - days * DAY).lines.money["EUR"]
    assert changed.before == pytest.approx(earlier.expected, rel=0.03)  # what is left of amounts is today's
    for step, value in changed.steps.items():
        if step != "not_entered_yet":
            assert sum(round(100 * item.amount) for item in changed.changes if item.step == step) == round(100 * value)


def test_up_to_a_day_what_was_won_since_the_forecast_before_counts(world: World) -> None:
    when, since = world.now - 20 * DAY, world.now - 50 * DAY
    found = ask(world, "2025-09-30", when, since=since)
    changed, earlier = found.waterfalls["EUR"], ask(world, "2025-09-30", since).lines.money["EUR"]
    won = amounts_at(world.history, when)[won_in(world.history, since, when)].sum() / 100
    assert won > 0
    assert changed.before == pytest.approx(earlier.expected, rel=0.03)  # what is left of amounts is today's
    assert changed.after == pytest.approx(found.lines.money["EUR"].expected + won, abs=len(found.open_deals.deals))
    assert changed.steps["won"] > 0
    assert sum(changed.steps.values()) == pytest.approx(changed.after - changed.before)


def test_each_change_bears_its_reason(world: World) -> None:
    when, since = world.now - 20 * DAY, world.now - 50 * DAY
    history = world.history
    changes = ask(world, "2025Q2", when, since=since).waterfalls["EUR"].changes
    by_step: dict[str, list[int]] = {}
    for item in changes:
        by_step.setdefault(item.step, []).append(item.deal)
    won = set(won_in(history, since, when).tolist())
    assert set(by_step["won"]) <= won
    assert all(history.created[deal] >= since for deal in by_step["new"])
    assert all(history.won[deal] == 0 for deal in by_step["lost"])
    for step, sign in {"slipped": -1, "pulled_in": 1, "amount_up": 1, "amount_down": -1, "odds_up": 1, "odds_down": -1,
                       "lost": -1}.items():  # fmt: skip
        assert all(np.sign(item.amount) == sign for item in changes if item.step == step)


# -- deals to come -----------------------------------------------------------------------------------------------------


def test_wins_since_entry_by_hand() -> None:
    lines = ["opportunity_id | created_at | closed_at | outcome"]
    ends = [("2026-01-03", "won"), ("2026-01-05", "lost"), ("2026-01-08", "won"), ("", "")]
    lines += [f"D{place} | 2026-01-01 | {end} | {out}" for place, (end, out) in enumerate(ends)]
    history = History(crm_of({"opportunities": "\n".join(lines)}))
    found = won_since_entry(history, micros("2026-01-20"), 10)
    # one of four is won on day 2; one of the three left is lost on day 4; one of the two left is won on day 7
    assert found[[2, 3, 7, 8, 10]] == pytest.approx([0.0, 0.25, 0.25, 0.5, 0.5])
    # seen from day 6, the last win is not known
    assert won_since_entry(history, micros("2026-01-07"), 10)[10] == pytest.approx(0.25)


def test_deals_to_come_follow_the_deals_that_came(world: World) -> None:
    money = money_at(world.history, world.now, None)

    def coming(days: int, late: int = 0) -> float:
        found = arrivals_of(world.history, world.now, world.now + late * DAY, world.now + days * DAY, money.values,
                            money.currency)  # fmt: skip
        assert found is not None
        assert 0 <= found.p < 1
        return found.expected * found.p

    assert 0 < coming(30) < coming(90) < coming(180)
    assert coming(180, late=90) == pytest.approx(coming(180) - coming(90), rel=0.1)
    born = world.history.created
    early = int(born[born != NAT].min()) + 10 * DAY
    assert arrivals_of(world.history, early, early, early + 90 * DAY, money.values, money.currency) is None


def test_what_closes_at_the_quarters_end_is_expected_there() -> None:
    # a deal enters every day, and is won on the last day of its quarter
    days = np.arange("2023-01-01", "2026-04-01", dtype="M8[D]")
    last = (days.astype("M8[M]").astype(int) // 3 * 3 + 3).astype("M8[M]").astype("M8[D]") - 1
    lines = ["opportunity_id | created_at | closed_at | outcome"]
    pairs = enumerate(zip(days, last, strict=True))
    lines += [f"D{place:04} | {day} | {end}T12:00:00 | won" for place, (day, end) in pairs]
    history = History(crm_of({"opportunities": "\n".join(lines)}))
    nothing = np.full(len(days), np.nan), np.zeros(len(days), dtype=np.int32)

    def coming(start: str, end: str) -> float:
        found = arrivals_of(history, micros(start), micros(start), micros(end), *nothing)
        assert found is not None
        assert found.expected == pytest.approx((micros(end) - micros(start)) / DAY)
        return found.expected * found.p

    assert coming("2026-01-01", "2026-04-01") == pytest.approx(90, rel=0.05)
    assert coming("2026-02-10", "2026-03-31") == pytest.approx(0, abs=1.5)
    assert won_since_entry(history, micros("2026-01-01"), 90)[45] == pytest.approx(0.5, abs=0.02)  # knows no quarters


# -- currencies --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(world: World) -> World:
    """Every third deal in another currency."""
    names = ["USD" if place % 3 == 0 else "EUR" for place in range(world.history.n_deals)]
    return dataclasses.replace(world, history=with_columns(world, currency=Coded.of(names)))


def test_currencies_are_shown_apart_and_never_summed(world: World, mixed: World) -> None:
    apart = ask(mixed).lines.money
    assert set(apart) == {"EUR", "USD"}
    assert sum(line.expected_open for line in apart.values()) == pytest.approx(
        ask(world).lines.money["EUR"].expected_open, rel=0.2
    )
    assert set(ask(mixed).waterfalls) == {"EUR", "USD"}
    with pytest.raises(RatesError, match="a target needs amounts in one currency, but amounts are in EUR, USD"):
        ask(mixed, target=1e6)


def test_a_table_of_rates_converts_them(mixed: World) -> None:
    apart = ask(mixed).lines.money
    together = ask(mixed, rates=Rates("EUR", {"EUR": 1.0, "USD": 0.5}), target=1e6)
    assert set(together.lines.money) == {"EUR"}
    wanted = apart["EUR"].so_far + 0.5 * apart["USD"].so_far
    assert together.lines.money["EUR"].so_far == pytest.approx(wanted)
    assert together.coverage is not None
    lacking = ask(mixed, rates=Rates("EUR", {"EUR": 1.0}))
    assert lacking.lines.money["EUR"].so_far == apart["EUR"].so_far
    assert lacking.lines.money["EUR"].expected_open == pytest.approx(apart["EUR"].expected_open)
    assert set(lacking.lines.without_rate) == {"USD"}
    assert any(note.startswith("deals without a rate of exchange count with no amount") for note in lacking.notes)


# -- a target ----------------------------------------------------------------------------------------------------------


def test_coverage_of_a_target(world: World) -> None:
    when = world.now - 30 * DAY
    found = ask(world, "2025Q2", when, target=0.0).coverage
    assert found is not None
    assert (found.ratio, found.gap, found.chance) == (None, 0.0, 1.0)
    found = ask(world, "2025Q2", when, target=1e7).coverage
    assert found is not None
    assert found.gap == 1e7 - found.so_far
    assert found.ratio == pytest.approx(found.due / found.gap)
    assert found.chance == 0.0
    middle = ask(world, "2025Q2", when).lines.money["EUR"].middle
    half = ask(world, "2025Q2", when, target=middle).coverage
    assert half is not None
    assert half.chance == pytest.approx(0.5, abs=0.02)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_no_amounts_counts_wins_only(world: World) -> None:
    bare = dataclasses.replace(world, history=with_columns(world, amount=np.full(world.history.n_deals, np.nan)))
    found = ask(bare)
    assert found.lines.money == {}
    assert found.lines.wins.expected > 0
    assert any("no amounts" in note for note in found.notes)
    assert not found.waterfalls
    with pytest.raises(RatesError, match="the export has no amounts"):
        ask(bare, target=1.0)


def test_a_moment_before_the_first_deal_is_refused_in_one_sentence(world: World) -> None:
    early = micros("2010-01-01")
    with pytest.raises(NothingToTellError, match="no deal had been entered before 2010-01-01; the first was"):
        forecast(world.history, world.model, early, parse_until("", early))


def test_an_export_without_dates_is_refused(world: World) -> None:
    undated = History(dataclasses.replace(world.crm, process=Process(time_basis="sequence")))
    with pytest.raises(NothingToTellError, match="has no dates"):
        forecast(undated, world.model, world.now, parse_until("", world.now))


def test_a_model_that_knows_nothing_of_time_is_refused(world: World) -> None:
    with pytest.raises(NothingToTellError, match="train a new one"):
        forecast(world.history, dataclasses.replace(world.model, outlook=None), world.now, parse_until("", world.now))


def test_a_period_that_is_over_is_refused(world: World) -> None:
    with pytest.raises(PeriodError, match="is over"):
        ask(world, "2025Q1")


def test_a_single_deal_is_forecast(world: World) -> None:
    deals = world.history.won
    one = world.history.deal_ids[int(np.flatnonzero(np.isnan(deals))[0])]
    ids = world.crm.tables["opportunities"]["opportunity_id"]
    assert isinstance(ids, Coded)
    keep = ids.strings() == one
    tables = {**world.crm.tables, "opportunities": {
        name: values.take(keep) if isinstance(values, Coded) else values[keep]
        for name, values in world.crm.tables["opportunities"].items()
    }}  # fmt: skip
    alone = dataclasses.replace(world, history=History(dataclasses.replace(world.crm, tables=tables)))
    found = ask(alone)
    assert len(found.open_deals.deals) == 1
    assert 0 < found.lines.wins.expected_open < 1


def test_no_open_deal_at_all(world: World) -> None:
    history = world.history
    closed = np.where(history.won >= 0, history.closed, world.now - DAY)
    ids = world.crm.tables["opportunities"]["opportunity_id"]
    assert isinstance(ids, Coded)
    place = {name: row for row, name in enumerate(history.deal_ids)}
    rows = np.array([place[str(name)] for name in ids.strings()])
    outcome = np.where(np.isnan(history.won), 0, history.won)[rows].astype(np.int32)
    shut = dataclasses.replace(world, history=with_columns(world, closed_at=closed[rows],
                                                           outcome=Coded(outcome, ("lost", "won"))))  # fmt: skip
    found = ask(shut)
    assert found.notes[0].startswith("in-sample") or "no deal is open" in found.notes
    assert found.lines.wins.expected_open == 0
    assert found.lines.money["EUR"].expected_new > 0


# -- the CRM's own way -------------------------------------------------------------------------------------------------

DUE = """
opportunity_id | created_at | closed_at  | outcome | amount | expected_close_at
A              | 2026-01-05 |            |         | 100    |
B              | 2026-01-05 |            |         | 1000   |
C              | 2026-01-05 |            |         | 10000  |
D              | 2026-01-05 | 2026-04-10 | won     | 7      |
"""
CHANGES = """
opportunity_id | changed_at | field             | old_value  | new_value
A              | 2026-02-01 | expected_close_at | 2026-03-01 | 2026-05-01
B              | 2026-02-01 | expected_close_at | 2026-03-01 | 2026-07-01
"""


def small() -> CrmData:
    return crm_of({"opportunities": DUE, "field_changes": CHANGES})


def test_the_stage_weighted_pipeline_counts_deals_that_are_due() -> None:
    history = History(small())
    period = Span("2026Q2", micros("2026-04-01"), micros("2026-07-01"))
    deals = np.array([0, 1, 2])
    found = stage_weighted(history, micros("2026-04-15"), period, deals, np.array([0.5, 0.5, 0.1]))
    assert found == 7 + 0.5 * 100 + 0.1 * 10000  # B is due on the day after; C has no expected close
