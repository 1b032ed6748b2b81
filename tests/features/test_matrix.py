"""Which pairs are looked at, and what a history makes of a company's tables."""

from __future__ import annotations

import numpy as np
import pytest

from crm.schema import Known
from crm.tables import NAT, CrmData, Process, micros, moment
from features.company import Company
from features.errors import FeatureError
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix, grid, mondays, open_at
from features.moments import Moments
from features.registry import Feature, absent_of, declared, feature, features_of, forget, provider
from tests.features.small import PROCESS, crm_of, values_at


def deals(text: str, process: Process = PROCESS, **tables: str) -> History:
    return History(crm_of({"opportunities": text, **tables}, process=process))


def named(history: History, pairs: Snapshots) -> list[tuple[str, str]]:
    return [
        (history.deal_ids[deal], f"{moment(int(as_of)):%Y-%m-%d}")
        for deal, as_of in zip(pairs.deal, pairs.as_of, strict=True)
    ]


LIVES = """
    opportunity_id | created_at       | closed_at        | outcome
    later          | 2024-05-06       |                  |
    before         | 2024-05-05T23:59 |                  |
    closed_on      | 2024-05-01       | 2024-05-06       | won
    closed_before  | 2024-05-01       | 2024-05-05T23:59 | lost
    undated        |                  |                  |
    long           | 2024-04-22       | 2024-05-13       | lost
"""


def test_open_means_entered_before_and_not_closed_before() -> None:
    history = deals(LIVES)
    found = [name for name, _ in named(history, open_at(history, micros("2024-05-06")))]
    assert found == ["before", "closed_on", "long"]


def test_snapshots_are_the_mondays_of_an_open_life() -> None:
    history = deals(LIVES)
    assert named(history, grid(history, micros("2024-05-21"))) == [
        ("before", "2024-05-06"), ("before", "2024-05-13"), ("before", "2024-05-20"),
        ("later", "2024-05-13"), ("later", "2024-05-20"),
        ("long", "2024-04-29"), ("long", "2024-05-06"),
    ]  # fmt: skip
    assert named(history, grid(history, micros("2024-05-13"), start=micros("2024-05-01"))) == [
        ("before", "2024-05-06"), ("long", "2024-05-06"),
    ]  # fmt: skip
    assert len(grid(history, micros("2020-01-01"))) == 0


def test_snapshots_at_entry() -> None:
    history = deals(LIVES, Process(snapshots="entry"))
    assert named(history, grid(history, micros("2024-05-06"), start=micros("2024-05-01"))) == [
        ("before", "2024-05-05"), ("closed_before", "2024-05-01"), ("closed_on", "2024-05-01"),
    ]  # fmt: skip
    assert named(history, open_at(history, micros("2024-05-06"))) == [
        ("before", "2024-05-05"), ("closed_on", "2024-05-01"), ("long", "2024-04-22"),
    ]  # fmt: skip


@pytest.mark.parametrize("basis", ["sequence", "none"])
def test_an_export_without_dates_has_each_deal_once(basis: str) -> None:
    text = "opportunity_id | outcome\nB | won\nA |\nC | lost"
    history = deals(text, Process(time_basis=basis))  # type: ignore[arg-type]
    assert history.closed.tolist()[1] == NAT
    assert grid(history, 0).deal.tolist() == [0, 1, 2]
    assert open_at(history, micros("2024-01-01")).deal.tolist() == [0]
    assert "dates" not in history.sources


def test_mondays() -> None:
    days = mondays(micros("2024-05-06"), micros("2024-05-20"))
    assert [f"{moment(int(day)):%a %d %H:%M}" for day in days] == ["Mon 06 00:00", "Mon 13 00:00"]
    assert mondays(micros("2024-05-06T00:00:01"), micros("2024-05-13")).tolist() == []


REOPENED = {
    "opportunities": """
        opportunity_id | created_at | closed_at  | outcome | owner_id
        D1             | 2024-04-01 | 2024-05-20 | won     | U1
        D2             | 2024-04-01 |            |         | U1
    """,
    "stage_changes": """
        opportunity_id | changed_at | from_stage | to_stage
        D1             | 2024-04-01 |            | Qualify
        D1             | 2024-04-10 | Qualify    | Lost
        D1             | 2024-04-28 | Lost       | Propose
        D1             | 2024-05-20 | Propose    | Won
    """,
}


def test_a_reopened_deal_was_closed_for_a_while() -> None:
    history = History(crm_of(REOPENED, known={"opportunities.owner_id": Known.CREATED}))
    opened = [day for name, day in named(history, grid(history, micros("2024-06-01"))) if name == "D1"]
    assert opened == ["2024-04-08", "2024-04-29", "2024-05-06", "2024-05-13"]
    days = ("2024-04-11", "2024-04-28", "2024-04-29", "2024-05-20", "2024-05-21")
    record = {day: values_at(history.crm, day) for day in days}
    assert [len(record[day]["age_days"]) for day in days] == [1, 1, 2, 2, 1]
    assert [record[day]["owner_closed_deals"]["D2"] for day in days] == [1, 1, 1, 1, 2]
    assert [record[day]["owner_open_deals"]["D2"] for day in days] == [0, 0, 1, 1, 0]


