"""The later chapters of a review: reasons, what separates won from lost, rivals, gaps, follow-up, teams."""

from __future__ import annotations

from collections.abc import Sequence

from insights.money import totals_words
from insights.pages.parts import Items, Part, Pictures, Section, Table, Text, count, percent
from insights.review.breakdown import OTHERS as POOLED
from insights.review.charts import odds_chart, reasons_chart
from insights.review.making import Review
from insights.review.odds import GroupOdds
from insights.review.shifts import BY, ReasonReview, Shift
from insights.review.words import (
    amount_words,
    chance_words,
    change_words,
    counts_words,
    cycle_words,
    rate_words,
    share_words,
    size_words,
    value_words,
)

SHIFTS = 12
SEPARATORS = 12
SLICES = 12
GAPS = 12
BY_WORDS = {"segment": "segment", "product": "product", "competitor": "competitor", "team": "owner's team",
            "stage": "last stage", "owner": "owner"}  # fmt: skip


def reasons(found: Review, told: ReasonReview) -> Section:
    """Loss or win reasons."""
    loss = told.kind == "loss"
    side, name = ("lost", "losses") if loss else ("won", "wins")
    title = "Why deals were lost" if loss else "Why deals were won"
    if not told.deals:
        return Section(name, title, [Text(f"No deal was {side} in the period.")])
    parts: list[Part] = [Text(_basis(told, side))]
    names = {item.reason: item.name for item in told.reasons}
    if told.reasons:
        parts.append(Table(
            f"Reasons of {side} deals; shares are of those with a reason",
            ["reason", "group", "deals", "share", "amount", found.summary.previous.period,
             found.summary.year_before.period, f"last {len(told.reasons[0].trend)} periods"],
            [[item.name, item.group, f"{item.share.k:,}", rate_words(item.share), totals_words(item.value),
              f"{item.previous.k:,} of {item.previous.n:,}", f"{item.year_before.k:,} of {item.year_before.n:,}",
              " ".join(map(str, item.trend))] for item in told.reasons], texts=2,
        ))  # fmt: skip
        chart = reasons_chart(told.reasons, found.summary.previous.period)
        if chart is not None:
            parts.append(Pictures([chart]))
    parts += _shift_parts(told)
    for by in BY:
        rows = [item for item in told.slices if item.by == by][:SLICES]
        if len(rows) > 1:
            parts.append(Table(f"By {BY_WORDS[by]}: {side} deals with a reason, and the most frequent reasons",
                               [BY_WORDS[by], "most frequent", "deals"],
                               [[item.slice, counts_words(item.counts, names, 4), f"{item.deals:,}"] for item in rows],
                               texts=2))  # fmt: skip
    return Section(name, title, parts)


def _basis(told: ReasonReview, side: str) -> str:
    words = {"person": "people's answers to notes", "note": "notes read by the model", "picklist": "the CRM's picklist"}
    sources = ", ".join(f"{n:,} from {words[name]}" for name, n in told.sources.items()) or "none"
    dropped = sum(told.not_a_reason.values())
    text = (f"Of {told.deals:,} {side} deals {told.with_reason:,} have a reason ({sources}). Of the others, "
            f"{told.not_understood:,} have a note or a pick that tells none (such as 'Other'), and "
            f"{told.nothing_said:,} have neither.")  # fmt: skip
    if dropped:
        listed = ", ".join(f"{name} {n:,}" for name, n in told.not_a_reason.items())
        text += f" {dropped:,} were no real prospects or cannot be told ({listed}); they are in no share."
    if told.sources.get("picklist"):
        text += " Picklists are noisy: sellers and buyers disagree on many of them."
    return text


def _shift_parts(told: ReasonReview) -> list[Part]:
    """What rose and fell beyond chance."""
    if not told.comparisons:
        return [Text("Nothing could be compared with the twelve months before: too few deals with a reason.")]
    sure = [item for item in told.shifts if item.beyond_chance]
    intro = (f"{told.comparisons:,} comparisons of reasons, overall and by segment, product, competitor, team and last "
             f"stage, with the twelve months before the period; corrected so that of what is named at most one in "
             f"twenty is to be expected to be chance. ")  # fmt: skip
    if not sure:
        return [Text(f"{intro}None changed beyond chance.")]
    return [
        Text(intro), Items([_shift_sentence(item) for item in sure[:SHIFTS]]),
        Table("What rose and fell beyond chance; drawn is the share drawn towards that of the other slices",
              ["where", "reason", "now", "before", "drawn (interval)", "chance"],
              [[_where(item), item.name, share_words(item.now), share_words(item.before),
                f"{percent(item.shrunk)} ({100 * item.lower:.0f} to {100 * item.upper:.0f})", chance_words(item.q)]
               for item in sure[:SHIFTS]], texts=2),
    ]  # fmt: skip


