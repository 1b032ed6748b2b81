"""The simulated truth: win probabilities that hold, and an analyst who sees what the CRM shows and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import SimulatedCrm, simulate, write
from crm.simulation.analyst import QUALITY, Analyst, Grid, middling
from crm.simulation.company import Accounts, Users, found_accounts, hire
from crm.simulation.course import Course, run
from crm.simulation.dynamics import Move, move_probabilities, step
from crm.simulation.hazards import EPOCH, State, activity_rates, rates, side_rates, week_of
from crm.simulation.parameters import STAGES, Parameters
from crm.simulation.truth import Truth
from crm.simulation.value import HIDDEN, VISIBLE, Values, fit_values
from crm.simulation.watching import Passed, Watcher
from crm.store import Store
from crm.tables import NAT, FloatArray, IntArray

pytestmark = pytest.mark.slow

P = Parameters()
LAST = (date(2026, 9, 30) - EPOCH).days


class World:
    """A company of n deals that run for some days to `LAST`, watched."""

    def __init__(self, n_deals: int, days: int, seed: int, last: int = LAST) -> None:
        rng = np.random.default_rng(seed)
        self.n_deals, self.first, self.last = n_deals, last - days, last
        self.users: Users = hire(n_deals, self.first, last, rng)
        self.accounts: Accounts = found_accounts(n_deals // 3 + 1, self.users, rng)
        self.account: IntArray = rng.integers(0, len(self.accounts.name), n_deals)
        self.rng = rng

    def run(self, watcher: Watcher) -> Course:
        arguments = (self.n_deals, self.first, self.last, self.accounts, self.users, self.account, P, self.rng)
        return run(*arguments, watcher)

    def undecided(self) -> Values:
        """Values that give every state 1/2, where only the rows count."""
        monday = self.first - (self.first + 3) % 7
        weeks = (self.last - monday) // 7 + 1
        return Values(monday, self.first, np.zeros((weeks, 2, len(STAGES), len(VISIBLE), len(HIDDEN))), P)


class Notebook:
    """Keeps what a watcher is shown."""

    def __init__(self) -> None:
        self.open: list[tuple[int, IntArray, State]] = []
        self.weeks: list[Passed] = []

    def at(self, day: int, rows: IntArray, state: State) -> None:
        self.open.append((day, rows, state))

    def passed(self, passed: Passed) -> None:
        self.weeks.append(passed)


def opened(crm: SimulatedCrm) -> set[tuple[str, pd.Timestamp]]:
    """Deals and the Mondays at which they were open, from the exported table alone."""
    deals, found = crm.tables["opportunities"], set()
    end = pd.Timestamp(crm.until, tz="UTC")
    for monday in pd.date_range(end - pd.Timedelta(days=1200), end, freq="W-MON"):
        is_open = (deals["created_at"] < monday) & ~(deals["closed_at"] < monday)
        found |= {(name, monday) for name in deals["opportunity_id"][is_open]}
    return found


@pytest.fixture(scope="module")
def crm() -> SimulatedCrm:
    return simulate(250, 5, years=0.6, weekly_truth=True)


def test_a_row_for_each_deal_and_monday_at_which_it_was_open(crm: SimulatedCrm) -> None:
    truth = crm.weekly_truth
    assert truth is not None
    assert list(truth.columns) == ["opportunity_id", "as_of", "p_latent", "p_observable"]
    rows = list(zip(truth["opportunity_id"], truth["as_of"], strict=True))
    assert rows == sorted(rows)
    assert set(rows) == opened(crm)
    assert len(set(rows)) == len(rows) > 1000
    for name in ("p_latent", "p_observable"):
        assert truth[name].between(0.0, 1.0, inclusive="neither").all()
    assert truth["p_latent"].std() > truth["p_observable"].std()


def test_the_crm_is_the_same_without(crm: SimulatedCrm) -> None:
    without = simulate(250, 5, years=0.6)
    assert without.weekly_truth is None
    for name, frame in crm.tables.items():
        pd.testing.assert_frame_equal(frame, without.tables[name])


def test_the_same_seed_gives_the_same_values() -> None:
    world = World(60, 60, 9)

    def fitted(seed: int) -> FloatArray:
        rng = np.random.default_rng(seed)
        return fit_values(P, world.first, LAST, world.accounts, world.users, rng, states=100).coefficients

    first = fitted(1)
    assert np.array_equal(first, fitted(1))
    assert not np.array_equal(first, fitted(2))


def test_an_export_on_a_monday_has_a_row_for_its_own_day() -> None:
    monday = (date(2026, 9, 28) - EPOCH).days
    world = World(80, 120, 2, last=monday)
    truth = Truth(world.undecided(), world.account, monday)
    course = world.run(truth)
    table = truth.table(np.arange(80))
    still = np.flatnonzero(course.deals.closed == NAT)
    last = table[table["as_of"] == pd.Timestamp("2026-09-28", tz="UTC")]
    assert list(last["opportunity_id"]) == list(still)
    assert table["p_observable"].to_numpy() == pytest.approx(0.5)


def test_it_is_written_but_never_imported(crm: SimulatedCrm, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    write(crm, folder)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "truth.parquet"), crm.weekly_truth, check_dtype=False)
    assert "not part of the CRM" in (folder / "README.md").read_text(encoding="utf-8")
    report = import_export([folder], load_mapping(folder / "mapping.toml"), store)
    assert report.files_left_out == ()
    assert not any("truth" in warning for warning in report.warnings)
    assert {file.name for file in report.files} == {f"{table}.csv" for table in crm.tables}
    held = store.load()
    assert not {"p_latent", "p_observable"} & {name for table in held.tables.values() for name in table}
    write(replace(crm, weekly_truth=None), folder)
    assert not (folder / "truth.parquet").exists()
    assert "truth.parquet" not in (folder / "README.md").read_text(encoding="utf-8")


# The analyst ----------------------------------------------------------------------------------------------------------


def likelihood(seen: Passed, quality: float, momentum: float, dark_weeks: float) -> FloatArray:
    """Probability of what a week showed of each deal if its hidden parts were these, straight from the hazards."""
    n = len(seen.rows)
    before = replace(seen.before, quality=np.full(n, quality), momentum=np.full(n, momentum),
                     dark_weeks=np.full(n, dark_weeks))  # fmt: skip
    side, happened, span = side_rates(before, seen.week, P), seen.happened, seen.span
    moves = move_probabilities(rates(before, seen.week, P).stacked(), span)
    found = moves[np.arange(n), happened.move]
    role = side.roles[np.arange(n), np.maximum(happened.role, 0)]
    none = np.exp(-side.contact * span)
    found = found * np.where(happened.role >= 0, (1 - none) * role, none)
    none = np.exp(-side.budget * span)
    found *= np.where(happened.budget, 1 - none, none)
    overdue = (before.expected_day < seen.week.day + 7) * P.push_overdue * np.minimum(span, 1.0)
    none = (1 - overdue) * np.exp(-side.push * span)
    closed = (happened.move == Move.WIN) | (happened.move == Move.LOSS)
    found *= np.where(closed, 1.0, np.where(happened.pushed, 1 - none, none))
    for rate, count in zip(activity_rates(before, seen.diligence, P), (seen.outbound, seen.inbound), strict=True):
        found *= np.exp(-rate * seen.open_span) * rate**count
    return found


def test_the_grid_weighs_as_the_hazards_do() -> None:
    notes, grid = Notebook(), Grid(P)
    World(600, 200, 3).run(notes)
    seen = next(week for week in notes.weeks if week.week.quarter_end >= 0 and len(week.rows) > 100)
    assert (seen.happened.role >= 0).any()
    assert seen.happened.budget.any()
    assert seen.happened.pushed.any()
    assert set(seen.happened.move) >= {Move.FORWARD, Move.WIN, Move.LOSS, Move.NONE}
    points = np.random.default_rng(0).choice(len(grid.quality), 40, replace=False)
    direct = np.column_stack([likelihood(seen, grid.quality[k], grid.momentum[k], grid.dark_weeks[k]) for k in points])
    found = grid.likelihood(seen, P)[:, points]
    assert found / found[:, :1] == pytest.approx(direct / direct[:, :1], rel=1e-9)


def test_the_grid_moves_on_as_the_simulation_does() -> None:
    grid, n, week = Grid(P), 200_000, week_of(LAST, LAST)
    place = (7, 0, 5)  # somewhat good, answering, somewhat lively
    point = np.ravel_multi_index(place, grid.shape)
    start = replace(middling(n), quality=np.full(n, grid.quality[point]), momentum=np.full(n, grid.momentum[point]),
                    expected_day=np.full(n, LAST + 60))  # fmt: skip
    thought = np.zeros((1, *grid.shape))
    thought[(0, *place)] = 1.0
    rng, state = np.random.default_rng(1), start
    for _ in range(4):
        state = step(state, week, np.ones(n), P, rng).after
        thought = grid.ahead(thought, np.ones(1), P)
    flat = thought.ravel()
    assert flat.sum() == pytest.approx(1.0)
    assert flat @ (grid.dark_weeks > 0) == pytest.approx((state.dark_weeks > 0).mean(), abs=0.005)
    given_up = state.dark_weeks > P.chase_weeks
    assert flat @ (grid.dark_weeks > P.chase_weeks) == pytest.approx(given_up.mean(), abs=0.005)
    mean = flat @ grid.momentum
    assert mean == pytest.approx(state.momentum.mean(), abs=0.01)
    assert np.sqrt(flat @ (grid.momentum - mean) ** 2) == pytest.approx(state.momentum.std(), abs=0.02)


def scrambled(state: State) -> State:
    """The same deals with their hidden parts replaced."""
    rng, n = np.random.default_rng(len(state)), len(state)
    return replace(state, quality=rng.standard_normal(n), momentum=rng.standard_normal(n),
                   dark_weeks=4.0 * rng.random(n))  # fmt: skip


def test_the_analyst_sees_nothing_that_is_hidden() -> None:
    world, notes = World(150, 250, 4), Notebook()
    world.run(notes)
    # Some coefficients or other: what is asked is only on what the answer depends.
    values = world.undecided()
    random = 0.1 * np.random.default_rng(0).standard_normal(values.coefficients.shape)
    values = replace(values, coefficients=random)
    seeing, blind = Analyst(world.account, P), Analyst(world.account, P)
    for (day, _, state), seen in zip(notes.open, notes.weeks, strict=True):
        said = seeing.win_probability(values, state, day)
        assert np.array_equal(said, blind.win_probability(values, scrambled(state), day))
        seeing.passed(seen)
        happened = replace(seen.happened, after=scrambled(seen.happened.after))
        blind.passed(replace(seen, before=scrambled(seen.before), happened=happened))
    assert len(said) > 10
    assert not np.array_equal(values.win_probability(state, day), values.win_probability(scrambled(state), day))


class Guesses:
    """Notes what an analyst thinks of each open deal's quality, and what it is."""

    def __init__(self, account: IntArray) -> None:
        self.analyst = Analyst(account, P)
        self.found: list[FloatArray] = []

    def at(self, _day: int, _rows: IntArray, state: State) -> None:
        belief, others = self.analyst.belief().sum(axis=(2, 3)), self.analyst.quality()
        mean = belief @ QUALITY
        spread = np.sqrt(belief @ QUALITY**2 - mean**2)
        self.found.append(np.column_stack([state.quality, mean, spread, others @ QUALITY]))

    def passed(self, passed: Passed) -> None:
        self.analyst.passed(passed)


