"""No peeking: the queue of a day is the same whatever happens afterwards, and so is what it learned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crm.schema import Known
from crm.simulate import simulate
from crm.tables import NAT, Coded, Columns, CrmData, micros
from features.history import History
from insights.reengagement.features import Knowing
from insights.reengagement.landmarks import landmarks
from insights.reengagement.losses import Accounts
from insights.reengagement.options import Options
from insights.reengagement.queue import Queue, make_queue
from insights.reengagement.reasons import Reader
from models.taxonomy import default_taxonomy
from tests.features.strategies import FUTURES, PASTS
from tests.features.worlds import AS_OF, Happening, Moved, Overwritten, Style, export
from tests.insights.reengagement.simulated import imported

TAXONOMY = default_taxonomy("loss")
SETTINGS = settings(
    deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)  # fmt: skip
STYLES = st.builds(Style, st.booleans(), st.sampled_from(["ids", "sequence"]), st.booleans())
OPTIONS = Options(least_days=1, least_winbacks=1)


def untold(future: Iterable[Happening]) -> list[Happening]:
    """Without what no export tells: columns that are overwritten unrecorded."""
    return [item for item in future if not isinstance(item, Overwritten)]


def without_picks(crm: CrmData) -> CrmData:
    """Without the picked reasons: of a deal that is reopened and lost again, an export has the newest pick only."""
    kept = tuple(a for a in crm.attributes if a.name != "loss_reason")
    deals = {name: values for name, values in crm.tables["opportunities"].items() if name != "loss_reason"}
    return replace(crm, tables={**crm.tables, "opportunities": deals}, attributes=kept)


def at(crm: CrmData) -> Queue:
    return make_queue(History(crm), AS_OF, OPTIONS, TAXONOMY)


@settings(SETTINGS, max_examples=30)
@given(past=PASTS, one=FUTURES, other=FUTURES, style=STYLES)
def test_the_queue_sees_no_future(
    past: list[Happening], one: list[Happening], other: list[Happening], style: Style
) -> None:
    worlds = [without_picks(export([*past, *untold(future)], style)) for future in (one, other)]
    assert at(worlds[0]) == at(worlds[1])


@pytest.mark.slow
@settings(SETTINGS, max_examples=40)
@given(past=PASTS, one=FUTURES, other=FUTURES, style=STYLES)
def test_with_picked_reasons_where_nothing_is_reopened(
    past: list[Happening], one: list[Happening], other: list[Happening], style: Style
) -> None:
    def kept(future: list[Happening]) -> list[Happening]:
        return [item for item in untold(future) if not isinstance(item, Moved)]

    worlds = [export([*past, *kept(future)], style) for future in (one, other)]
    assert at(worlds[0]) == at(worlds[1])


@pytest.mark.slow
def test_the_check_finds_a_peek(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a win-back told before it came."""
    honest = Accounts.won_back_at
    monkeypatch.setattr(
        Accounts, "won_back_at", lambda self, account, since, known_by: honest(self, account, since, 2**62)
    )
    monkeypatch.setattr("insights.reengagement.landmarks.months_later", lambda when, _: np.full(len(when), 2**62))

    @settings(SETTINGS, max_examples=150, phases=[Phase.generate])
    @given(past=PASTS, one=FUTURES, other=FUTURES)
    def check(past: list[Happening], one: list[Happening], other: list[Happening]) -> None:
        worlds = [export([*past, *untold(future)], Style()) for future in (one, other)]
        rows = [landmarks(Accounts(History(w), OPTIONS), AS_OF, 12, np.zeros(10_000, dtype=bool)) for w in worlds]
        assert np.array_equal(rows[0].won_at, rows[1].won_at)

    with pytest.raises(AssertionError):
        check()


# -- a whole company ---------------------------------------------------------------------------------------------------


def cut(crm: CrmData, when: int) -> CrmData:
    """The export as it would have been taken on a day: what lies at or after it has not happened."""

    def rows(columns: Columns, keep: np.ndarray) -> Columns:
        return {name: v.take(keep) if isinstance(v, Coded) else v[keep] for name, v in columns.items()}

    tables: dict[str, Columns] = {}
    for table, columns in crm.tables.items():
        clock = {"stage_changes": "changed_at", "field_changes": "changed_at", "activities": "occurred_at",
                 "contact_roles": "added_at", "deal_products": "added_at", "notes": "written_at",
                 "opportunities": "created_at"}.get(table)  # fmt: skip
        times = columns[clock] if clock else None
        tables[table] = dict(columns) if times is None else rows(columns, np.asarray(times) < when)
    deals = tables["opportunities"]
    later = np.asarray(deals["closed_at"]) >= when
    deals["closed_at"] = np.where(later, NAT, np.asarray(deals["closed_at"]))
    closed_only = [a.name for a in crm.attributes if a.table == "opportunities" and a.known is Known.CLOSED]
    for name in closed_only:
        values = deals[name]
        if isinstance(values, Coded):
            deals[name] = Coded(np.where(later, -1, values.codes).astype(np.int32), values.levels)
        elif values.dtype == np.float64:
            deals[name] = np.where(later, np.nan, values)
    return replace(crm, tables=tables)


@pytest.mark.slow
def test_a_later_export_gives_the_same_queue_of_a_past_day() -> None:
    crm = imported(simulate(1500, 3))
    when = micros("2026-01-15")
    options = Options(least_winbacks=10)
    full, past = (make_queue(History(data), when, options, TAXONOMY) for data in (crm, cut(crm, when)))
    assert len(full.rows) > 50
    assert full == past


@pytest.mark.slow
def test_rows_to_learn_from_are_the_same_in_a_later_export() -> None:
    crm = imported(simulate(1500, 3))
    when = micros("2026-01-15")
    found = []
    for data in (crm, cut(crm, when)):
        accounts = Accounts(History(data), Options())
        rows = landmarks(accounts, when, 6, np.zeros(accounts.history.n_deals, dtype=bool))
        matrix = Knowing(accounts, TAXONOMY, Reader())(rows.lost).matrix.frame()
        found.append(matrix.assign(won_at=rows.won_at, as_of=rows.lost.as_of))
    assert len(found[0]) > 1000
    assert found[0].astype(str).equals(found[1].astype(str))


