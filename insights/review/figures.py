"""The first chapters of a review: what was won, how long it took, where deals died, how expected closes held."""

from __future__ import annotations

from typing import Literal

from insights.money import totals_words
from insights.pages.parts import NOTHING, Items, Part, Pictures, Section, Table, Text, percent
from insights.review.charts import deaths_chart, trend_chart
from insights.review.making import Review
from insights.review.slippage import MOST_PUSHES
from insights.review.summary import Figures
from insights.review.words import (
    amount_words,
    change_words,
    cycle_words,
    days_words,
    rate_words,
    share_words,
    size_words,
    value_words,
)

NO_DEALS = "No deal was decided in the period."


def results(found: Review) -> Section:
    """Win rates, sizes, cycles, velocity."""
    told = found.summary
    periods = (told.now, told.previous, told.year_before)
    parts: list[Part] = [
        Text(f"Deals decided from {found.days.replace(' to ', ' up to and including ')}, as known before "
             f"{found.as_of}. In brackets: 95 % intervals, that is, what chance alone would leave open."),
    ]  # fmt: skip
    if found.notes:
        parts.append(Items(found.notes))
    parts.append(Table("The period beside the one before and the same one of the year before",
                       ["", *(item.period for item in periods)], _rows(periods), texts=1))  # fmt: skip
    against = (("the period before", told.on_previous), ("the year before", told.on_year_before))
    changes = [f"Win rate against {name}: {change_words(change)}" + (
        "." if change.clear else ", which chance alone could do.") for name, change in against if change is not None]
    if changes:
        parts.append(Items(changes))
    chart = trend_chart(told.trend)
    if chart is not None:
        parts.append(Pictures([chart]))
    if told.now.velocity:
        parts.append(Table(
            "Velocity: deals x win rate x mean won deal / mean cycle of won deals; what is won per day of a cycle",
            ["currency", "deals", "win rate", "mean won deal", "mean cycle", "velocity per day"],
            [[item.currency or "not stated", f"{item.deals:,}", percent(item.win_rate),
              amount_words(item.deal, item.currency), days_words(item.cycle_days),
              amount_words(item.per_day, item.currency)] for item in told.now.velocity],
        ))  # fmt: skip
    return Section("results", "Results", parts)


def _rows(periods: tuple[Figures, ...]) -> list[list[str]]:
    rows = [
        ["decided deals", *(f"{item.decided:,}" for item in periods)],
        ["won, lost", *(f"{item.won:,}, {item.lost:,}" for item in periods)],
        ["win rate by count", *(rate_words(item.win_rate) for item in periods)],
        ["win rate by value", *(value_words(item.value) for item in periods)],
        ["won amount", *(_sides(item, "won") for item in periods)],
        ["lost amount", *(_sides(item, "lost") for item in periods)],
        ["median won deal", *(size_words(item.size, "won") for item in periods)],
        ["median lost deal", *(size_words(item.size, "lost") for item in periods)],
        ["median cycle, won (middle half)", *(cycle_words(item.cycle_won) for item in periods)],
        ["median cycle, lost (middle half)", *(cycle_words(item.cycle_lost) for item in periods)],
    ]
    if any(item.without_amount for item in periods):
        rows.append(["deals without an amount", *(f"{item.without_amount:,}" for item in periods)])
    return rows


def _sides(item: Figures, side: Literal["won", "lost"]) -> str:
    amounts = ((value.won if side == "won" else value.lost, value.currency) for value in item.value)
    return ", ".join(amount_words(*amount) for amount in amounts) or NOTHING


def stages(found: Review) -> Section:
    """Conversion by stage and where deals died."""
    if not found.stages:
        told = "The data hold no moves between stages." if found.summary.now.decided else NO_DEALS
        return Section("stages", "Stages: where deals die", [Text(told)])
    rows = [[stage.stage, f"{stage.went_on.n:,}", rate_words(stage.went_on), rate_words(stage.previous),
             change_words(stage.change), f"{stage.died:,}", percent(stage.share_of_losses.rate), 
             totals_words(stage.lost_value)]
            for stage in found.stages]  # fmt: skip
    parts: list[Part] = []
    worst = max(found.stages, key=lambda stage: stage.died)
    if worst.died:
        parts.append(Text(f"Most deals died in {worst.stage}: {share_words(worst.share_of_losses)} of the lost deals "
                          f"whose last stage is known."))  # fmt: skip
    parts.append(Table("Of the decided deals that entered a stage: went on to a later one or were won; and lost deals "
                       "whose last stage it was",
                       ["stage", "entered", "went on", found.summary.previous.period, "change", "died here",
                        "of losses", "lost amount"], rows,
                       strong=[place for place, stage in enumerate(found.stages)
                               if stage.change is not None and stage.change.clear]))  # fmt: skip
    chart = deaths_chart(found.stages)
    if chart is not None:
        parts.append(Pictures([chart]))
    return Section("stages", "Stages: where deals die", parts)


def slips(found: Review) -> Section:
    """How expected closes held."""
    slip = found.slippage
    title = "Slippage"
    if slip is None:
        return Section("slippage", title, [Text("The data hold no changes of the expected close date.")])
    parts: list[Part] = []
    if slip.expected.deals:
        due = slip.expected
        parts.append(Text(f"When the period began, {due.deals:,} open deals were expected to close in it: "
                          f"{share_words(due.won)} were won in it, {share_words(due.lost)} lost, and "
                          f"{share_words(due.slipped)} slipped out of it."))  # fmt: skip
    else:
        parts.append(Text("When the period began, no open deal was expected to close in it."))
    if slip.deals:
        parts.append(Text(f"Of the decided deals with a known first expected close, {share_words(slip.late)} closed "
                          f"later. Median distance from it: won deals {_offset(slip.days_won)}, lost deals "
                          f"{_offset(slip.days_lost)}."))  # fmt: skip
        parts.append(Table(
            "Decided deals by how often their expected close was pushed later", ["pushed", "won", "win rate"],
            [[("never", "once", "twice", f"{MOST_PUSHES} times or more")[item.pushes], share_words(item.win_rate),
              rate_words(item.win_rate)] for item in slip.pushes],
        ))  # fmt: skip
    return Section("slippage", title, parts)


def _offset(days: float | None) -> str:
    if days is None:
        return "none"
    return "on the day" if round(days) == 0 else f"{days_words(abs(days))} {'late' if days > 0 else 'early'}"