def test_what_the_analyst_thinks_of_the_quality_holds() -> None:
    world = World(3000, 500, 6)
    guesses = Guesses(world.account)
    world.run(guesses)
    quality, mean, spread, others = np.concatenate(guesses.found).T
    slope, intercept = np.polyfit(mean, quality, 1)
    assert slope == pytest.approx(1.0, abs=0.1)
    assert intercept == pytest.approx(0.0, abs=0.05)
    assert np.mean(((quality - mean) / spread) ** 2) == pytest.approx(1.0, abs=0.06)
    assert 0.3 < np.corrcoef(quality, mean)[0, 1] < 0.8
    # What the account's other deals alone tell.
    assert np.polyfit(others, quality, 1)[0] == pytest.approx(1.0, abs=0.25)


# How well it holds ----------------------------------------------------------------------------------------------------


def rolled_out(state: State, day: int, world: World, times: int) -> tuple[FloatArray, FloatArray]:
    """Share of wins of each deal when the hazards run to the end so many times, and its standard error."""
    rng, n = np.random.default_rng(day), len(state)
    share = np.zeros(n * times)
    current, which = state.take(np.arange(n * times) // times), np.arange(n * times)
    while len(which):
        week = week_of(day, world.first)
        rate = rates(current, week, P)
        happened = step(current, week, np.ones(len(which)), P, rng)
        closed = (happened.move == Move.WIN) | (happened.move == Move.LOSS)
        # That a close is a win has this probability: half the noise of counting the wins.
        share[which[closed]] = (rate.win / (rate.win + rate.loss))[closed]
        current, which, day = happened.after.take(~closed), which[~closed], day + 7
        passed_on = np.flatnonzero(rng.random(len(which)) < P.reassign)
        current.skill[passed_on] = world.users.skill[rng.integers(0, world.users.n_owners, len(passed_on))]
    by_deal = share.reshape(n, times)
    return by_deal.mean(axis=1), by_deal.std(axis=1) / np.sqrt(times)


def test_the_win_probability_of_a_state_is_what_rolling_it_out_gives() -> None:
    world, notes = World(2000, 500, 8), Notebook()
    world.run(notes)
    values = fit_values(P, world.first, world.last, world.accounts, world.users, np.random.default_rng(0))
    other = fit_values(P, world.first, world.last, world.accounts, world.users, np.random.default_rng(1))
    rng, said, again, rolled, error = np.random.default_rng(2), [], [], [], []
    for day, _, state in notes.open[6::8]:
        some = state.take(rng.choice(len(state), 30, replace=False))
        mean, spread = rolled_out(some, day, world, 1500)
        said.append(values.win_probability(some, day))
        again.append(other.win_probability(some, day))
        rolled.append(mean)
        error.append(spread)
    off = np.concatenate(said) - np.concatenate(rolled)
    assert np.sqrt(np.mean(off**2) - np.mean(np.concatenate(error) ** 2)) < 0.01
    assert abs(off.mean()) < 0.005
    # The Monte Carlo error alone: what another seed gives.
    assert np.std(np.concatenate(said) - np.concatenate(again)) / np.sqrt(2) < 0.0075


def auc(won: np.ndarray, score: np.ndarray) -> float:
    n_won = int(won.sum())
    return float((rankdata(score)[won].sum() - n_won * (n_won + 1) / 2) / (n_won * (len(won) - n_won)))


def log_loss(won: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(np.where(won, np.log(p), np.log1p(-p))))


def test_the_probabilities_come_true_and_are_neither_trivial_nor_hopeless() -> None:
    crm = simulate(4000, 11, weekly_truth=True)
    assert crm.weekly_truth is not None
    rows = crm.weekly_truth.merge(crm.truth.astype({"opportunity_id": "object"}), on="opportunity_id")
    closed = rows[rows["outcome"].notna()]
    ended = crm.truth["outcome"].dropna()
    assert 0.20 <= (ended == "won").mean() <= 0.35
    assert 0.72 <= auc((closed["outcome"] == "won").to_numpy(), closed["p_observable"].to_numpy()) <= 0.82

    # Of the deals open half a year and more before the export hardly any is still open, so that what became of them is
    # not told by the quick ones alone.
    old = rows[rows["as_of"] < pd.Timestamp("2026-09-30", tz="UTC") - pd.Timedelta(days=270)]
    assert old["outcome"].isna().mean() < 0.01
    old = old[old["outcome"].notna()]
    won = (old["outcome"] == "won").to_numpy()
    for name in ("p_latent", "p_observable"):
        p = old[name].to_numpy()
        assert p.mean() == pytest.approx(won.mean(), abs=0.03), name  # three standard errors of the share won
        fitted = LogisticRegression(C=1e6).fit(logit(p)[:, None], won)
        assert fitted.coef_[0, 0] == pytest.approx(1.0, abs=0.12), name
    assert old["p_observable"].mean() == pytest.approx(old["p_latent"].mean(), abs=0.015)
    entry = LogisticRegression().fit(old[["fit"]].to_numpy(), won).predict_proba(old[["fit"]].to_numpy())[:, 1]
    assert log_loss(won, old["p_latent"].to_numpy()) < log_loss(won, old["p_observable"].to_numpy()) - 0.05
    assert log_loss(won, old["p_observable"].to_numpy()) < log_loss(won, entry) - 0.03
