"""Puts the rows of the queue into words."""

from __future__ import annotations

import numpy as np

from crm.tables import Coded, moment
from features.history import History
from features.matrix import FeatureMatrix
from insights.reengagement.features import Knowing, Known
from insights.reengagement.losses import Lost
from insights.reengagement.model import PRIOR, Told, WinbackModel
from insights.reengagement.rows import Row
from insights.reengagement.similar import Similar
from insights.reengagement.timing import BestDate, UsualWait, best_date
from models.explain import reasons_of_row
from models.notes import Cleaner

SHOWN_REASONS = 3
"""Lines that say why a deal ranks where it does."""
LONGEST = 300
"""Characters of a note that are shown."""


class Shown:
    """Makes rows of lost deals.

    Args:
        knowing: Asked what was known.
        lost: The deals.
        known: What was known of them.
        model: The probability.
        told: What it said of them.
        usual: When accounts come back.
        as_of: The moment, in microseconds.
    """

    def __init__(
        self, knowing: Knowing, lost: Lost, known: Known, model: WinbackModel, told: Told, usual: UsualWait, as_of: int
    ) -> None:
        self.accounts, self.taxonomy, self.history = knowing.accounts, knowing.taxonomy, knowing.accounts.history
        self.lost, self.known, self.model, self.told, self.usual, self.as_of = lost, known, model, told, usual, as_of
        self._cleaner = Cleaner()
        self._described = knowing.described()
        self._reasons = known.reasons.reason.strings()
        self._owner, self._name = _texts(self.history, "owner_id", lost), _texts(self.history, "name", lost)
        stage = known.matrix.columns.get("stage")
        self._stages = stage.strings() if isinstance(stage, Coded) else np.full(len(lost), "", dtype=object)
        self._account_names = _names(self.history, "accounts", "account_id")
        self._user_names = _names(self.history, "users", "user_id")

    def row(self, place: int, rank: int, currency: str, amount: float, expected: float, value: float,
            similar: list[Similar]) -> Row:  # fmt: skip
        """One row.

        Args:
            place: Which of the deals.
            rank: Its rank among those of its currency.
            currency: That.
            amount: Its amount, NaN where there is none; likewise the next two.
            expected: Amount expected of the deal that comes back.
            value: Expected value.
            similar: Deals like it that came back.
        """
        lost, reasons, told = self.lost, self.known.reasons, self.told
        id = str(self._reasons[place]) or None
        reason = self.taxonomy.reason(id) if id in self.taxonomy.ids and id is not None else None
        account = self.accounts.id(int(lost.account[place]))
        when = self._best_date(place, id or "")
        confidence = float(reasons.confidence[place])
        return Row(
            rank=rank, id=self.history.deal_ids[lost.deal[place]], name=self._name[place],
            account_id=account, account=self._account_names.get(account or ""),
            owner_id=self._owner[place], owner=self._user_names.get(self._owner[place] or ""),
            lost_on=moment(int(lost.lost_at[place])).date(), stage=str(self._stages[place]) or None,
            amount=_number(amount, 2), currency=currency, reason=id,
            reason_name=reason.name if reason is not None else id,
            reason_source=reasons.source[place], confidence=_number(confidence, 4), words=self._words(place),
            evidence=self._evidence(place, id), hint=reason.hint if reason is not None else "",
            best_date=when.day if when is not None else None, best_date_why=when.why if when is not None else "",
            probability=float(told.p[place]), lower=float(told.lower[place]), upper=float(told.upper[place]),
            expected_amount=_number(expected, 2), expected_value=_number(value, 2),
            method="prior" if self.model.kind == PRIOR else "model",
            why=self._why(place, reason.name if reason is not None else "an unknown reason"), similar=similar,
        )  # fmt: skip

    def _words(self, place: int) -> str:
        """The note as it may be shown, else the picklist's value."""
        reasons = self.known.reasons
        reading = reasons.reading[place]
        note = reading.text if reading is not None else self._cleaner(reasons.note[place]).text
        return _short(note or reasons.picked[place])

    def _evidence(self, place: int, reason: str | None) -> list[str]:
        """Words of the note that told the reason, where the reading is of that reason."""
        reading = self.known.reasons.reading[place]
        return [part.text for part in reading.evidence] if reading is not None and reading.reason == reason else []

    def _best_date(self, place: int, reason: str) -> BestDate | None:
        return best_date(self.as_of, int(self.lost.lost_at[place]), reason, self.known.named[place],
                         float(self.known.contract_end[place]), self.usual, self.taxonomy)  # fmt: skip

    def _why(self, place: int, reason: str) -> list[str]:
        told, model = self.told, self.model
        if not told.features:
            days = _days(self.known.matrix, place)
            phase = model.prior.phase_of(days, str(self._reasons[place]))
            return [f"prior: {days:.0f} days after a loss for {reason.lower()}, {phase} the days held to be worth most"]
        found = reasons_of_row(self._described, told.features, told.points[place], self.known.matrix, place,
                               SHOWN_REASONS)  # fmt: skip
        return [f"{100 * item.points:+.1f} points: {item.sentence}" for item in found]


def _days(matrix: FeatureMatrix, place: int) -> float:
    days = matrix.columns["days_since_loss"]
    assert not isinstance(days, Coded)
    return float(days[place])


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if value == value else None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _texts(history: History, name: str, lost: Lost) -> list[str | None]:
    """A text column of the lost deals as it stood at the moments."""
    field = history.field(f"opportunities.{name}")
    codes = field.codes(lost.deal, lost.as_of)
    return [field.levels[code] if code >= 0 else None for code in codes.tolist()]


def _names(history: History, table: str, key: str) -> dict[str, str]:
    """Names of a table's records by id."""
    columns = history.crm.tables.get(table, {})
    ids, names = columns.get(key), columns.get("name")
    if not isinstance(ids, Coded) or not isinstance(names, Coded):
        return {}
    return {str(id): str(name) for id, name in zip(ids.strings(), names.strings(), strict=True) if name}
