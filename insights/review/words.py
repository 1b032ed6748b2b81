"""How the numbers of a review are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from insights.money import NOT_STATED, money_words
from insights.pages.parts import NOTHING, percent
from insights.review.chance import Difference, Share
from insights.review.summary import Cycle, DealSize, ValueRate


def rate_words(share: Share) -> str:
    """A share without its counts: `30 % (25 to 35)`."""
    if share.rate is None or share.lower is None or share.upper is None:
        return NOTHING
    return f"{100 * share.rate:.0f} % ({100 * share.lower:.0f} to {100 * share.upper:.0f})"


def share_words(share: Share) -> str:
    """A share with its counts: `90 of 300, 30 %`."""
    return f"{share.k:,} of {share.n:,}, {percent(share.rate)}" if share.rate is not None else NOTHING


def change_words(change: Difference | None) -> str:
    """A change of a share in points, with its interval: `+1.1 points (-6.0 to +8.2)`."""
    if change is None:
        return NOTHING
    return f"{100 * change.difference:+.1f} points ({100 * change.lower:+.1f} to {100 * change.upper:+.1f})"


def days_words(days: float | None) -> str:
    """Days, rounded: `98 days`."""
    if days is None:
        return NOTHING
    return f"{days:,.0f} {'day' if round(days) == 1 else 'days'}"


def cycle_words(cycle: Cycle) -> str:
    """The median of a cycle, and its middle half: `98 days (72 to 123)`."""
    if cycle.median is None:
        return NOTHING
    return f"{days_words(cycle.median)} ({cycle.lower_quartile:,.0f} to {cycle.upper_quartile:,.0f})"


def value_words(values: Sequence[ValueRate], interval: bool = True) -> str:
    """Win rates by value, each currency apart: `19 % (13 to 27)`, named where there are several."""
    found = []
    for item in values:
        words = f"{100 * item.rate:.0f} %"
        if interval and item.lower is not None and item.upper is not None:
            words += f" ({100 * item.lower:.0f} to {100 * item.upper:.0f})"
        found.append(words + (f" in {item.currency or NOT_STATED}" if len(values) > 1 else ""))
    return ", ".join(found) or NOTHING


def chance_words(q: float) -> str:
    """A corrected probability by chance: `0.03`, or `under 0.001`."""
    return "under 0.001" if q < 0.001 else f"{q:.3f}" if q < 0.1 else f"{q:.2f}"


def amount_words(amount: float | None, currency: str) -> str:
    """An amount, where there is one."""
    return NOTHING if amount is None else money_words(amount, currency or f"({NOT_STATED})")


def counts_words(counts: dict[str, int], names: dict[str, str] | None = None, most: int = 3) -> str:
    """The most frequent of some counts: `Price or value 47, No budget 17`."""
    shown = list(counts.items())[:most]
    return ", ".join(f"{(names or {}).get(key, key)} {n:,}" for key, n in shown) or NOTHING


def size_words(sizes: Sequence[DealSize], side: Literal["won", "lost"]) -> str:
    """Median sizes of won or of lost deals, each currency apart."""
    found = ((item.won if side == "won" else item.lost, item.currency) for item in sizes)
    return ", ".join(amount_words(size, currency) for size, currency in found if size is not None) or NOTHING
