"""What the API answers of the past of a deal: its kept scores, and what there was to see once it had closed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from insights.timeline import What
from serving.answer import Answer


class InputChangeAnswer(Answer):
    """What one input did to a score."""

    feature: str = Field(description="Name of the input.")
    points: float = Field(description="What it added to the win probability: 0.05 is five points.")
    before: float | str | None = Field(description="Its value before; null where there was none.")
    after: float | str | None = Field(description="Its value after.")
    sentence: str = Field(description="All that in words.")


class ModelChangeAnswer(Answer):
    """What another model did to a score."""

    points: float = Field(description="Points that are the new model's.")
    apart: bool = Field(description="Whether they are told apart from the inputs'; if false, they hold both.")
    sentence: str = Field(description="That in words.")


class ChangeAnswer(Answer):
    """What moved a score.

    The points of `model` and `inputs`, and `other_points`, add up to `points`.
    """

    points: float = Field(description="How far the win probability moved.")
    model: ModelChangeAnswer | None = Field(description="The part of another model; null: the same model said both.")
    inputs: list[InputChangeAnswer] = Field(description="The inputs that moved it most, the weightiest first.")
    other_points: float = Field(description="Points of all other inputs.")


class PastScore(Answer):
    """A score of the past."""

    as_of: datetime = Field(description="The moment that it is for, in UTC.")
    kept_at: datetime | None = Field(description="When it was made and kept, in UTC; null: worked out now.")
    win_probability: float = Field(ge=0, le=1, description="Probability that the deal, once closed, is won.")
    lower: float = Field(ge=0, le=1, description="Lower end of its interval.")
    upper: float = Field(ge=0, le=1, description="Upper end of its interval.")
    in_sample: bool = Field(description="True where as_of lies before the model's training cut.")
    model_version: int = Field(description="Version of the model that said so.")


class KeptScore(PastScore):
    """A score that `wonlost score` kept."""

    change: ChangeAnswer | None = Field(description="What moved it since the kept score before; null at the first.")


class HistoryAnswer(Answer):
    """The scores of a deal that were kept, the oldest first."""

    deal_id: str = Field(description="Identifier of the deal in the CRM.")
    scores: list[KeptScore] = Field(description="The newest ones, up to `limit`.")
    note: str | None = Field(description="What to know about this answer: nothing was kept.")
    simulated: bool = Field(description="Whether the store holds simulated data.")


class HappeningAnswer(Answer):
    """Something that happened to a deal."""

    at: datetime = Field(description="When, in UTC.")
    what: What = Field(description="Of what kind.")
    words: str = Field(description="What exactly.")


class StepAnswer(PastScore):
    """One moment of a closed deal's life, told by the model that serves."""

    change: ChangeAnswer | None = Field(description="What moved the score since the moment before; null at the first.")
    happened: list[HappeningAnswer] = Field(description="What happened in between.")


class StatedReasonAnswer(Answer):
    """A reason for the outcome."""

    source: Literal["person", "note", "picklist"] = Field(
        description="A person's answer to the deal's note, a model's reading of it, or what was picked in the CRM."
    )
    reason: str = Field(description="The taxonomy's name of it; of a picklist, the value as it was picked.")
    probability: float | None = Field(description="That it is right, where a model read it.")
    words: list[str] = Field(description="The words of the note that told it, where a model read it.")


class SimilarAnswer(Answer):
    """A closed deal like another."""

    deal_id: str = Field(description="Identifier of the deal.")
    outcome: Literal["won", "lost"] = Field(description="How it ended.")
    closed_at: datetime | None = Field(description="When, in UTC; null in an export without dates.")
    p: float = Field(ge=0, le=1, description="What the model says of it just before its close.")
    distance: float = Field(ge=0, description="Distance of the two deals' contributions, in log-odds.")
    alike: list[str] = Field(description="What weighs most in both.")


class PostMortemAnswer(Answer):
    """What happened to a closed deal, how its odds moved, and what moved them."""

    deal_id: str = Field(description="Identifier of the deal in the CRM.")
    outcome: Literal["won", "lost"] = Field(description="How it ended.")
    created_at: datetime | None = Field(description="When it was entered, in UTC; null in an export without dates.")
    closed_at: datetime | None = Field(description="When it closed, in UTC; null in an export without dates.")
    reasons: list[StatedReasonAnswer] = Field(description="Why, by a person or the note, and as it was picked.")
    timeline: list[HappeningAnswer] = Field(description="What happened, in order.")
    steps: list[StepAnswer] = Field(description="The day after entry, Mondays, the close; empty without a model.")
    moves: list[StepAnswer] = Field(description="The steps with the largest changes, the largest first.")
    kept: list[PastScore] = Field(description="What was said at the time, where it was kept.")
    similar: list[SimilarAnswer] = Field(description="Deals like it, the nearest first.")
    learned_from: bool = Field(description="Whether the model learned from this very deal.")
    notes: list[str] = Field(description="What could not be told, and why.")
    simulated: bool = Field(description="Whether the store holds simulated data.")
