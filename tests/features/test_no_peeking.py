"""No peeking: for every feature there is, no future changes the row of today.

The past is shared by two worlds; whatever happens at or after AS_OF differs. See `tests/features/worlds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crm.schema import Kind, Known
from crm.tables import DAY, Coded, Columns, CrmData, FloatArray, Values
from features.asof import Seen
from features.company import Company
from features.history import History
from features.matrix import Snapshots, build_matrix, open_at
from features.moments import Moments
from features.registry import absent_of, declared, feature, features_of, forget
from tests.features.invariance import assert_blind_to_the_future, assert_same_rows, rows_at
from tests.features.strategies import FUTURES, PASTS, STYLES
from tests.features.worlds import (
    AS_OF,
    CUSTOM,
    CUSTOM_OF_ACCOUNTS,
    STAGES,
    Changed,
    Closed,
    Entered,
    Happening,
    Moved,
    Row,
    Style,
    export,
)

SETTINGS = settings(
    deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)  # fmt: skip


def test_no_feature_is_left_out() -> None:
    history = History(export([], Style()))
    assert absent_of(history) == {}
    names = {item.name for item in features_of(history)}
    assert {item.name for item in declared()} <= names
    own = {f"custom.{name}" for name, (_, known) in CUSTOM.items() if known is not Known.CLOSED}
    own |= {f"account.{name}" for name in CUSTOM_OF_ACCOUNTS} | {f"since.{stage}" for stage in STAGES}
    assert {name for name in names if "." in name} == own
    kinds = {CUSTOM[name.removeprefix("custom.")][0] for name in own if name.startswith("custom.")}
    assert kinds == set(Kind) - {Kind.ID, Kind.TEXT}


@settings(SETTINGS, max_examples=80)
@given(past=PASTS, one=FUTURES, other=FUTURES, style=STYLES)
def test_no_feature_sees_the_future(
    past: list[Happening], one: list[Happening], other: list[Happening], style: Style
) -> None:
    assert_blind_to_the_future(past, one, other, style)


# -- cases that chance would seldom meet ------------------------------------------------------------------------------

OWN = Entered(AS_OF - 20 * DAY, "d0", {
    "account_id": "A1", "owner_id": "U1", "amount": 500, "competitor": "Acme", "lead_source": "web", "approval": "open",
    "forecast": "commit", "expected_close_at": AS_OF + 9 * DAY,
})  # fmt: skip
NOBODYS = Entered(AS_OF - 20 * DAY, "d0")
CASES: dict[str, tuple[list[Happening], list[Happening], list[Happening]]] = {
    "a win and a loss": ([OWN], [Closed(AS_OF + DAY, "d0", won=True)], [Closed(AS_OF + DAY, "d0", won=False)]),
    "a closing at as_of itself": ([OWN], [Closed(AS_OF, "d0", won=True)], []),
    "an activity at as_of itself": ([OWN], [Row(AS_OF, "d0", "activities", {"type": "call"})], []),
    "a deal of the owner entered at as_of": ([OWN], [Entered(AS_OF, "d1", {"owner_id": "U1", "account_id": "A1"})], []),
    "one deal of nobody": ([NOBODYS], [Closed(AS_OF + 1, "d0", won=True, talkative=True)], []),
    "a loss of the owner that is reopened, and won": (
        [OWN, Entered(AS_OF - 20 * DAY, "d1", {"owner_id": "U1", "account_id": "A1"}),
         Closed(AS_OF - DAY, "d1", won=False)],
        [Moved(AS_OF + DAY, "d1", STAGES[1]), Closed(AS_OF + 2 * DAY, "d1", won=True)],
        [],
    ),
    "reopened twice": (
        [OWN, Closed(AS_OF - 9 * DAY, "d0", won=False), Moved(AS_OF - 8 * DAY, "d0", STAGES[1]),
         Closed(AS_OF - 7 * DAY, "d0", won=True), Changed(AS_OF - 6 * DAY, "d0", "owner_id", "U2")],
        [Moved(AS_OF, "d0", STAGES[0]), Closed(AS_OF, "d0", won=False)],
        [Changed(AS_OF, "d0", "owner_id", "U0")],
    ),
    "several changes of a field on one day to come": (
        [OWN],
        [Changed(AS_OF + hour * DAY // 24, "d0", "amount", amount) for hour, amount in enumerate((900, 100, 300, 200))],
        [],
    ),
    "a rival named at the close": ([OWN], [Changed(AS_OF + 1, "d0", "competitor", "Bolt"),
                                                           Closed(AS_OF + 1, "d0")], []),
    "no deal at all": ([], [OWN.__class__(AS_OF, "d0", OWN.values)], []),
}  # fmt: skip


@pytest.mark.parametrize("style", [
    Style(), Style(date_only=True, order="neither"), Style(order="sequence", declared_stages=False),
    Style(absent=frozenset({"accounts", "activities"}), empty=frozenset({"contact_roles"}), company=False),
], ids=["plain", "dates", "sequence", "few tables"])  # fmt: skip
@pytest.mark.parametrize("case", CASES)
def test_cases(case: str, style: Style) -> None:
    past, one, other = CASES[case]
    assert_blind_to_the_future(past, one, other, style)
    assert_blind_to_the_future(past, other, one, style)


# -- the test of the test: leaks of many kinds, planted and found by the very same check -------------------------------


def _won(at: Moments) -> FloatArray:
    """Peeks at the outcome."""
    return at._history.won[at._deal]


def _closing_time(at: Moments) -> FloatArray:
    """Peeks at the closing time."""
    return at._history.closed[at._deal] / DAY


def _at_as_of(at: Moments) -> FloatArray:
    """Counts what happens at as_of itself."""
    return Seen(at._history.activities, at._deal, at.as_of + 1).count()


def _ever(at: Moments) -> FloatArray:
    """Counts stage changes without an end."""
    events = at._history.stage_changes
    return np.diff(events.starts)[at._deal].astype(np.float64)


def _today(at: Moments) -> FloatArray:
    """Takes the amount as it stands in the export."""
    return at._history.field("opportunities.amount").current[at._deal].astype(np.float64)


def _rival_today(at: Moments) -> Coded:
    """Takes the competitor as it stands in the export."""
    values = at._history._text("competitor")
    return values.take(at._deal)


def _record_of_all_time(at: Moments) -> FloatArray:
    """Counts wins of the account, whenever they come."""
    group = at.category("opportunities.account_id")
    late = np.full(len(at), AS_OF + 1000 * DAY)
    company = at._history.company
    return company.seen_closings("opportunities.account_id", group.levels, group.codes, late).total("won")


def _place_of_the_deal(at: Moments) -> FloatArray:
    """Tells how many deals there are in the export."""
    return np.full(len(at), float(at._history.n_deals))


def _average_of_the_batch(at: Moments) -> FloatArray:
    """Compares with the mean over all changes ever made, to a float's last bit."""
    changes = at._history.field("opportunities.amount").changes
    mean = np.nanmean(changes.numbers("new")) if changes is not None and len(changes) else 0.0
    return np.full(len(at), float(mean))


