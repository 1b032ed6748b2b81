"""What the API answers: each field with its meaning, unit and time basis. The OpenAPI document derives from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from models.win import Band
from serving.answer import Answer
from serving.reason_answers import DealReason

NO_MODEL = "no model yet: win rates by stage are shown instead of scores"
STAGE_RATE = "Win rate of its stage; only where there is no model yet."
WITHIN = (
    "Probability that it is won within 30 days of as_of. It never falls with the horizon, nor exceeds the win "
    "probability; null in an export without dates, or where the model does not know when deals close."
)
NO_IMPORT = "no import yet: the store holds no opportunities"


class Detail(Answer):
    """One thing that is wrong with a request."""

    where: str = Field(description="Path of the value, such as `opportunity.amount` or `query.limit`.")
    message: str = Field(description="What is wrong, and what would be right.")


class ErrorBody(Answer):
    """An error."""

    code: str = Field(description="Short name of the error, for programs.")
    message: str = Field(description="What is wrong, for people.")
    details: list[Detail] | None = Field(default=None, description="Each problem, where there are several.")


class ErrorAnswer(Answer):
    """The one shape of every error."""

    error: ErrorBody


@dataclass(slots=True)
class ReasonAnswer:
    """One line of an explanation: what one feature adds to the win probability."""

    # a plain dataclass, as dozens of them are made for each deal: pydantic takes them as they are
    feature: Annotated[str, Field(description="Name of the feature.")]
    points: Annotated[float, Field(description="What it adds to the win probability: 0.05 is five points.")]
    value: Annotated[float | str | None, Field(description="The deal's value; null where there is none.")]
    usual: Annotated[
        float | str | None, Field(description="Usual value among won deals of the same stage; null where unknown.")
    ]
    sentence: Annotated[str, Field(description="All that in words.")]


class ScoreAnswer(Answer):
    """How likely a deal is to be won, once it closes, and why.

    `base_rate + step_to_reference + ` the points of all reasons is the win probability.
    """

    win_probability: float = Field(ge=0, le=1, description="Probability that the deal, once closed, is won.")
    lower: float = Field(ge=0, le=1, description="Lower end of the interval that should hold the true probability.")
    upper: float = Field(ge=0, le=1, description="Upper end: wide where few similar deals have closed.")
    won_within_30: float | None = Field(default=None, ge=0, le=1, description=WITHIN)
    won_within_60: float | None = Field(default=None, ge=0, le=1, description="The same within 60 days.")
    won_within_90: float | None = Field(default=None, ge=0, le=1, description="The same within 90 days.")
    won_within_180: float | None = Field(default=None, ge=0, le=1, description="The same within 180 days.")
    band: Band = Field(description="high: odds at least twice the base rate's; low: at most half; medium: between.")
    base_rate: float = Field(ge=0, le=1, description="Share won among the rows that the model was trained on.")
    step_to_reference: float = Field(description="From the base rate to the probability that the reasons add to.")
    in_sample: bool = Field(
        description="True where as_of lies before the model's training cut: it may have seen how the deal ended."
    )
    model_version: int = Field(description="Version of the model in the registry.")
    reasons: list[ReasonAnswer] = Field(description="The weightiest first; in lists only the first few.")


class StageRate(Answer):
    """How often deals seen in a stage were won."""

    stage: str | None = Field(description="The stage; null: stages that are rare or not recorded.")
    win_rate: float = Field(ge=0, le=1, description="Share won of deals seen in this stage, smoothed.")


class DealState(Answer):
    """A deal as it stood at as_of, as far as that can be told."""

    id: str = Field(description="Identifier of the deal in the CRM.")
    name: str | None = Field(description="Name of the deal, as it stands today.")
    account_id: str | None = Field(description="Account that the deal is with.")
    account: str | None = Field(description="Name of the account, as it stands today.")
    owner_id: str | None = Field(description="Owner; null where that was overwritten since as_of.")
    owner: str | None = Field(description="Name of the owner.")
    stage: str | None = Field(description="Stage of the sales process; null where unknown at as_of.")
    amount: float | None = Field(description="Amount in currency units; null where unknown at as_of.")
    currency: str | None = Field(description="Currency of the amount.")
    created_at: datetime | None = Field(description="When the deal was entered, in UTC; null without dates.")
    age_days: float | None = Field(description="Days from entry to as_of; null in an export without dates.")


class OpenDeal(Answer):
    """An open deal with its score."""

    deal: DealState
    score: ScoreAnswer | None = Field(default=None, description="Its score; null where there is no model yet.")
    stage_rate: float | None = Field(default=None, description=STAGE_RATE)


class DealsAnswer(Answer):
    """A page of the deals that were open at as_of."""

    as_of: datetime | None = Field(description="The moment, in UTC; null without an import, or without dates.")
    total: int = Field(ge=0, description="Deals that fit the filters, on all pages.")
    limit: int = Field(description="Most deals on a page.")
    offset: int = Field(description="Deals left out before this page.")
    simulated: bool = Field(description="Whether the store holds simulated data.")
    note: str | None = Field(default=None, description="What to know about this answer: no model yet, no import yet.")
    stage_rates: list[StageRate] | None = Field(default=None, description="Only where there is no model yet.")
    deals: list[OpenDeal]


class DealAnswer(Answer):
    """One deal, with its score where it was open at as_of."""

    as_of: datetime | None = Field(description="The moment, in UTC; null in an export without dates.")
    deal: DealState
    status: Literal["open", "won", "lost", "not_entered"] = Field(description="What it was at as_of.")
    closed_at: datetime | None = Field(description="When it had closed before as_of, in UTC; null otherwise.")
    outcome: Literal["won", "lost"] | None = Field(description="How it ended, as the store knows today; null if open.")
    score: ScoreAnswer | None = Field(description="Null if it was not open at as_of, or without a model.")
    reason: DealReason | None = Field(default=None, description="Why it was lost or won; null if it was still open.")
    note: str | None = Field(default=None, description="Why there is no score.")
    stage_rate: float | None = Field(default=None, description=STAGE_RATE)
    stage_rates: list[StageRate] | None = Field(default=None, description="Only where there is no model yet.")
    simulated: bool = Field(description="Whether the store holds simulated data.")


class PostedScore(Answer):
    """The score of a deal that was sent."""

    opportunity_id: str = Field(description="Identifier that was sent.")
    as_of: datetime | None = Field(description="The moment, in UTC; null where the company's data have no dates.")
    score: ScoreAnswer | None = Field(description="Null if it was not open at as_of, or without a model.")
    note: str | None = Field(default=None, description="Why there is no score.")
    stage_rate: float | None = Field(default=None, description=STAGE_RATE)
    stage_rates: list[StageRate] | None = Field(default=None, description="Only where there is no model yet.")


class ModelVersion(Answer):
    """A registered version of the win model."""

    version: int
    aliases: list[str] = Field(description="`champion`: it serves; `challenger`: examined last, not promoted.")
    created_at: datetime = Field(description="When it was registered, in UTC.")
    run_id: str = Field(description="MLflow run that made it.")
    metrics: dict[str, Any] = Field(description="Headline figures of its evaluation.")
    decision: str = Field(description="Why it was promoted, or not.")
    simulated: bool = Field(description="Whether it was trained on simulated data.")
    report: str | None = Field(description="Path of the report of its training on this server; null: it has none.")


class ModelsAnswer(Answer):
    """All registered versions, the newest first."""

    served_version: int | None = Field(description="Version that this server serves now; null: no model yet.")
    versions: list[ModelVersion]


class Health(Answer):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(Answer):
    """Whether the server can answer, and with what."""

    status: Literal["ready", "not_ready"]
    degraded: bool = Field(description="Whether something is wrong that does not keep it from answering.")
    store: str = Field(description="`import N`: the newest import that it serves; else what is wrong.")
    registry: Literal["reachable", "unreachable", "not_asked"]
    model_version: int | None = Field(description="Version that it serves; null: no model yet.")
    problems: list[str] = Field(description="What is wrong, for people.")
