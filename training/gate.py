"""The gate: what a model must show before it may serve, and refusals in words that a manager understands."""

from __future__ import annotations

from dataclasses import dataclass

from crm.tables import FloatArray, IntArray
from models.metrics import Interval, bootstrap_mean, row_log_loss

LEAST = 40
FEW = 200


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
    """

    promoted: bool
    reason: str
    gain: Interval
    gain_share: float


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


def judge(p: FloatArray, base: FloatArray, won: FloatArray, deal: IntArray) -> Decision:
    """Promote a model that beats the base rate with an interval over deals that excludes zero.

    Args:
        p: The model's out-of-sample probabilities, calibrated.
        base: The base rate's, as it was known at the same origins.
        won: Outcomes.
        deal: Deal of each row.
    """
    base_loss = row_log_loss(base, won)
    gain = bootstrap_mean(base_loss - row_log_loss(p, won), deal)
    share = gain.mean / float(base_loss.mean())
    figures = (f"log-loss {100 * share:+.1f} % better than the base rate, "
               f"interval {gain.lower:+.4f} to {gain.upper:+.4f} nats")  # fmt: skip
    if gain.lower <= 0:
        return Decision(False, f"no signal: what was known of open deals does not tell won from lost better than "
                               f"the base rate does ({figures})", gain, share)  # fmt: skip
    return Decision(True, f"beats the base rate ({figures})", gain, share)