def test_steps_back_without_a_declared_order_are_returns() -> None:
    process = Process(won_stages=("Won",), lost_stages=("Lost",))
    moves = """
        opportunity_id | changed_at | from_stage | to_stage
        D1             | 2024-05-01 |            | B
        D1             | 2024-05-02 | B          | A
        D1             | 2024-05-03 | A          | A
        D1             | 2024-05-04 | A          | B
        D1             | 2024-05-05 | B          | Lost
        D1             | 2024-05-06 | Lost       | C
        D1             | 2024-05-07 | C          | A
        D2             | 2024-05-07 | C          | A
    """
    history = deals("opportunity_id | created_at\nD1 | 2024-05-01\nD2 | 2024-05-01", process, stage_changes=moves)
    events = history.stage_changes
    stages = [events.levels("stage")[code] for code in events.codes("stage")]
    assert stages == ["B", "A", "A", "B", "C", "A", "A"]
    assert np.asarray(events.values("backward")).tolist() == [False, False, False, True, False, True, False]
    assert np.asarray(events.values("reopened")).tolist() == [False, False, False, False, True, False, False]


def test_the_load_of_an_owner_follows_hand_overs() -> None:
    crm = crm_of({
        "opportunities": """
            opportunity_id | created_at | closed_at  | outcome | owner_id
            D1             | 2024-05-01 | 2024-05-09 | won     | U3
            D2             | 2024-05-01 |            |         | U1
        """,
        "field_changes": """
            opportunity_id | changed_at | field    | old_value | new_value
            D1             | 2024-04-30 | owner_id |           | U1
            D1             | 2024-05-03 | owner_id | U1        | U2
            D1             | 2024-05-03 | owner_id | U2        |
            D1             | 2024-05-05 | owner_id |           | U3
            D1             | 2024-05-09 | owner_id | U3        | U4
            D1             | 2024-05-20 | owner_id | U4        | U3
        """,
    })  # fmt: skip
    load = Company(History(crm)).load
    owners = Company(History(crm)).owners
    comings = sorted(
        (f"{moment(int(time)):%m-%d}", owners[key], int(delta))
        for key, time, delta in zip(load.key, load.time, np.asarray(load.values("delta")), strict=True)
    )
    assert comings == [
        ("05-01", "U1", 1), ("05-01", "U1", 1), ("05-03", "U1", -1), ("05-03", "U2", -1), ("05-03", "U2", 1),
        ("05-05", "U3", 1), ("05-09", "U3", -1),
    ]  # fmt: skip


def test_a_feature_whose_source_is_absent_is_all_missing() -> None:
    history = deals(LIVES)
    lacking = absent_of(history)
    assert lacking["amount"] == ("opportunities.amount",)
    assert lacking["activities_per_week"] == ("activities",)
    assert "age_days" not in lacking
    pairs = open_at(history, micros("2024-05-06"))
    wanted = [item for item in declared() if item.name in ("amount", "stage")]
    matrix = build_matrix(history, wanted, pairs)
    assert matrix.frame()["stage"].tolist() == [None] * 3
    assert matrix.frame()["amount"].isna().all()


def test_a_large_matrix_is_the_small_ones_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    crm = crm_of(REOPENED, known={"opportunities.owner_id": Known.CREATED})
    history = History(crm)
    pairs, features = grid(history, micros("2024-06-01")), features_of(history)
    whole = build_matrix(history, features, pairs).frame()
    for at_once in (1, 3):
        monkeypatch.setattr("features.matrix._AT_ONCE", at_once)
        assert whole.equals(build_matrix(History(crm), features, pairs).frame())
    assert len(whole) > 6


def test_an_error_in_a_thread_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    history = deals(LIVES)
    pairs = grid(history, micros("2024-05-21"))

    def fails_late(at: Moments) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if at.as_of.max() >= pairs.as_of[-1]:
            raise ValueError("no value")
        return at.age_days

    monkeypatch.setattr("features.matrix._AT_ONCE", 2)
    late = Feature("late", "tried", "days", "late", (), fails_late, "Fails at the last moment.")
    with pytest.raises(ValueError, match="no value"):
        build_matrix(history, [late], pairs)


def test_a_matrix_survives_a_frame() -> None:
    history = History(crm_of(REOPENED, known={"opportunities.owner_id": Known.CREATED}))
    matrix = build_matrix(history, features_of(history), open_at(history, micros("2024-05-06")))
    again = FeatureMatrix.of_frame(matrix.frame())
    assert again.frame().equals(matrix.frame())
    assert matrix.take(np.array([True, False])).n_rows == matrix.take(np.array([0])).n_rows == 1


# -- the registry ------------------------------------------------------------------------------------------------------


def test_a_feature_declared_twice_is_refused() -> None:
    def amount(at: Moments) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Another amount."""
        return at.age_days

    declared()
    with pytest.raises(FeatureError, match="'amount' is declared in deal and again in test_matrix"):
        feature(unit="number", label="amount")(amount)


def test_a_feature_without_documentation_is_refused() -> None:
    def bare(at: Moments) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return at.age_days

    with pytest.raises(FeatureError, match="'bare' has no docstring"):
        feature(unit="number", label="bare")(bare)
    assert "bare" not in {item.name for item in declared()}


def test_a_feature_can_be_tried_and_forgotten() -> None:
    @feature(unit="days", label="age again", needs=["dates"])
    def age_again(at: Moments) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The age once more. Known from entry on."""
        return at.age_days

    try:
        values = values_at(deals(LIVES).crm, "2024-05-06")
        assert values["age_again"] == values["age_days"]
    finally:
        forget("age_again")
    assert "age_again" not in {item.name for item in declared()}


def test_a_provider_must_not_take_a_name_that_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.registry._PROVIDERS", {})
    provider(lambda history: [item for item in declared() if item.name == "age_days"])
    with pytest.raises(FeatureError, match=r"declared twice: \['age_days'\]"):
        features_of(deals(LIVES))


def test_no_deals_at_all() -> None:
    crm: CrmData = crm_of({"opportunities": "opportunity_id | created_at | outcome | owner_id"})
    history = History(crm)
    assert len(open_at(history, micros("2024-05-06"))) == 0
    assert build_matrix(history, features_of(history), open_at(history, 0)).n_rows == 0