LEAKS: list[Callable[[Moments], FloatArray | Coded]] = [
    _won, _closing_time, _at_as_of, _ever, _today, _rival_today, _record_of_all_time, _place_of_the_deal,
    _average_of_the_batch,
]  # fmt: skip


@contextmanager
def planted(leak: Callable[[Moments], FloatArray | Coded]) -> Iterator[None]:
    """A feature that is registered for a while."""
    unit = "category" if leak is _rival_today else "number"
    feature(unit=unit, label="a leak", needs=["dates", "opportunities.amount"])(leak)  # type: ignore[arg-type]
    try:
        yield
    finally:
        forget(leak.__name__)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_a_planted_leak_is_found(leak: Callable[[Moments], FloatArray | Coded]) -> None:
    @settings(SETTINGS, max_examples=150, phases=[Phase.generate])
    @given(past=PASTS, one=FUTURES, other=FUTURES, style=STYLES)
    def check(past: list[Happening], one: list[Happening], other: list[Happening], style: Style) -> None:
        assert_blind_to_the_future(past, one, other, style, only=leak.__name__)

    with planted(leak), pytest.raises(AssertionError, match=leak.__name__):
        check()
    assert leak.__name__ not in {item.name for item in declared()}


def test_a_column_filled_at_the_close_is_found_when_called_known_at_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CUSTOM, "margin", (Kind.NUMBER, Known.CREATED))
    with pytest.raises(AssertionError, match=r"custom\.margin"):
        assert_blind_to_the_future([OWN], [Closed(AS_OF, "d0", won=True)], [], Style())


