"""The gate: what a model must show before it may serve, and refusals in words that a manager understands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from crm.tables import FloatArray, IntArray
from models.metrics import Interval, bootstrap_mean, row_log_loss

LEAST = 60
"""Fewest won, and fewest lost deals. Of simulated companies with 40 to 60 wins, the models that passed the gate were on
average no better than the base rate, and a third overconfident: what passes there owes it to luck."""
FEW = 200
LEAST_GAIN = 0.01
"""Share of the base rate's log-loss that a model must save."""
MOST_HARM = 0.005
"""Share of the champion's log-loss by which a model may be worse, at the upper bound of the difference."""


class Refused(Exception):
    """A model cannot be trained or must not serve; the text says why, to a manager."""


@dataclass(frozen=True)
class Decision:
    """Whether a model may serve, and why.

    Attributes:
        promoted: Whether it became the champion.
        reason: Why, in one sentence.
        gain: Log-loss of the base rate less that of the model, by row, with its interval over deals.
        gain_share: The gain as a share of the base rate's log-loss.
        on_table: Log-loss of the stage x age table less the model's, with its interval.
        on_champion: The same for the champion's recipe, refitted at the same origins; None where nothing serves yet.
        forced: Why somebody promoted it against the gate; empty where nobody did.
    """

    promoted: bool
    reason: str
    gain: Interval
    gain_share: float
    on_table: Interval
    on_champion: Interval | None = None
    forced: str = ""

    def overruled(self, why: str) -> Decision:
        """Promoted by somebody's will, who says why; the same where the gate lets it through."""
        if self.promoted:
            return self
        return replace(self, promoted=True, forced=why, reason=f"forced: {why}; the gate said: {self.reason}")


def check_enough(n_won: int, n_lost: int, until: str, least: int = LEAST) -> list[str]:
    """Refuse too few deals; warn of few.

    Args:
        n_won: Won deals known.
        n_lost: Lost deals known.
        until: Up to when, in words.
        least: Fewest won, and fewest lost.

    Returns:
        Warnings.

    Raises:
        Refused: Fewer than the least of either.
    """
    if n_won < least or n_lost < least:
        raise Refused(
            f"too few deals: {n_won} won and {n_lost} lost {until}; at least {least} of each are needed before odds "
            "can be told from luck. Import more closed deals, or wait for more to close"
        )
    if n_won < FEW or n_lost < FEW:
        return [f"only {n_won} won and {n_lost} lost deals {until}: expect wide uncertainty below {FEW} of each"]
    return []


def judge(
    p: FloatArray, base: FloatArray, table: FloatArray, won: FloatArray, deal: IntArray, weight: FloatArray,
    champion: FloatArray | None = None, tried: int = 1,
) -> Decision:  # fmt: skip
    """Promote a model that surely beats the base rate, by enough, and is not worse than the champion.

    Enough is `LEAST_GAIN` of the base rate's log-loss; surely is an interval over deals that excludes zero, widened for
    the number of recipes among which the best was taken: on few deals, the best of many owes much to luck. Against the
    champion, the upper bound of the difference may be `MOST_HARM` of its log-loss.

    Args:
        p: The model's out-of-sample probabilities, calibrated, shape (n_rows,).
        base: The base rate's, as it was known at the same origins.
        table: The stage x age table's.
        won: Outcomes.
        deal: Deal of each row.
        weight: What each row stands for among rows of open deals.
        champion: What the champion's recipe, refitted at the same origins and calibrated in the same way, says.
        tried: How many recipes were tried.
    """
    loss = row_log_loss(p, won)

    def gain_on(other: FloatArray) -> tuple[Interval, float]:
        against = row_log_loss(other, won)
        return bootstrap_mean(against - loss, deal, weight=weight), float(np.average(against, weights=weight))

    gain, base_loss = gain_on(base)
    gain = gain.widened(tried)
    on_table, table_loss = gain_on(table)
    on_champion, champion_loss = (None, 1.0) if champion is None else gain_on(champion)
    share = gain.mean / base_loss
    figures = (f"log-loss {_share(gain, base_loss)} better than the base rate, "
               f"{_share(on_table, table_loss)} than stage x age")  # fmt: skip
    reason = f"beats the base rate ({figures})"
    promoted = True
    if gain.lower <= 0 or share < LEAST_GAIN:
        reason = (f"no signal: what was known of open deals does not tell won from lost better than the base rate "
                  f"does, by at least {LEAST_GAIN:.0%} and surely ({figures})")  # fmt: skip
        promoted = False
    elif on_champion is not None:
        against = f"{_share(on_champion, champion_loss)} better than the champion's recipe"
        reason = f"beats the base rate ({figures}, {against})"
        if -on_champion.lower > MOST_HARM * champion_loss:
            reason = (f"not better than the champion: it may be worse by more than {MOST_HARM:.1%} ({against}; "
                      f"{figures})")  # fmt: skip
            promoted = False
    return Decision(promoted, reason, gain, share, on_table, on_champion)


def _share(gain: Interval, of: float) -> str:
    """A gain as a share of a log-loss, with its interval."""
    mean, lower, upper = (100 * value / of for value in (gain.mean, gain.lower, gain.upper))
    return f"{mean:+.1f} % [{lower:+.1f}, {upper:+.1f}]"
