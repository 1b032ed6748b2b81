"""Figures of a review, worked out once more with pandas on a simulated CRM."""

from __future__ import annotations

import json
import re
from collections import Counter

import pandas as pd
import pytest

from crm.labels import Label, add_label
from crm.notes import closed_notes
from crm.store import Store
from crm.tables import CrmData, micros
from features.history import History
from insights.pages.parts import Table
from insights.periods import Period, parse_period
from insights.reasons import answers, reasons_of
from insights.review import DIMENSIONS, Review, review, to_json
from insights.review.closed import closed_deals
from insights.review.page import sections, to_html, to_markdown
from insights.settled import trusted
from models.taxonomy import BUILT_IN, default_taxonomy
from training.reasons import fit_reasons

PERIOD = parse_period("2026Q2")
STAGES = ["Prospecting", "Qualification", "Demo", "Proposal", "Negotiation"]


@pytest.fixture(scope="module")
def found(simulated_crm: CrmData) -> Review:
    return review(History(simulated_crm), PERIOD, by="product")


@pytest.fixture(scope="module")
def frame(simulated_crm: CrmData) -> pd.DataFrame:
    """Decided deals with what a review tells them apart by."""
    deals = simulated_crm.frame("opportunities").dropna(subset=["outcome"])
    users = simulated_crm.frame("users").set_index("user_id")["team"]
    segments = simulated_crm.frame("accounts").set_index("account_id")["segment"]
    deals = deals.assign(
        team=deals["owner_id"].map(users), segment=deals["account_id"].map(segments), won=deals["outcome"] == "won",
        days=(deals["closed_at"] - deals["created_at"]).dt.total_seconds() / 86_400,
    )  # fmt: skip
    moves = simulated_crm.frame("stage_changes")
    moves = moves[moves["to_stage"].isin(STAGES)].sort_values(["changed_at", "sequence"] if "sequence" in moves else
                                                              "changed_at", kind="stable")  # fmt: skip
    return deals.assign(last_stage=deals["opportunity_id"].map(moves.groupby("opportunity_id")["to_stage"].last()))


def of(frame: pd.DataFrame, period: Period) -> pd.DataFrame:
    start, end = (pd.Timestamp(value, unit="us", tz="UTC") for value in (period.start, period.end))
    return frame[(frame["closed_at"] >= start) & (frame["closed_at"] < end)]


def reasons(part: pd.DataFrame, kind: str) -> pd.Series:
    taxonomy = default_taxonomy(kind)
    picked = part[f"{kind}_reason"].map(lambda value: taxonomy.of_picklist(value) if isinstance(value, str) else None)
    return picked[picked.map(lambda value: isinstance(value, str) and taxonomy.reason(value).counts)]


@pytest.mark.parametrize("which", ["now", "previous", "year_before"])
def test_win_rates_sizes_and_cycles(found: Review, frame: pd.DataFrame, which: str) -> None:
    period = {"now": PERIOD, "previous": PERIOD.previous, "year_before": PERIOD.year_before}[which]
    part, told = of(frame, period), getattr(found.summary, which)
    won = part[part["won"]]
    assert (told.decided, told.won, told.lost) == (len(part), len(won), len(part) - len(won))
    assert told.win_rate.rate == pytest.approx(len(won) / len(part))
    (value,) = told.value
    assert value.rate == pytest.approx(won["amount"].sum() / part["amount"].sum())
    assert (value.won, value.won + value.lost) == pytest.approx((won["amount"].sum(), part["amount"].sum()))
    assert value.lower < value.rate < value.upper
    (size,) = told.size
    assert (size.won, size.won_mean) == pytest.approx((won["amount"].median(), won["amount"].mean()))
    assert size.lost == pytest.approx(part.loc[~part["won"], "amount"].median())
    assert told.cycle_won.median == pytest.approx(won["days"].median())
    assert told.cycle_lost.upper_quartile == pytest.approx(part.loc[~part["won"], "days"].quantile(0.75))
    (velocity,) = told.velocity
    by_hand = len(part) * (len(won) / len(part)) * won["amount"].mean() / won["days"].mean()
    assert velocity.per_day == pytest.approx(by_hand)


def test_the_trend_ends_with_the_period_and_starts_with_the_first_deal(found: Review, frame: pd.DataFrame) -> None:
    for point in found.summary.trend:
        part = of(frame, parse_period(point.period))
        assert (point.win_rate.k, point.win_rate.n) == (part["won"].sum(), len(part))
    assert found.summary.trend[-1].period == "2026Q2"


def test_where_deals_die(found: Review, frame: pd.DataFrame, simulated_crm: CrmData) -> None:
    part = of(frame, PERIOD)
    lost = part[~part["won"]]
    died = lost["last_stage"].value_counts()
    assert {item.stage: item.died for item in found.stages} == {stage: int(died.get(stage, 0)) for stage in STAGES}
    for item in found.stages:
        mine = lost[lost["last_stage"] == item.stage]
        assert sum(money.amount for money in item.lost_value) == pytest.approx(mine["amount"].sum())
    moves = simulated_crm.frame("stage_changes")
    moves = moves[moves["to_stage"].isin(STAGES) & moves["opportunity_id"].isin(part["opportunity_id"])]
    place = moves.assign(place=moves["to_stage"].map(STAGES.index))
    furthest = place.groupby("opportunity_id")["place"].max()
    won = set(part.loc[part["won"], "opportunity_id"])
    for number, item in enumerate(found.stages):
        inside = set(place.loc[place["place"] == number, "opportunity_id"])
        on = sum(deal in won or furthest[deal] > number for deal in inside)
        assert (item.went_on.n, item.went_on.k) == (len(inside), on)


