"""Routes about the past of a deal: the scores that were kept, and the post-mortem of a closed one."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from crm.errors import StoreError
from crm.ledger import rows_of_deal
from insights.changes import Said, steps
from insights.errors import NothingToTellError
from insights.postmortem import post_mortem
from serving.champion import Champion
from serving.company import CompanyData
from serving.documented import errors
from serving.errors import DealOpenError, UnavailableError, UnknownDealError
from serving.history_answers import HistoryAnswer, PostMortemAnswer
from serving.requests import Moment

MOST_KEPT = 500
NOTHING_KEPT = "no score of this deal was kept: `wonlost score` keeps those of all deals open at its day"
DEAL_OPEN = {409: ("The deal is still open.", "deal_open",
                   "deal 'D1' is still open: a post-mortem looks back on a closed one")}  # fmt: skip


class InputsQuery(BaseModel):
    """How much to tell of each change."""

    model_config = ConfigDict(extra="forbid")

    inputs: int = Field(default=5, ge=0, le=1000, description="Most inputs told one by one of each change.")


class HistoryQuery(InputsQuery):
    """Which kept scores to tell."""

    since: Moment | None = Field(default=None, description="Only scores for this moment and later.")
    until: Moment | None = Field(default=None, description="Only scores for this moment and before.")
    limit: int = Field(default=52, ge=1, le=MOST_KEPT, description="Most scores, the newest ones.")


def add_history(app: FastAPI, champion: Champion) -> None:
    """Add these routes.

    Args:
        app: The app.
        champion: What serves, and the store.
    """

    @app.get("/v1/deals/{deal_id}/history", response_model=HistoryAnswer, responses=errors(404, 422, 503),
             tags=["deals"])  # fmt: skip
    def history(deal_id: str, query: Annotated[HistoryQuery, Query()]) -> Response:
        """The scores of a deal that `wonlost score` kept, and what moved each since the one before, adding up.

        Scores that this server works out for its answers are not kept.
        """
        current = champion.current
        kept = _kept(champion, deal_id, query)
        known = current.data is not None and current.data.history.code(deal_id) is not None
        if not known and not kept:
            raise UnknownDealError(f"{deal_id[:100]!r}: the store holds no such deal")
        data = _data(current.data, deal_id)
        changes = steps(data.history, current.model, kept, deal_id)
        scores = [{**said.to_json(), "change": None if place == 0 else changes[place - 1].to_json(query.inputs)}
                  for place, said in enumerate(kept)]  # fmt: skip
        answer = HistoryAnswer.model_validate({
            "deal_id": deal_id, "scores": scores, "note": None if scores else NOTHING_KEPT,
            "simulated": data.simulated,
        })  # fmt: skip
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get("/v1/deals/{deal_id}/postmortem", response_model=PostMortemAnswer, tags=["deals"],
             responses=errors(404, 422, 503, own=DEAL_OPEN))  # fmt: skip
    def postmortem(deal_id: str, query: Annotated[InputsQuery, Query()]) -> Response:
        """Look back on a closed deal: what happened, how its odds moved and what moved them, and deals like it."""
        current = champion.current
        data = _data(current.data, deal_id)
        if data.history.code(deal_id) is None:
            raise UnknownDealError(f"{deal_id[:100]!r}: the store holds no such deal")
        kept = _kept(champion, deal_id, HistoryQuery(limit=MOST_KEPT))
        try:
            found = post_mortem(data.history, current.model, deal_id, kept, champion.reasons.why(data))
        except NothingToTellError as error:
            raise DealOpenError(str(error)) from None
        answer = PostMortemAnswer.model_validate(found.to_json(query.inputs))
        return Response(answer.model_dump_json(), media_type="application/json")


def _data(data: CompanyData | None, deal_id: str) -> CompanyData:
    if data is None:
        raise UnknownDealError(f"{deal_id[:100]!r}: the store holds no opportunities yet")
    return data


def _kept(champion: Champion, deal_id: str, query: HistoryQuery) -> list[Said]:
    """What was kept of a deal.

    Raises:
        UnavailableError: The store cannot be read.
    """
    if champion.store is None:
        raise UnavailableError("the store is not open yet")
    if "\0" in deal_id:
        return []  # no database takes it in a text
    try:
        rows = rows_of_deal(champion.store, deal_id, since=query.since, until=query.until, newest=query.limit)
    except StoreError as error:
        raise UnavailableError(str(error)) from None
    return [Said.kept(run, one) for run, one in rows]