def _where(item: Shift) -> str:
    return "all deals" if item.by == "all" else f"{BY_WORDS[item.by]} {item.slice}"


def _shift_sentence(item: Shift) -> str:
    rose = (item.now.rate or 0.0) > (item.before.rate or 0.0)
    return (f"{item.name} {'rose' if rose else 'fell'} in {_where(item)}: {share_words(item.now)}, after "
            f"{share_words(item.before)} in the twelve months before.")  # fmt: skip


def separators(found: Review) -> Section:
    """What separates won from lost."""
    told = found.separation
    parts: list[Part] = [Text(told.note)] if told.note else []
    title = "What separates won from lost"
    if told.entries:
        parts.append(Text(
            f"{told.deals:,} deals decided from {told.since} to {told.until} ({told.won:,} won) were looked at as they "
            f"entered each stage ({told.entries:,} entries), with what was known before that, and compared with deals "
            f"entering the same stage at about the same age. Of {told.conditions:,} conditions "
            f"{'none separates' if not told.separators else f'{len(told.separators):,} separate'} won from lost beyond "
            f"chance."
        ))  # fmt: skip
    if told.separators:
        parts.append(Items([item.sentence for item in told.separators[:SEPARATORS]]))
        parts.append(Text("They went along with winning and losing. They do not promise that changing them would have "
                          "changed the outcome."))  # fmt: skip
    return Section("separation", title, parts)


def competitors(found: Review) -> Section:
    """Competitors met, and gaps of the product."""
    told = found.rivals
    parts: list[Part] = []
    if told.met:
        rows = [[item.competitor, f"{item.won.n:,}", f"{item.won.k:,}", f"{item.won.n - item.won.k:,}",
                 percent(item.won.rate),
                 f"{percent(item.shrunk)} ({100 * item.lower:.0f} to {100 * item.upper:.0f})",
                 share_words(item.named_early) if item.named_early is not None else "-", share_words(item.previous),
                 totals_words(item.lost_value)] for item in told.met]  # fmt: skip
        columns = ["competitor", "met", "won", "lost", "win rate", "drawn (interval)", "named before the close",
                   found.summary.previous.period, "lost amount"]  # fmt: skip
        parts.append(Table("Competitors in decided deals; drawn is the win rate drawn towards the one against all",
                           columns, rows))  # fmt: skip
        parts.append(Text(f"Deals in which no competitor was named: {share_words(told.none_named)} won."))
        late = told.named_at_close
        if late is not None and late.n:
            parts.append(Text(f"In {late.n:,} of the deals a competitor was entered only at the close ({late.k:,} of "
                              f"them won). That makes win rates look lower than they were; the column 'named before "
                              f"the close' leaves them out."))  # fmt: skip
    else:
        parts.append(Text("No competitor is named in the decided deals."))
    return Section("competitors", "Competitors", parts)


def product_gaps(found: Review) -> Section:
    """Gaps of the product by what they cost."""
    title = "Product gaps by lost value"
    if not found.gaps:
        return Section("gaps", title, [Text("No lost deal has a product reason.")])
    rows = [[item.name, item.product or "not stated", counts_words(item.competitors), ", ".join(item.largest),
             f"{item.deals:,}", totals_words(item.value)] for item in found.gaps[:GAPS]]  # fmt: skip
    return Section("gaps", title, [Table("Deals lost to what the product lacks, those that cost most first",
                                         ["gap", "product", "competitors met", "largest deals", "deals", "lost amount"],
                                         rows, texts=4)])  # fmt: skip


def follow_ups(found: Review) -> Section:
    """Where follow-up failed."""
    told, title = found.follow_up, "Where follow-up failed"
    if told is None:
        return Section("follow-up", title, [Text("The data hold no activities.")])
    if not told.lapses or not told.any_lost.n:
        return Section("follow-up", title, [Text("No deal was lost in the period.")])
    parts: list[Part] = [
        Table("How often it happened in lost and in won deals that it can be told of; bold: more often in lost ones, "
              "beyond chance",
              ["", "what counts", "lost deals", "won deals", "difference", "lost amount"],
              [[item.name, item.rule, share_words(item.lost), share_words(item.won), change_words(item.difference),
                totals_words(item.lost_value)] for item in told.lapses], texts=2,
              strong=[place for place, item in enumerate(told.lapses)
                      if item.difference is not None and item.difference.lower > 0]),
        Text("What happens as often in won deals did not lose the others."),
    ]  # fmt: skip
    if told.largest:
        parts.append(Table(
            "The largest lost deals in which something of it happened", ["deal", "owner", "what", "amount"],
            [[item.deal, found.owner_names.get(item.owner_id, item.owner_id) or "none", ", ".join(item.lapses),
              amount_words(item.amount, item.currency)] for item in told.largest], texts=3,
        ))  # fmt: skip
    return Section("follow-up", title, parts)


