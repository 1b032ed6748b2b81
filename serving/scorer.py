"""Answers about deals: the open ones, one of the store, and those that are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from crm.tables import FloatArray, IntArray
from features.history import History
from features.matrix import Snapshots, open_at
from features.registry import Feature
from models.scoring import BATCH, SHOWN, WITHIN, Scores, WinVersion, score_pairs
from serving.answers import (
    NO_IMPORT,
    NO_MODEL,
    DealAnswer,
    DealsAnswer,
    Detail,
    OpenDeal,
    PostedScore,
    ReasonAnswer,
    ScoreAnswer,
)
from serving.company import CompanyData, Recent
from serving.errors import InvalidRequestError, UnknownDealError
from serving.posted import Posted, check, pairs_of, rounds, tables_of
from serving.requests import DealsQuery, Sent

KEPT_LISTS = 4


@dataclass(frozen=True)
class Page:
    """Every deal open at a moment, with what pages of the list are cut from.

    Attributes:
        deals: Codes, shape (n_deals,).
        p: Win probability, or the win rate of the deal's stage where there is no model.
        band: Band of each deal, None where there is no model.
        owner: Owner of each deal at the moment.
        stage: Stage of each deal at the moment.
        scores: Scores in batches of `BATCH`; empty where there is no model.
    """

    deals: IntArray
    p: FloatArray
    band: list[str | None]
    owner: list[str | None]
    stage: list[str | None]
    scores: list[Scores]


@dataclass(frozen=True)
class Current:
    """What serves now: one import and one model that fit each other. Replaced as a whole, never changed.

    Attributes:
        data: The company's data; None before the first import.
        model: The champion; None before the first promotion.
        features: What is computed for the model.
    """

    data: CompanyData | None
    model: WinVersion | None
    features: list[Feature] = field(default_factory=list)
    _pages: Recent[int, Page] = field(default_factory=lambda: Recent(KEPT_LISTS))

    @classmethod
    def of(cls, data: CompanyData | None, model: WinVersion | None) -> Current:
        """Put an import and a model together and score one deal, so that everything slow is done before it serves.

        Raises:
            FeatureMismatch: The model needs a feature that the data do not allow.
        """
        features = model.loaded.read(data.features) if data is not None and model is not None else []
        current = cls(data, model, features)
        if data is not None and data.history.n_deals:
            data.states(np.zeros(1, dtype=np.int64), data.cut)
            if model is not None:
                scores = current._score(data.history, data.pair(0, data.cut), data.cut)
                current._answer(scores, 0, None, None)
        return current

    def _score(self, history: History, pairs: Snapshots, as_of: int, asked: IntArray | None = None) -> Scores:
        assert self.model is not None
        assert self.data is not None
        when = as_of if self.data.dated else None
        return score_pairs(history, self.model.loaded, pairs, when, self.features, asked=asked)

    def _answer(self, scores: Scores, row: int, as_of: int | None, most: int | None) -> ScoreAnswer:
        assert self.model is not None
        assert self.data is not None
        win = self.model.loaded
        in_sample = scores.in_sample if as_of is None else self.data.dated and win.dated and as_of < win.trained_before
        within = {} if scores.won_within is None else dict(zip(WITHIN, scores.won_within[row].tolist(), strict=True))
        return ScoreAnswer(
            win_probability=float(scores.p[row]), lower=float(scores.lower[row]), upper=float(scores.upper[row]),
            **within, band=scores.band.levels[scores.band.codes[row]],
            base_rate=scores.base_rate, step_to_reference=scores.step, in_sample=in_sample,
            model_version=self.model.version,
            reasons=[ReasonAnswer(*line) for line in scores.lines(row, most)],
        )  # fmt: skip

    # -- deals of the store --------------------------------------------------------------------------------------------

    def moment(self, as_of: int | None, now: int) -> int:
        """The moment that a request is about.

        Raises:
            InvalidRequestError: It lies in the future.
        """
        cut = self.data.cut if self.data is not None else now
        if as_of is None:
            return cut
        if as_of > max(now, cut):
            raise InvalidRequestError("as_of lies in the future; deals are scored with what is known by now")
        return as_of

    def _page(self, data: CompanyData, as_of: int) -> Page:
        pairs = open_at(data.history, as_of)
        owners, stages = data.owners(pairs.deal, as_of), data.stage_names(pairs.deal, as_of)
        if self.model is None:
            p = data.stage_rates(as_of).of(data.stages(pairs))
            return Page(pairs.deal, p, [None] * len(p), owners, stages, [])
        batches: list[Scores] = []
        for start in range(0, len(pairs), BATCH):
            rows = np.arange(start, min(start + BATCH, len(pairs)), dtype=np.int64)
            batches.append(self._score(data.history, pairs.take(rows), as_of))
        p = np.concatenate([batch.p for batch in batches]) if batches else np.zeros(0)
        bands: list[str | None] = [str(band) for batch in batches for band in batch.band.strings()]
        return Page(pairs.deal, p, bands, owners, stages, batches)

    def deals(self, query: DealsQuery, now: int) -> DealsAnswer:
        """A page of the open deals."""
        as_of = self.moment(query.as_of, now)
        data = self.data
        if data is None:
            return DealsAnswer(as_of=None, total=0, limit=query.limit, offset=query.offset, simulated=False,
                               note=NO_IMPORT, deals=[])  # fmt: skip
        page = self._pages.get(as_of, lambda: self._page(data, as_of))
        wanted = [(query.band, page.band), (query.owner_id, page.owner), (query.stage, page.stage)]
        keep = np.ones(len(page.deals), dtype=bool)
        for want, values in wanted:
            if want is not None:
                keep &= np.array([value == want for value in values], dtype=bool)
        rows = np.flatnonzero(keep)
        sign = -1.0 if query.sort.startswith("-") else 1.0
        order = rows[np.argsort(sign * page.p[rows], kind="stable")][query.offset : query.offset + query.limit]
        shown = [
            OpenDeal(deal=state) if self.model is None else
            OpenDeal(deal=state, score=self._answer(page.scores[row // BATCH], int(row % BATCH), None, SHOWN))
            for state, row in zip(data.states(page.deals[order], as_of), order, strict=True)
        ]  # fmt: skip
        note, rates = None, None
        if self.model is None:
            note, rates = NO_MODEL, data.stage_rates(as_of).rates
            shown = [item.model_copy(update={"stage_rate": float(page.p[row])})
                     for item, row in zip(shown, order, strict=True)]  # fmt: skip
        return DealsAnswer(as_of=data.when(as_of), total=len(rows), limit=query.limit, offset=query.offset,
                           simulated=data.simulated, note=note, stage_rates=rates, deals=shown)  # fmt: skip

    def deal(self, deal_id: str, as_of: int | None, now: int) -> DealAnswer:
        """One deal of the store.

        Raises:
            UnknownDealError: The store does not hold it.
        """
        when = self.moment(as_of, now)
        data = self.data
        code = data.history.code(deal_id) if data is not None else None
        if data is None or code is None:
            known = "the store holds no opportunities yet" if data is None else "the store holds no such deal"
            raise UnknownDealError(f"{deal_id[:100]!r}: {known}")
        history = data.history
        status, ended_at = data.status(code, when)
        pair = data.pair(code, when)
        score, note, rate, rates = None, None, None, None
        if status == "not_entered":
            note = "the deal was not entered before as_of"
        elif status != "open":
            note = f"the deal was {status} before as_of" if data.dated else f"the deal is {status}"
        elif self.model is not None:
            score = self._answer(self._score(history, pair, when), 0, None, None)
        else:
            found = data.stage_rates(when)
            note, rates, rate = NO_MODEL, found.rates, float(found.of(data.stages(pair))[0])
        outcomes: dict[float, Literal["won", "lost"]] = {1.0: "won", 0.0: "lost"}
        ended = outcomes.get(float(history.won[code]))
        closed = None if ended_at is None else data.when(ended_at)
        return DealAnswer(
            as_of=data.when(when), deal=data.states(np.array([code], dtype=np.int64), when)[0],
            status=status, closed_at=closed, outcome=ended, score=score, note=note, stage_rate=rate,
            stage_rates=rates, simulated=data.simulated,
        )  # fmt: skip

    # -- deals that are sent -------------------------------------------------------------------------------------------

    def posted(self, sent: Sequence[Sent], now: int, *, listed: bool) -> list[PostedScore]:
        """Score deals that are sent with their histories, each at its own moment.

        Args:
            sent: The deals.
            now: Microseconds.
            listed: Whether they came as a list, for the paths in messages.

        Raises:
            InvalidRequestError: What is sent contradicts itself, or names columns that the company does not have.
        """
        data = self.data
        if data is None:
            return [PostedScore(opportunity_id=item.__dict__["opportunity"].__dict__["opportunity_id"], as_of=None,
                                score=None, note=NO_IMPORT) for item in sent]  # fmt: skip
        checked: list[Posted] = []
        problems: list[Detail] = []
        for place, item in enumerate(sent):
            try:
                checked.append(check(item, data, now, f"{place}." if listed else ""))
            except InvalidRequestError as error:
                problems.extend(error.details)
        if problems:
            raise InvalidRequestError(f"{problems[0].where}: {problems[0].message}", problems)
        found: list[PostedScore | None] = [None] * len(checked)
        for places in rounds(checked):
            group = [checked[place] for place in places]
            for place, answer in zip(places, self._posted_together(group, data), strict=True):
                found[place] = answer
        return [answer for answer in found if answer is not None]

    def _posted_together(self, group: Sequence[Posted], data: CompanyData) -> list[PostedScore]:
        answers = [PostedScore(opportunity_id=item.id, as_of=data.when(item.as_of), score=None, note=item.note)
                   for item in group]  # fmt: skip
        open_deals = [item for item in group if item.note is None]
        if not open_deals:
            return answers
        history = History(tables_of(group, data), company=data.history.company)
        pairs, order = pairs_of(history, group, data)
        for place in {place for place, item in enumerate(group) if item.note is None}.difference(order):
            answers[place] = answers[place].model_copy(update={"note": "the deal was closed before as_of, for a while"})
        if not order:
            return answers
        if self.model is None:
            return self._rates_of_posted(answers, group, data, history, pairs, order)
        moments = np.array([group[place].as_of for place in order], dtype=np.int64)
        scores = self._score(history, pairs, 0, moments)
        for row, place in enumerate(order):
            score = self._answer(scores, row, group[place].as_of, None)
            answers[place] = answers[place].model_copy(update={"score": score})
        return answers

    @staticmethod
    def _rates_of_posted(
        answers: list[PostedScore], group: Sequence[Posted], data: CompanyData, history: History, pairs: Snapshots,
        order: list[int],
    ) -> list[PostedScore]:  # fmt: skip
        stages = data.stages_of(history, pairs)
        for row, place in enumerate(order):
            rates = data.stage_rates(group[place].as_of)
            rate = float(rates.of(stages.take(np.array([row], dtype=np.int64)))[0])
            answers[place] = answers[place].model_copy(
                update={"note": NO_MODEL, "stage_rate": rate, "stage_rates": rates.rates}
            )
        return answers