def test_slippage(found: Review, frame: pd.DataFrame, simulated_crm: CrmData) -> None:
    part = of(frame, PERIOD).set_index("opportunity_id")
    changes = simulated_crm.frame("field_changes")
    changes = changes[changes["field"] == "expected_close_at"].sort_values("changed_at", kind="stable")
    changes = changes.assign(old=pd.to_datetime(changes["old_value"]), new=pd.to_datetime(changes["new_value"]))
    first = changes.groupby("opportunity_id")["new"].first()
    days = ((part["closed_at"] - first.reindex(part.index)).dt.total_seconds() / 86_400).map(int)
    slip = found.slippage
    assert slip is not None
    assert (slip.late.k, slip.late.n) == ((days > 0).sum(), len(days))
    assert slip.days_won == pytest.approx(days[part["won"]].median())
    later = changes[changes["new"] > changes["old"]].groupby("opportunity_id").size()
    times = later.reindex(part.index).fillna(0).clip(upper=3)
    assert {item.pushes: (item.win_rate.k, item.win_rate.n) for item in slip.pushes} == {
        int(n): (int(mine.sum()), len(mine)) for n, mine in part["won"].groupby(times)
    }
    start, end = (pd.Timestamp(value, unit="us", tz="UTC") for value in (PERIOD.start, PERIOD.end))
    deals = simulated_crm.frame("opportunities").set_index("opportunity_id")
    alive = deals[(deals["created_at"] < start) & ~(deals["closed_at"] < start)]
    before = changes[changes["changed_at"] < start].groupby("opportunity_id")["new"].last().reindex(alive.index)
    due = alive[(before >= start) & (before < end)]
    inside = due[due["closed_at"] < end]
    assert slip.expected.deals == len(due)
    assert slip.expected.won.k == (inside["outcome"] == "won").sum()
    assert slip.expected.slipped.k == len(due) - len(inside)


@pytest.mark.parametrize("kind", ["loss", "win"])
def test_reasons_are_counted_and_valued(found: Review, frame: pd.DataFrame, kind: str) -> None:
    told = found.losses if kind == "loss" else found.wins
    part, before = (of(frame, period) for period in (PERIOD, PERIOD.previous))
    part, before = (side[side["won"] == (kind == "win")] for side in (part, before))
    now, then = reasons(part, kind), reasons(before, kind)
    assert (told.deals, told.with_reason) == (len(part), len(now))
    assert told.with_reason + sum(told.not_a_reason.values()) + told.not_understood + told.nothing_said == told.deals
    assert told.nothing_said == part[f"{kind}_reason"].isna().sum()
    for item in told.reasons:
        assert (item.share.k, item.share.n) == ((now == item.reason).sum(), len(now))
        assert (item.previous.k, item.previous.n) == ((then == item.reason).sum(), len(then))
        mine = part.loc[now.index[now == item.reason], "amount"].sum()
        assert sum(money.amount for money in item.value) == pytest.approx(mine)
        assert item.trend[-2:] == (item.previous.k, item.share.k)
    assert sum(item.share.k for item in told.reasons) == told.with_reason
    for item in told.slices:
        column = {"stage": "last_stage"}.get(item.by, item.by)
        mine = part.loc[now.index].assign(reason=now)
        counts = mine.loc[mine[column] == item.slice, "reason"].value_counts()
        assert (item.counts, item.deals) == (counts.to_dict(), counts.sum())
    for shift in told.shifts:
        if shift.by == "all":
            assert (shift.now.k, shift.now.n) == ((now == shift.reason).sum(), len(now))


def test_rivals_and_gaps(found: Review, frame: pd.DataFrame) -> None:
    part = of(frame, PERIOD)
    met = part.dropna(subset=["competitor"]).groupby("competitor")["won"]
    assert {item.competitor: (item.won.k, item.won.n) for item in found.rivals.met} == {
        name: (int(mine.sum()), len(mine)) for name, mine in met
    }
    assert found.rivals.none_named.n == part["competitor"].isna().sum()
    lost = part[~part["won"]]
    gaps = reasons(lost, "loss")
    gaps = gaps[gaps.map(lambda value: default_taxonomy("loss").reason(value).group == "Product")]
    worth = lost.loc[gaps.index].groupby("product")["amount"].sum().sort_values(ascending=False)
    assert [(item.product, item.value[0].amount) for item in found.gaps] == [
        (name, pytest.approx(value)) for name, value in worth.items()
    ]