# -- order of rows, and one deal alone ---------------------------------------------------------------------------------


def shuffled(crm: CrmData, seed: int) -> CrmData:
    """The same tables with rows and levels in another order, and a level that does not occur."""
    rng = np.random.default_rng(seed)

    def relevelled(values: Values) -> Values:
        if not isinstance(values, Coded):
            return values
        levels = [*values.levels, "~ never ~"]
        order = rng.permutation(len(levels))
        place = np.append(np.argsort(order), -1).astype(np.int32)
        return Coded(place[values.codes], tuple(levels[level] for level in order))

    def mixed(columns: Columns) -> Columns:
        size = max((len(values) for values in columns.values()), default=0)
        rows = rng.permutation(size)
        taken = {name: v.take(rows) if isinstance(v, Coded) else v[rows] for name, v in columns.items()}
        return {name: relevelled(values) for name, values in taken.items()}

    return CrmData({name: mixed(columns) for name, columns in crm.tables.items()}, crm.attributes, crm.process)


@settings(SETTINGS, max_examples=30)
@given(past=PASTS, later=FUTURES, style=STYLES, seed=st.integers(0, 2**32 - 1))
def test_order_of_rows_and_of_levels_is_of_no_account(
    past: list[Happening], later: list[Happening], style: Style, seed: int
) -> None:
    crm = export([*past, *later], style)
    ids, _, matrix = rows_at(crm)
    other_ids, _, other = rows_at(shuffled(crm, seed))
    assert ids == other_ids
    assert_same_rows(matrix, other)


def alone(crm: CrmData, deal: str) -> CrmData:
    """What is sent to the API about one deal: its own rows and its account's; tables without a row are not sent."""
    row = next(i for i, name in enumerate(_strings(crm, "opportunities", "opportunity_id")) if name == deal)
    account = _strings(crm, "opportunities", "account_id")[row]
    tables: dict[str, Columns] = {}
    for table, columns in crm.tables.items():
        key, wanted = ("account_id", account) if table == "accounts" else ("opportunity_id", deal)
        rows = np.flatnonzero(_strings(crm, table, key) == wanted)
        if len(rows):
            tables[table] = {
                name: Coded.of(list(v.take(rows).strings())) if isinstance(v, Coded) else v[rows]
                for name, v in columns.items()
            }
    return CrmData(tables, crm.attributes, crm.process)


def _strings(crm: CrmData, table: str, column: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    values = crm.tables[table][column]
    assert isinstance(values, Coded)
    return values.strings()


@settings(SETTINGS, max_examples=20)
@given(past=PASTS, later=FUTURES, style=STYLES)
def test_one_deal_sent_alone_gets_the_row_it_has_among_all(
    past: list[Happening], later: list[Happening], style: Style
) -> None:
    everything = export([*past, *later], style)
    ids, features, matrix = rows_at(everything)
    company = Company(History(everything))
    today = export(past, style)  # what the caller knows, who sends it on the day itself
    for row, deal in enumerate(ids):
        history = History(alone(today, deal), company=company)
        pairs = open_at(history, AS_OF)
        assert pairs.deal.tolist() == [0]
        single = build_matrix(history, features, Snapshots(pairs.deal, pairs.as_of))
        assert_same_rows(single, matrix.take(np.array([row])))
