"""What a model says of one note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["sure", "review", "unclear", "not a reason"]
FLAGGED = "flagged"
"""Figure of a version: ids of answered notes whose answer looks wrong, the most doubtful first, each with the reason
that the note reads like."""
STATUSES: tuple[Status, ...] = ("sure", "review", "unclear", "not a reason")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words of a cleaned note that told its reason.

    Attributes:
        start: First character in the cleaned note.
        end: The character after the last.
        text: The words.
        weight: Their share of all that spoke for the reason, 0 to 1.
    """

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Why a deal was lost or won, as its note tells it.

    Attributes:
        reason: Id of the primary reason, always the best guess.
        probability: Its probability.
        status: How far to trust it: `sure` (right as often as was asked for), `review` (a person should look),
            `unclear` (the note does not tell, or cannot be read), `not a reason` (the note says nothing, or says that
            this was never a deal).
        further: Other reasons that a part of the note gives, with the probability that this part has, in order of it.
        evidence: The words that told the primary reason, in order of the note.
        rival: Competitor that the note names; None if none.
        language: `en`, `de`, `fr`, `es`, `it`, `other`, or empty: too short to tell.
        note: Why the status is what it is, in words, where that is not plain from the probability.
        text: The cleaned note, personal data masked: what `evidence` refers to.
    """

    reason: str
    probability: float
    status: Status
    further: tuple[tuple[str, float], ...]
    evidence: tuple[Evidence, ...]
    rival: str | None
    language: str
    note: str
    text: str
