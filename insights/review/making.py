"""The review of a period: everything in one typed result, whatever the data hold or lack."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crm.labels import Label
from crm.notes import NoteKey
from crm.tables import moment
from features.history import History
from features.matrix import default_as_of
from insights.errors import PeriodError
from insights.money import NOT_STATED, Rates
from insights.periods import Period
from insights.reasons import Classify, reasons_of
from insights.review.breakdown import Breakdown, breakdown
from insights.review.closed import ClosedDeals, Dimension, closed_deals, texts
from insights.review.followup import FollowUp, follow_up
from insights.review.odds import AgainstOdds, against_odds
from insights.review.rivals import Gap, Rivals, gaps, rivals
from insights.review.separation import Separation, separation
from insights.review.shifts import ReasonReview, looked_at_since, review_reasons
from insights.review.slippage import Slippage, slippage
from insights.review.stages import StageFlow, stage_flow
from insights.review.summary import Summary, summary
from models.taxonomy import BUILT_IN, Taxonomy, default_taxonomy
from models.win import WinModel

LEAST = 20
"""Fewest decided deals for which a team or an owner is held against the odds of its deals."""

SOURCES = {"stage_changes": "moves between stages", "activities": "activities", "field_changes": "changes of fields",
           "notes": "notes"}  # fmt: skip
"""Tables that a review says it did without, in words."""


@dataclass(frozen=True)
class Review:
    """The win-loss review of a period.

    Attributes:
        period: The period, as it is written.
        days: Its first and last day.
        as_of: The day before whose 00:00 UTC a deal had to be decided to count.
        over: Whether the period was over by then.
        simulated: Whether the data come from the simulator.
        headline: What it says, in one line.
        notes: What the data lack and how they were read, in sentences.
        summary: Win rates, sizes, cycles, velocity.
        stages: Conversion by stage and where deals died; none where no moves are recorded.
        slippage: How expected closes held; None where their changes are not recorded.
        losses: Loss reasons.
        wins: Win reasons.
        separation: What separated won from lost beyond stage and age.
        rivals: Competitors met.
        gaps: Gaps of the product, those that cost most first.
        follow_up: Where follow-up failed; None where the export has no activities.
        odds: Teams and owners against the odds of their deals; None where nothing teaches the odds.
        breakdown: The figures apart by one dimension; None where it was not asked for.
        owner_names: Names of the owners that occur here, by id.
    """

    period: str
    days: str
    as_of: str
    over: bool
    simulated: bool
    headline: str
    notes: tuple[str, ...]
    summary: Summary
    stages: tuple[StageFlow, ...]
    slippage: Slippage | None
    losses: ReasonReview
    wins: ReasonReview
    separation: Separation
    rivals: Rivals
    gaps: tuple[Gap, ...]
    follow_up: FollowUp | None
    odds: AgainstOdds | None
    breakdown: Breakdown | None
    owner_names: dict[str, str]


def review(
    history: History, period: Period, *, as_of: int | None = None, by: Dimension | None = None,
    taxonomies: Mapping[str, Taxonomy] | None = None, answered: Mapping[NoteKey, Label] | None = None,
    readers: Mapping[str, Classify] | None = None, rates: Rates | None = None, least: int = LEAST,
    model: WinModel | None = None,
) -> Review:  # fmt: skip
    """Review the deals that were decided in a period.

    Args:
        history: All deals.
        period: The period.
        as_of: Microseconds; deals closed at or after it do not count. By default the day by which all is known.
        by: What to show the figures apart by.
        taxonomies: The reasons of `loss` and of `win`; the built-in ones by default.
        answered: What people answered to notes (`insights.reasons.answers`).
        readers: What reads notes, by kind; where there is none, notes that nobody answered tell nothing.
        rates: What to convert amounts by; without, currencies stay apart.
        least: Fewest decided deals for which a team or an owner is held against the odds of its deals.
        model: The champion, where there is one.

    Raises:
        PeriodError: The export has no dates.
    """
    crm = history.crm
    if crm.process.time_basis != "dates":
        raise PeriodError("a review needs dates, and the imported export has none")
    as_of = default_as_of(crm) if as_of is None else as_of
    taxonomies = {kind: default_taxonomy(kind) for kind in BUILT_IN} if taxonomies is None else taxonomies
    deals = closed_deals(history, as_of, rates)
    among = set(deals.ids(np.flatnonzero(deals.closed >= looked_at_since(period))))
    lost, won = (reasons_of(crm, kind, taxonomies[kind], answered, (readers or {}).get(kind), among)
                 for kind in ("loss", "win"))  # fmt: skip
    told = summary(deals, period)
    losses = review_reasons(deals, period, lost, taxonomies["loss"], won=False)
    found = Review(
        period=period.name, days=period.words, as_of=f"{moment(as_of):%Y-%m-%d}", over=period.end <= as_of,
        simulated=crm.process.simulated, headline=_headline(told), notes=_notes(deals, period, told), summary=told,
        stages=stage_flow(deals, period), slippage=slippage(deals, period), losses=losses,
        wins=review_reasons(deals, period, won, taxonomies["win"], won=True), separation=separation(deals, period),
        rivals=rivals(deals, period), gaps=gaps(deals, period, lost, taxonomies["loss"]),
        follow_up=follow_up(deals, period), odds=against_odds(deals, period, least, model),
        breakdown=None if by is None else breakdown(deals, period, by, lost, least), owner_names={},
    )  # fmt: skip
    return dataclasses.replace(found, owner_names=_owner_names(history, found))


def to_json(found: Review) -> str:
    """A review as JSON: every field by its name; what there is no number for is null, never NaN."""
    return json.dumps(dataclasses.asdict(found), indent=1, ensure_ascii=False, allow_nan=False)


def _headline(told: Summary) -> str:
    now, rate = told.now, told.now.win_rate
    if rate.rate is None or rate.lower is None or rate.upper is None:
        return f"No deal was decided in {now.period}."
    deals = "1 decided deal" if now.decided == 1 else f"{now.decided:,} decided deals"
    words = f"{now.period}: {now.won:,} of {deals} won, {100 * rate.rate:.0f} %"
    if len(now.value) == 1:
        words += f", and {100 * now.value[0].rate:.0f} % by value"
    change = told.on_previous
    if change is None:
        return f"{words}."
    points = 100 * change.difference
    if not round(points):
        return f"{words}; as many as in {told.previous.period}."
    size = f"{abs(points):.0f} {'point' if round(abs(points)) == 1 else 'points'}"
    chance = "" if change.clear else ", which chance alone could do"
    return f"{words}; {size} {'more' if points > 0 else 'less'} than in {told.previous.period}{chance}."


def _notes(deals: ClosedDeals, period: Period, told: Summary) -> tuple[str, ...]:
    """What the data lack and how they were read."""
    history, now = deals.history, told.now
    rows = deals.of(period)
    day = f"{moment(deals.as_of):%Y-%m-%d}"
    found = []
    if not len(deals):
        found.append(f"No deal had been decided by {day}.")
    elif not now.decided:
        found.append(f"No deal was decided in the period; the first was on {moment(int(deals.closed.min())):%Y-%m-%d}, "
                     f"the last on {moment(int(deals.closed.max())):%Y-%m-%d}.")  # fmt: skip
    elif now.decided == 1:
        found.append("One deal was decided in the period: its figures tell of that deal and of nothing else.")
    elif not now.lost or not now.won:
        found.append(f"No deal was {'lost' if now.won else 'won'} in the period.")
    if period.end > deals.as_of:
        found.append(f"The period was not over by {day}: deals decided before that day count.")
    if deals.undated:
        found.append(f"{_count(deals.undated, 'decided deal')} without a closing date left out.")
    found += _money_notes(deals, rows)
    if now.decided:
        unowned = int((deals.by["owner"].codes[rows] < 0).sum())
        if unowned:
            found.append(f"{_count(unowned, 'deal')} without an owner; in no figure of owners or teams.")
        if not deals.by["team"].levels:
            found.append("The CRM names no teams.")
    lacking = [words for source, words in SOURCES.items() if source not in history.sources]
    if lacking:
        found.append(f"Not in the data: {', '.join(lacking)}.")
    return tuple(found)


def _money_notes(deals: ClosedDeals, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    amounts, found = deals.amounts, []
    groups = amounts.groups(rows)
    missing = int((~amounts.present[rows]).sum()) - (0 if len(groups) else len(rows))
    if len(rows) and not groups:
        found.append("No deal of the period has an amount above 0: nothing is said of value.")
    elif missing > 0:
        found.append(f"{_count(missing, 'deal')} without an amount above 0; in no figure of value.")
    if amounts.converted:
        found.append(f"Amounts were converted to {amounts.currencies[0]} by the given rates.")
    elif len(groups) > 1:
        names = ", ".join(name or NOT_STATED for name in groups)
        found.append(f"Amounts are in several currencies ({names}); without rates each stands apart, and nothing is "
                     f"summed across them.")  # fmt: skip
    if amounts.without_rate:
        told = ", ".join(f"{n:,} in {name}" for name, n in amounts.without_rate.items())
        found.append(f"No rate was given for some amounts, which are left out of all values: {told}.")
    return found


def _count(n: int, what: str) -> str:
    return f"{n:,} {what} is" if n == 1 else f"{n:,} {what}s are"


def _owner_names(history: History, found: Review) -> dict[str, str]:
    """Names of the owners that a review names by id."""
    name = texts(history.crm.tables.get("users", {}), "user_id", "name")
    ids = {item.group for item in (found.odds.owners if found.odds else ())}
    ids |= {item.owner_id for item in (found.follow_up.largest if found.follow_up else ())}
    if found.breakdown is not None and found.breakdown.by == "owner":
        ids |= {item.slice for item in found.breakdown.slices}
    return {key: name[key] for key in sorted(ids) if key in name}
