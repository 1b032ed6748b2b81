"""The post-mortem: what happened in order, odds as of then, moves that add up, and deals like it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from numpy.typing import NDArray

from crm.ledger import rows_of_deal
from crm.schema import Known
from crm.store import Store
from crm.tables import DAY, Coded, Columns, Process, micros
from features.history import History
from features.matrix import WEEK
from features.records import NEVER
from insights.changes import Said, said_at
from insights.errors import NothingToTellError
from insights.postmortem import StatedReason, moments_of, post_mortem
from insights.similar import similar
from insights.timeline import timeline
from models.logistic import Logistic
from models.scoring import WinVersion
from tests.features.small import PROCESS, crm_of
from tests.fitting import fit
from tests.insights.conftest import CUT, Company, Keep

SMALL = {
    "opportunities": """
        opportunity_id | created_at | closed_at  | stage | outcome | amount | owner_id | loss_reason | expected_close_at
        a              | 2024-01-03 | 2024-02-01 | Lost  | lost    | 900    | u2       | Price       | 2024-02-01
        b              | 2024-01-03 | 2024-01-20 | Won   | won     | 500    | u1       |             |
        c              | 2024-01-03 |            | Demo  |         | 500    | u1       |             |
    """,
    "users": "user_id | name\nu1 | Ada\nu2 | Bea",
    "stage_changes": """
        opportunity_id | changed_at          | from_stage | to_stage
        a              | 2024-01-03          |            | Qualify
        a              | 2024-01-10T09:00:00 | Qualify    | Negotiate
        a              | 2024-01-12          | Negotiate  | Propose
        a              | 2024-01-15          | Propose    | Lost
        a              | 2024-01-20          | Lost       | Propose
        a              | 2024-02-01          | Propose    | Lost
        b              | 2024-01-04          |            | Qualify
    """,
    "field_changes": """
        opportunity_id | changed_at | field             | old_value  | new_value
        a              | 2024-01-11 | amount            | 700        | 900
        a              | 2024-01-13 | expected_close_at | 2024-01-31 | 2024-02-20
        a              | 2024-01-14 | owner_id          | u1         | u2
    """,
    "activities": """
        opportunity_id | occurred_at         | type    | direction | topic
        a              | 2024-01-10T08:00:00 | meeting | inbound   | Pricing
        a              | 2024-01-03          | call    |           |
    """,
    "contact_roles": "opportunity_id | contact_id | role | added_at\na | p1 | Champion | 2024-01-09",
}


def closed_deals(company: Company, outcome: float, least_weeks: int = 4, after: int = CUT) -> list[str]:
    history = company.history
    long = (history.closed != NEVER) & (history.closed - history.created > least_weeks * WEEK)
    chosen = long & (history.won == outcome) & (history.created > after)
    return [history.deal_ids[deal] for deal in np.flatnonzero(chosen)]


def test_the_timeline_of_a_small_deal() -> None:
    history = History(crm_of(SMALL))
    told = [(f"{np.datetime64(item.at, 'us')}"[:10], item.what, item.words) for item in timeline(history, 0)]
    assert told == [
        ("2024-01-03", "entered", "deal entered"),
        ("2024-01-03", "stage", "entered Qualify"),
        ("2024-01-03", "activity", "call"),
        ("2024-01-09", "contact", "contact added: Champion"),
        ("2024-01-10", "activity", "meeting, inbound, Pricing"),
        ("2024-01-10", "stage", "entered Negotiate"),
        ("2024-01-11", "amount", "amount 700 to 900"),
        ("2024-01-12", "stage", "entered Propose, a step back"),
        ("2024-01-13", "close date", "expected close 2024-02-20 (20 days later)"),
        ("2024-01-14", "owner", "owner Bea"),
        ("2024-01-15", "closed", "lost, for a while"),
        ("2024-01-20", "stage", "entered Propose"),
        ("2024-01-20", "reopened", "reopened"),
        ("2024-02-01", "closed", "lost"),
    ]


def test_reasons_moments_and_no_model() -> None:
    history = History(crm_of(SMALL))
    found = post_mortem(history, None, "a")
    assert (found.outcome, [(item.source, item.reason) for item in found.reasons]) == ("lost", [("picklist", "Price")])
    assert (found.steps, found.moves, found.similar, found.learned_from) == ((), (), (), False)
    assert "no model yet" in found.notes[0]
    assert post_mortem(history, None, "b").reasons == ()
    read = StatedReason("note", "Price", 0.7, ("too dear",))
    asked: list[tuple[str, str]] = []
    told = post_mortem(history, None, "a", why=lambda deal, kind: asked.append((deal, kind)) or read)
    assert asked == [("a", "loss")]
    assert told.reasons == (read, *found.reasons)
    days = [f"{np.datetime64(at, 'us')}"[:10] for at in moments_of(history, 0).tolist()]
    assert days == ["2024-01-04", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29", "2024-02-01"]


def test_while_it_was_closed_for_a_while_it_is_not_scored() -> None:
    tables = {**SMALL, "stage_changes": SMALL["stage_changes"].replace("2024-01-20", "2024-01-24")}
    days = [f"{np.datetime64(at, 'us')}"[:10] for at in moments_of(History(crm_of(tables)), 0).tolist()]
    assert "2024-01-22" not in days
    assert "2024-01-29" in days


@pytest.mark.parametrize(("deal", "words"), [
    ("nobody", "there is no deal 'nobody' in the store"),
    ("c", "deal 'c' is still open: a post-mortem looks back on a closed one"),
])  # fmt: skip
def test_nothing_to_look_back_on_ends_in_one_clear_sentence(deal: str, words: str) -> None:
    with pytest.raises(NothingToTellError) as caught:
        post_mortem(History(crm_of(SMALL)), None, deal)
    assert str(caught.value) == words


@pytest.mark.parametrize("version", [1, 2, 3])
def test_odds_are_those_of_then_and_moves_add_up(company: Company, version: int) -> None:
    model = company.models[version]
    for deal in closed_deals(company, 0.0)[:2] + closed_deals(company, 1.0)[:2]:
        found = post_mortem(company.history, model, deal)
        assert found.outcome == ("won" if company.history.won[company.history.code(deal) or 0] == 1 else "lost")
        for before, step in zip(found.steps[:-1], found.steps[1:], strict=True):
            assert step.change is not None
            assert step.change.before is before.said
            whole = sum(item.points for item in step.change.inputs) + step.change.rounding
            assert whole == pytest.approx(step.said.p - before.said.p, abs=1e-12)
            assert abs(step.change.rounding) < 1e-6
        for step in found.steps[::3]:
            assert step.said.p == pytest.approx(said_at(company.history, model, deal, step.said.as_of).p, abs=1e-9)
        sizes = [abs(step.change.points) for step in found.moves if step.change is not None]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] == max(abs(step.change.points) for step in found.steps if step.change is not None)
        happened = [item for step in found.steps for item in step.happened]
        assert happened == [item for item in found.timeline if item.at < found.steps[-1].said.as_of]


def rows_kept(columns: Columns, rows: NDArray[np.int64]) -> Columns:
    return {name: values.take(rows) if isinstance(values, Coded) else values[rows] for name, values in columns.items()}


def ids_of(columns: Columns) -> NDArray[np.object_]:
    ids = columns["opportunity_id"]
    assert isinstance(ids, Coded)
    return ids.strings()


def test_what_came_later_changes_no_step(company: Company) -> None:
    """The same deal, lost at once and never heard of again after a moment, has the same odds up to then."""
    deal = closed_deals(company, 1.0, least_weeks=8)[0]
    model = company.models[1]
    whole = post_mortem(company.history, model, deal)
    until = whole.steps[4].said.as_of
    tables = dict(company.crm.tables)
    for name, clock in (("stage_changes", "changed_at"), ("activities", "occurred_at"), ("contact_roles", "added_at")):
        tables[name] = rows_kept(tables[name], np.flatnonzero(np.asarray(tables[name][clock]) < until).astype(np.int64))
    deals = dict(tables["opportunities"])
    mine = ids_of(deals) == deal
    outcome = deals["outcome"]
    assert isinstance(outcome, Coded)
    lost = np.where(mine, outcome.levels.index("lost"), outcome.codes).astype(np.int32)
    closed = np.where(mine, until, np.asarray(deals["closed_at"]))
    tables["opportunities"] = {**deals, "closed_at": closed, "outcome": Coded(lost, outcome.levels)}
    cut = post_mortem(History(dataclasses.replace(company.crm, tables=tables)), model, deal)
    assert (whole.outcome, cut.outcome) == ("won", "lost")
    assert [step.said.as_of for step in cut.steps] == [step.said.as_of for step in whole.steps[:5]]
    for one, other in zip(cut.steps, whole.steps, strict=False):
        assert one.said.p == pytest.approx(other.said.p, abs=1e-12)
        assert one.happened == other.happened


def test_in_sample_is_said(company: Company) -> None:
    history, model = company.history, company.models[1]
    after = post_mortem(history, model, closed_deals(company, 0.0)[0])
    assert not after.learned_from
    assert not any(step.said.in_sample for step in after.steps)
    before = next(history.deal_ids[deal] for deal in np.flatnonzero(history.closed < CUT))
    found = post_mortem(history, model, before)
    assert found.learned_from
    assert all(step.said.in_sample for step in found.steps)


def test_similar_deals_are_the_nearest_in_what_the_inputs_add(company: Company) -> None:
    history, model = company.history, company.models[1]
    deal = history.code(closed_deals(company, 0.0)[0])
    assert deal is not None
    found = similar(history, model, deal, 5)
    assert [item.distance for item in found] == sorted(item.distance for item in found)
    assert history.deal_ids[deal] not in {item.deal_id for item in found}
    for item in found:
        code = history.code(item.deal_id)
        assert code is not None
        assert item.outcome == ("won" if history.won[code] == 1 else "lost")
        assert item.closed_at == history.closed[code]
        then = said_at(history, model, item.deal_id, int(history.closed[code]))
        mine = said_at(history, model, history.deal_ids[deal], int(history.closed[deal]))
        apart = sum((then.contributions[name] - mine.contributions[name]) ** 2 for name in then.contributions) ** 0.5
        assert item.p == pytest.approx(then.p, abs=1e-9)
        assert item.distance == pytest.approx(apart, abs=1e-5)
        for label in item.alike:
            name = next(name for name, (words, _) in then.described.items() if words == label)
            assert then.contributions[name] * mine.contributions[name] > 0
    everyone = similar(history, model, deal, 200)
    assert found == everyone[:5]


def test_its_twin_is_the_most_similar(company: Company) -> None:
    """A copy of a deal with another id lies nearest to it."""
    deal = closed_deals(company, 0.0)[0]
    tables = {}
    for name, columns in company.crm.tables.items():
        tables[name] = columns
        if "opportunity_id" in columns:
            ids = ids_of(columns)
            rows = np.concatenate([np.arange(len(ids)), np.flatnonzero(ids == deal)]).astype(np.int64)
            named = Coded.of([*ids.tolist(), *["twin"] * int((ids == deal).sum())])
            tables[name] = {**rows_kept(columns, rows), "opportunity_id": named}
    history = History(dataclasses.replace(company.crm, tables=tables))
    code = history.code(deal)
    assert code is not None
    found = similar(history, company.models[1], code, 1)
    assert found[0].deal_id == "twin"
    assert found[0].distance < 0.2


def test_what_was_kept_stands_beside_it_and_all_of_it_is_plain_data(
    company: Company, store: Store, keep: Keep
) -> None:
    for day in ("2024-10-07", "2024-10-21"):
        keep(day)
    found = None
    for deal in closed_deals(company, 0.0):
        kept = [Said.kept(run, rows) for run, rows in rows_of_deal(store, deal)]
        if len(kept) == 2:
            found = post_mortem(company.history, company.models[1], deal, kept)
            break
    assert found is not None
    assert [item.as_of for item in found.kept] == [micros("2024-10-07"), micros("2024-10-21")]
    by_day = {step.said.as_of: step.said.p for step in found.steps}
    assert [item.p for item in found.kept] == pytest.approx([by_day[item.as_of] for item in found.kept], abs=1e-9)
    plain = json.loads(json.dumps(found.to_json(most=2), allow_nan=False))
    assert plain["deal_id"] == found.deal_id
    for step in plain["steps"][1:]:
        assert len(step["change"]["inputs"]) <= 2
        told = sum(item["points"] for item in step["change"]["inputs"]) + step["change"]["other_points"]
        assert told == pytest.approx(step["change"]["points"], abs=1e-12)


def test_an_export_without_dates_has_one_moment_and_says_so() -> None:
    head = "opportunity_id | outcome | amount | loss_reason\n"
    rows = "\n".join(f"d{n:02d} | {'won' if n % 3 == 0 else 'lost'} | {100 * n} | Price" for n in range(60))
    crm = crm_of({"opportunities": head + rows}, process=Process(time_basis="none"),
                 known={"opportunities.amount": Known.CREATED})  # fmt: skip
    crm = dataclasses.replace(crm, imported_at=micros("2024-05-01"))
    win = dataclasses.replace(fit(crm, Logistic(), cut=NEVER), dated=False)
    found = post_mortem(History(crm), WinVersion(1, "d", win), "d01")
    assert (found.created_at, found.closed_at, found.timeline, found.moves) == (None, None, (), ())
    assert len(found.steps) == 1
    assert found.learned_from
    assert len(found.similar) == 5
    assert "the export has no dates" in found.notes[0]


def test_a_deal_closed_on_the_day_of_its_entry_has_no_steps() -> None:
    tables = {"opportunities": "opportunity_id|created_at|closed_at|outcome\na|2024-01-03|2024-01-03|won"}
    history = History(crm_of(tables, process=PROCESS))
    assert moments_of(history, 0).tolist() == []
    text = tables["opportunities"].replace("|2024-01-03|won", "|2024-01-03T09:00|won")
    later = History(crm_of({"opportunities": text}))
    assert moments_of(later, 0).tolist() == [micros("2024-01-03") + 9 * DAY // 24]
