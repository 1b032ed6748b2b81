"""Which reason counts where several tell: a person's answer before the note's reading, and that before the picklist."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from crm.labels import Label
from models.reasons import Reading
from models.taxonomy import UNCLEAR

Source = Literal["person", "note", "picklist"]
PICKLIST_CONFIDENCE = 0.55
"""How far a reason picked in the CRM is trusted: studies find that seller and buyer disagree on most of them."""


@dataclass(frozen=True)
class Settled:
    """The reason of a closed deal that counts.

    Attributes:
        reason: Its id; None where nothing tells.
        source: Where it comes from; None likewise.
        probability: That it is right: 1 of a person's, the model's own of a note, `PICKLIST_CONFIDENCE` of the
            picklist; NaN where nothing tells.
    """

    reason: str | None
    source: Source | None
    probability: float


def trusted(reading: Reading | None) -> bool:
    """Whether a reading tells the reason: one that is unclear does not, nor does a note that says nothing."""
    if reading is None or reading.reason == UNCLEAR:
        return False
    # Of the readings that are no reason, those with a word on why are of notes such as "n/a"; the others name what it
    # was instead of a loss: never a prospect, a duplicate.
    return reading.status in ("sure", "review") or (reading.status == "not a reason" and not reading.note)


def settle(answered: Label | None, reading: Reading | None, picked: str | None) -> Settled:
    """The reason that counts.

    Args:
        answered: A person's answer to the newest note, under the taxonomy's present ids.
        reading: What the model reads in that note.
        picked: Id of the reason that the picklist's value means.
    """
    if answered is not None:
        return Settled(answered.reasons[0], "person", 1.0)
    if reading is not None and trusted(reading):
        return Settled(reading.reason, "note", reading.probability)
    if picked is not None:
        return Settled(picked, "picklist", PICKLIST_CONFIDENCE)
    return Settled(None, None, math.nan)