def teams(found: Review) -> Section:
    """Teams and owners against the odds of their deals."""
    told, title = found.odds, "Teams against the odds of their own deals"
    if told is None:
        return Section("teams", title, [Text("No odds can be told: no deal was decided in the period after the day of "
                                             "its entry, or none before the period to learn from.")])  # fmt: skip
    parts: list[Part] = [Text(
        f"Each decided deal has odds as of the day after its entry: {told.how}. They said {told.said:,.1f} wins of "
        f"{told.deals:,} deals, and {told.won:,} were won; odds are moved to that level, so that a team is compared "
        f"with the company in the same period and a hard deal is nobody's fault. Teams and owners with fewer than "
        f"{told.least:,} decided deals are not shown alone."
        + (f" Left out: {count(told.left_out, 'deal')} closed by the day after entry, or without a date of it."
           if told.left_out else "")
    )]  # fmt: skip
    for name, groups in (("team", told.teams), ("owner", told.owners)):
        if not groups:
            parts.append(Text(f"No {name} has enough decided deals to be shown."))
            continue
        parts.append(Table(
            f"Won deals by {name} against the odds of their deals; bold: beyond chance",
            [name, "deals", "won", "expected", "difference (interval)", "chance"],
            [[found.owner_names.get(item.group, item.group), f"{item.deals:,}", f"{item.won:,}",
              f"{item.expected:.1f}", f"{item.difference:+.1f} ({item.lower:+.1f} to {item.upper:+.1f})",
              chance_words(item.q)] for item in groups],
            strong=[place for place, item in enumerate(groups) if item.beyond_chance],
        ))  # fmt: skip
        if name == "team":
            parts += _odds_picture(groups)
    return Section("teams", title, parts)


def _odds_picture(groups: Sequence[GroupOdds]) -> list[Part]:
    chart = odds_chart(groups, [item.group for item in groups])
    return [Pictures([chart])] if chart is not None else []


def apart(found: Review) -> list[Section]:
    """The figures by one dimension, where that was asked for."""
    told = found.breakdown
    if told is None:
        return []
    by = BY_WORDS[told.by]
    parts: list[Part] = []
    if told.slices:
        names = {item.reason: item.name for item in found.losses.reasons}
        rows = [(found.owner_names.get(item.slice, item.slice), item) for item in told.slices]
        parts.append(Table(
            f"Decided deals by {by}; drawn is the win rate drawn towards that of all; bold: changed beyond chance",
            [by, "decided", "won", "win rate", "drawn (interval)", found.summary.previous.period, "by value"],
            [[name, f"{item.decided:,}", f"{item.win_rate.k:,}", rate_words(item.win_rate),
              f"{percent(item.shrunk)} ({100 * item.lower:.0f} to {100 * item.upper:.0f})",
              share_words(item.previous), value_words(item.value)] for name, item in rows],
            strong=[place for place, (_, item) in enumerate(rows) if item.beyond_chance],
        ))  # fmt: skip
        parts.append(Table(
            f"Sizes, cycles (median and middle half) and most frequent loss reasons by {by}",
            [by, "lost for", "median won deal", "median lost deal", "cycle, won", "cycle, lost"],
            [[name, counts_words(item.loss_reasons, names), size_words(item.size, "won"),
              size_words(item.size, "lost"), cycle_words(item.cycle_won), cycle_words(item.cycle_lost)]
             for name, item in rows], texts=2,
        ))  # fmt: skip
    else:
        parts.append(Text(f"No decided deal of the period tells its {by}."))
    if told.unknown and told.slices:
        parts.append(Text(f"{told.unknown:,} decided deals do not tell their {by}."))
    if told.hidden:
        parts.append(Text(f"{told.hidden:,} owners have too few decided deals to be shown alone"
                          + (f"; they stand together as '{POOLED}'."
                             if any(item.slice == POOLED for item in told.slices) else ".")))  # fmt: skip
    return [Section("by", f"By {by}", parts)]