def test_the_breakdown_adds_up_in_every_dimension(simulated_crm: CrmData, frame: pd.DataFrame) -> None:
    part = of(frame, PERIOD)
    for by in DIMENSIONS:
        told = review(History(simulated_crm), PERIOD, by=by, least=10).breakdown
        assert told is not None
        column = {"stage": "last_stage", "owner": "owner_id"}.get(by, by)
        assert told.unknown == part[column].isna().sum()
        assert sum(item.decided for item in told.slices) + told.unknown == len(part)
        counts = part.groupby(column)["won"].agg(["sum", "size"])
        for item in told.slices:
            if item.slice in counts.index:
                assert (item.win_rate.k, item.win_rate.n) == tuple(counts.loc[item.slice])
        if by == "owner":
            assert all(item.decided >= 10 for item in told.slices)
            assert told.hidden == (counts["size"] < 10).sum()


def test_a_persons_answer_counts_before_the_picklist(simulated_store: str, simulated_crm: CrmData) -> None:
    taxonomies = {kind: default_taxonomy(kind) for kind in BUILT_IN}
    notes = [note for note in closed_notes(simulated_crm) if note.key.kind == "loss"][:3]
    with Store.open(simulated_store) as store:
        for note, reason in zip(notes, ("security_legal_procurement", "unclear", "gone_reason"), strict=True):
            add_label(store, note.key, [reason], by="Ann", taxonomy=taxonomies["loss"].digest)
        answered = answers(store, taxonomies)
    told = {item.deal: item for item in reasons_of(simulated_crm, "loss", taxonomies["loss"], answered)}
    picked = {item.deal: item for item in reasons_of(simulated_crm, "loss", taxonomies["loss"])}
    first, second, third = (note.key.opportunity_id for note in notes)
    assert (told[first].reason, told[first].source, told[first].status) == (
        "security_legal_procurement", "person", "reason")  # fmt: skip
    assert (told[second].reason, told[second].status) == ("unclear", "not_a_reason")
    assert told[third] == picked[third]
    assert {deal for deal in told if told[deal] != picked[deal]} == {first, second}


def test_a_note_counts_before_the_picklist_and_after_a_persons_answer(simulated_crm: CrmData) -> None:
    taxonomy = default_taxonomy("loss")
    notes = [note for note in closed_notes(simulated_crm) if note.key.kind == "loss"]
    last = {note.key.opportunity_id: note for note in notes}
    answered = {note.key: Label(1, note.key, ("security_legal_procurement",), "Ann", 1, taxonomy.digest, "review")
                for note in notes[:1]}  # fmt: skip
    reader = fit_reasons([], [], taxonomy).model.classify
    picked = {item.deal: item for item in reasons_of(simulated_crm, "loss", taxonomy)}
    told = {item.deal: item for item in reasons_of(simulated_crm, "loss", taxonomy, answered, reader)}
    person = notes[0].key.opportunity_id
    assert (told[person].source, told[person].reason) == ("person", "security_legal_procurement")
    read = dict(zip(last, reader([note.text for note in last.values()]), strict=True))
    sure = {deal for deal, reading in read.items() if trusted(reading)} - {person}
    assert len(sure) > 20
    assert {deal for deal, item in told.items() if item.source == "note"} == sure
    for deal in sure:
        assert (told[deal].reason, told[deal].probability) == (read[deal].reason, read[deal].probability)
        assert all(word in read[deal].text for word in told[deal].words)
    assert all(told[deal] == picked[deal] for deal in told if deal not in read)
    few = set(list(last)[:5])
    assert [item.deal for item in reasons_of(simulated_crm, "loss", taxonomy, answered, reader, few)] == [
        deal for deal in told if deal in few]  # fmt: skip


def test_what_was_not_known_yet_changes_nothing(simulated_crm: CrmData) -> None:
    middle = micros("2026-05-16")
    deals = closed_deals(History(simulated_crm), middle)
    told = review(History(simulated_crm), PERIOD, as_of=middle)
    assert told.summary.now.decided == (deals.closed >= PERIOD.start).sum() == len(deals.of(PERIOD))
    assert not told.over
    assert any("not over by 2026-05-16" in note for note in told.notes)


def test_page_markdown_and_json_say_the_same(found: Review) -> None:
    data = json.loads(to_json(found))
    now = data["summary"]["now"]
    assert (now["won"], now["decided"]) == (found.summary.now.won, found.summary.now.decided)
    page, text = to_html(found), to_markdown(found)
    plain = re.sub(r"\\(.)", r"\1", text)
    for section in sections(found):
        for part in section.parts:
            if isinstance(part, Table):
                for row in part.rows:
                    cells = [" ".join(cell.split()) for cell in row]
                    assert f" | {' | '.join(cells[1:])} |" in plain
    reasons = {item["name"]: item["share"]["k"] for item in data["losses"]["reasons"]}
    for name, k in reasons.items():
        assert re.search(rf"\| {re.escape(name)} \| [\w ]+ \| {k:,} \|", plain)
        assert re.search(rf'<th scope="row">{re.escape(name)}</th>\s*<td>[\w ]+</td>\s*<td class="number">{k:,}</td>',
                         page)  # fmt: skip
    assert sum(Counter(reasons).values()) == data["losses"]["with_reason"]
