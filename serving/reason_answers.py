"""What the API answers about reasons: readings of notes, the reason of a closed deal, notes to review, themes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from models.reasons import Reading, Status
from models.taxonomy import Taxonomy
from serving.answer import Answer

MAX_TEXT = 100_000
"""Longest note that is taken, in characters; of a longer one than a note ever is, head and tail are read."""
Kind = Literal["loss", "win"]


class SentNote(Answer):
    """A note to read; it is data, whatever it says, and is not stored."""

    model_config = ConfigDict(frozen=True, extra="forbid",
                              json_schema_extra={"examples": [{"text": "went dark after pricing call"}]})  # fmt: skip
    text: str = Field(max_length=MAX_TEXT, description="Why a deal was lost or won, in free words.")


class EvidenceAnswer(Answer):
    """Words that told the reason."""

    start: int = Field(description="First character in `text`.")
    end: int = Field(description="The character after the last.")
    text: str = Field(description="The words.")
    weight: float = Field(description="Their share of all that spoke for the reason.")


class FurtherReason(Answer):
    """Another reason that a part of the note gives."""

    reason: str = Field(description="Id of the reason.")
    probability: float = Field(description="Its probability in that part of the note.")


class NoteReading(Answer):
    """Why a deal was lost or won, as its note tells it."""

    reason: str = Field(description="Id of the primary reason: always the best guess; see `status`.")
    name: str = Field(description="The reason in words.")
    group: str = Field(description="Its group.")
    probability: float = Field(description="Its probability.")
    status: Status = Field(
        description="`sure`: right as often as the setting asks; `review`: a person should look; `unclear`: the note "
        "does not tell; `not a reason`: it says nothing."
    )
    further: list[FurtherReason] = Field(description="Other reasons that parts of the note give.")
    evidence: list[EvidenceAnswer] = Field(description="The words that told the primary reason.")
    rival: str | None = Field(description="Competitor that the note names.")
    language: str = Field(description="en, de, fr, es, it, other, or empty: too short to tell.")
    note: str = Field(description="Why the status is what it is, where that is not plain from the probability.")
    text: str = Field(description="The note as it was read: cleaned, personal data masked.")
    model_version: int = Field(description="Version of the model of reasons.")

    @classmethod
    def of(cls, reading: Reading, taxonomy: Taxonomy, version: int) -> NoteReading:
        """From a model's reading."""
        reason = taxonomy.reason(reading.reason)
        return cls(
            reason=reading.reason, name=reason.name, group=reason.group, probability=reading.probability,
            status=reading.status, rival=reading.rival, language=reading.language, note=reading.note, text=reading.text,
            further=[FurtherReason(reason=id, probability=p) for id, p in reading.further],
            evidence=[EvidenceAnswer(start=part.start, end=part.end, text=part.text, weight=part.weight)
                      for part in reading.evidence],
            model_version=version,
        )  # fmt: skip


class GivenAnswer(Answer):
    """What a person answered to a note."""

    reasons: list[str] = Field(description="Ids of the reasons, the primary one first.")
    by: str = Field(description="Who answered.")
    at: datetime = Field(description="When, in UTC.")
    source: str = Field(description="Where the answer was given.")


class DealReason(Answer):
    """Why a closed deal was lost or won: what its note tells, what a person said, and what the picklist says."""

    kind: Kind = Field(description="Notes on lost deals, or on won ones.")
    reason: str | None = Field(description="Id of the reason that counts: a person's, else the note's unless it is "
                                           "unclear, else the picklist's.")  # fmt: skip
    source: Literal["person", "note", "picklist"] | None = Field(description="Where that reason comes from.")
    reading: NoteReading | None = Field(description="What the note tells; null without a note or a model of reasons.")
    answered: GivenAnswer | None = Field(description="The person's answer that counts; null where nobody gave one.")
    picklist: str | None = Field(description="Value picked in the CRM.")
    picklist_reason: str | None = Field(description="Id of the reason that this value means; null where unclear.")
    disagrees: bool | None = Field(description="Whether the picklist says another reason than the note or the person; "
                                               "null where one of them does not tell.")  # fmt: skip


class ReviewAnswer(Answer):
    """A note that is worth a person's minute."""

    id: str = Field(description="Name of the note: where to post the answer to.")
    opportunity_id: str = Field(description="Its deal.")
    text: str = Field(description="The note, cleaned, personal data masked.")
    why: str = Field(description="`first look`, `undecided`, or `label`: its answer looks wrong.")
    words: str = Field(description="Why, for people.")
    guesses: list[FurtherReason] = Field(description="Best guesses with their probabilities; empty without a model.")
    evidence: list[EvidenceAnswer] = Field(description="Words that told the best guess.")
    picklist: str | None = Field(description="Value picked in the CRM.")
    picklist_reason: str | None = Field(description="Id of the reason that this value means.")
    answered: GivenAnswer | None = Field(description="The answer that it has already.")


class ReviewsAnswer(Answer):
    """Notes to look at, the most useful first."""

    kind: Kind = Field(description="Notes on lost deals, or on won ones.")
    notes: int = Field(description="Notes of the kind on closed deals.")
    answered: int = Field(description="Those among them that somebody answered.")
    simulated: bool = Field(description="Whether the store holds simulated data.")
    reasons: list[str] = Field(description="Ids of the reasons that can be answered.")
    reviews: list[ReviewAnswer]


class SentAnswer(Answer):
    """A person's answer to a note."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={
        "examples": [{"reasons": ["budget", "timing_deferred"], "by": "ann"}]})  # fmt: skip
    reasons: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=10, description="Ids of the reasons, the primary one first."
    )
    by: str = Field(min_length=1, max_length=200, description="Who answers.")


class NoteAnswers(Answer):
    """All answers to a note, the newest last; the last one counts."""

    id: str
    answers: list[GivenAnswer]


class ThemeAnswer(Answer):
    """A group of similar notes that fit no reason well."""

    notes: int = Field(description="How many.")
    words: list[str] = Field(description="Its typical words, the most typical first.")
    examples: list[str] = Field(description="Notes from its middle, cleaned and masked.")
    opportunity_ids: list[str] = Field(description="Deals of its notes.")


class ThemesAnswer(Answer):
    """Themes among the notes that fit no reason well."""

    kind: Kind = Field(description="Notes on lost deals, or on won ones.")
    notes: int = Field(description="Notes that were read.")
    unfitting: int = Field(description="Those among them that fit no reason well.")
    simulated: bool = Field(description="Whether the store holds simulated data.")
    themes: list[ThemeAnswer]
