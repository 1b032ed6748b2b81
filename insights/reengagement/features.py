"""What was known of a lost deal and its account at a landmark, from the same as-of algebra as everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np

from crm.schema import Kind
from crm.tables import DAY, NAT, Coded, FloatArray, IntArray, micros, moment
from features.asof import Events, Seen
from features.matrix import FeatureMatrix, Snapshots, build_matrix
from features.registry import Unit, features_of
from insights.reengagement.dates import NamedDate, named_date
from insights.reengagement.losses import Accounts, Lost
from insights.reengagement.reasons import LossReasons, Reader, reason_of
from models.explain import Described
from models.taxonomy import Taxonomy

TAKEN_OVER = (
    "amount", "stage", "stages_seen", "pushes", "product", "segment", "competitor", "lead_source", "industry",
    "account_segment", "country", "employees", "contacts", "decision_makers", "inbound", "inbound_share", "meetings",
    "account_won_deals", "account_lost_deals",
)  # fmt: skip
"""Features of deals (`features/families`) that mean the same of a lost one. None that drifts with the calendar, such
as a win rate of all: the rows learned from lie a whole horizon back, and it would tell little but how long ago."""

ENTERED = (
    "amount", "product", "segment", "industry", "account_segment", "country", "employees", "account_won_deals",
    "account_lost_deals",
)  # fmt: skip
"""Those among them that are known when a deal is entered, and that the next deal of an account is likely to share."""

COMPANYS_OWN = ("custom.", "account.")
"""Names of features from a company's own columns begin so; they are taken over too."""

OWN: dict[str, tuple[Unit, str]] = {
    "days_since_loss": ("days", "time since the loss"),
    "loss_reason": ("category", "reason of the loss"),
    "reason_confidence": ("ratio", "how sure the reason is"),
    "reason_phase": ("category", "time after this reason"),
    "named_date": ("category", "date named in the note"),
    "days_past_named_date": ("days", "time since the date named in the note"),
    "contract_end": ("category", "end of the rival's contract"),
    "account_pace": ("rate", "deals a year of the account"),
    "account_deals_year": ("count", "deals the account entered in a year"),
    "account_returns": ("count", "times the account came back before"),
    "losses_year": ("count", "deals the account lost in a year"),
    "stages_lost_year": ("count", "stages that these had seen"),
    "champions_lost_year": ("count", "those of them with a champion"),
    "days_since_entry": ("days", "time since the account last entered a deal"),
    "open_deals": ("count", "deals the account has open"),
    "inbound_since": ("count", "messages from the account since the loss"),
    "inbound_quarter": ("count", "messages from the account in 90 days"),
    "outbound_since": ("count", "our messages to the account since the loss"),
    "days_since_message": ("days", "time since the account's last message after the loss"),
    "champion_then": ("flag", "had a champion when it was lost"),
    "new_champion": ("flag", "a new champion since the loss"),
    "days_since_champion": ("days", "time since a new champion turned up"),
    "champion_moved": ("flag", "its champion turned up at another account"),
    "months_to_budget": ("number", "months to the next budget year"),
}
"""Features of its own: unit, and what each is in the words of a rep."""


AHEAD = ("long past", "past", "about now or within the horizon", "late in the horizon", "after the horizon")
"""Where a date lies: half a year past or more; two months past or more; and so on."""
PHASES = ("before the usual days", "within the usual days", "after the usual days")


def phases(taxonomy: Taxonomy, reason: Coded, days: FloatArray) -> Coded:
    """Whether a loss lies before, within or after the days that the taxonomy names for its reason (`wait_days`)."""
    waits = {item.id: item.wait_days for item in taxonomy.reasons if item.wait_days is not None}
    none = (np.nan, np.nan)
    window = np.array([*(waits.get(level, none) for level in reason.levels), none], dtype=np.float64)[reason.codes]
    codes = (days >= window[:, 0]).astype(np.int32) + (days > window[:, 1])
    return Coded(np.where(np.isnan(window[:, 0]), -1, codes).astype(np.int32), PHASES)


@dataclass(frozen=True)
class Known:
    """What was known at the landmarks.

    Attributes:
        matrix: Features, one row per pair.
        reasons: Why the deals were lost.
        named: Date that each newest note names, None where it names none.
        contract_end: End of the rival's contract in microseconds, NaN where unknown, shape (n_pairs,).
    """

    matrix: FeatureMatrix
    reasons: LossReasons
    named: list[NamedDate | None]
    contract_end: FloatArray


class Knowing:
    """Asks what was known of lost deals at moments.

    Args:
        accounts: The company's accounts.
        taxonomy: The reasons of lost deals.
        reader: Knows what notes say.
    """

    def __init__(self, accounts: Accounts, taxonomy: Taxonomy, reader: Reader) -> None:
        self.accounts, self.taxonomy, self.reader = accounts, taxonomy, reader
        history = accounts.history
        self._features = [
            item for item in features_of(history) if item.name in TAKEN_OVER or item.name.startswith(COMPANYS_OWN)
        ]
        activities, roles = history.activities, history.contact_roles
        self._activities = self._by_account(activities, ("inbound", "outbound"))
        self._champions = self._by_account(roles, ("champion",))
        contact = roles.codes("contact") if len(roles) else np.zeros(0, dtype=np.int32)
        levels = len(roles.levels("contact")) if len(roles) else 0
        self._contacts = Events(contact, roles.time, levels, ties=lambda: [roles.key], columns={
            "account": accounts.account[roles.key].astype(np.float64) if len(roles) else np.zeros(0),
        })  # fmt: skip

        self._losses = self._past_losses()

    def _past_losses(self) -> Events:
        """Losses by account, with what was known of each just before it."""
        losses, history = self.accounts.losses, self.accounts.history
        deal, time = losses.numbers("deal").astype(np.int64), losses.time.astype(np.int64)
        stages = [item for item in features_of(history) if item.name == "stages_seen"]
        seen = build_matrix(history, stages, Snapshots(deal, time)).columns.get("stages_seen", np.zeros(len(deal)))
        assert not isinstance(seen, Coded)
        champion = Seen(history.contact_roles, deal, time).any("champion")
        return Events(losses.key, time, self.accounts.n_accounts, ties=lambda: [deal],
                      columns={"stages": np.nan_to_num(seen), "champion": champion})  # fmt: skip

    def as_entered(self, deals: IntArray) -> FeatureMatrix:
        """What was known of deals when they were entered, and the next deal of the account is likely to share."""
        shared = [item for item in self._features if item.name in ENTERED or item.name.startswith(COMPANYS_OWN)]
        entry = self.accounts.history.created[deals] + 1
        return build_matrix(self.accounts.history, shared, Snapshots(deals, entry))

    def _by_account(self, events: Events, flags: Sequence[str]) -> Events:
        """Events of deals as events of their accounts; ties are of no account, as only counts and times are asked."""
        columns = {name: np.asarray(events.values(name), dtype=bool) for name in flags}
        key = self.accounts.account[events.key] if len(events) else np.zeros(0, dtype=np.int64)
        return Events(key, events.time, self.accounts.n_accounts, columns=columns)

    def described(self) -> dict[str, Described]:
        """How to speak of every feature."""
        found = {item.name: Described(item.name, item.unit, item.label, {}) for item in self._features}
        found |= {name: Described(name, unit, label, {}) for name, (unit, label) in OWN.items()}
        return found

    def __call__(self, lost: Lost) -> Known:
        """What was known of each pair strictly before its moment."""
        history, n = self.accounts.history, len(lost)
        pairs = Snapshots(lost.deal, lost.as_of)
        columns = dict(build_matrix(history, self._features, pairs).columns) if n else {}
        reasons = reason_of(history, lost.deal, lost.as_of, self.taxonomy, self.reader)
        named = [
            _named(text, int(at) if at != NAT else int(lost_at), self.accounts.options.fiscal_year_start)
            for text, at, lost_at in zip(reasons.note, reasons.written, lost.lost_at, strict=True)
        ]
        days = np.array([np.nan if item is None else float(micros(item.day)) for item in named])
        contract_end = self._contract_end(lost)
        phase = phases(self.taxonomy, reasons.reason, (lost.as_of - lost.lost_at) / DAY)
        columns |= {
            "days_since_loss": (lost.as_of - lost.lost_at) / DAY,
            "loss_reason": reasons.reason,
            "reason_confidence": reasons.confidence,
            "days_past_named_date": (lost.as_of - days) / DAY,
            "reason_phase": phase,
            "named_date": self._ahead(days, lost.as_of),
            "contract_end": self._ahead(contract_end, lost.as_of),
            "months_to_budget": self._months_to_budget(lost.as_of),
        }
        columns |= self._of_account(lost) | self._of_people(lost)
        return Known(FeatureMatrix(columns, n), reasons, named, contract_end)

    def _ahead(self, when: FloatArray, as_of: IntArray) -> Coded:
        """Where a date lies, as seen from the moments; missing where there is none."""
        late = self.accounts.options.horizon * 30.4 * DAY
        edges = np.array([-180 * DAY, -60 * DAY, 0.75 * late, late])
        codes = np.searchsorted(edges, when - as_of)
        return Coded(np.where(np.isnan(when), -1, codes).astype(np.int32), AHEAD)

    def _of_account(self, lost: Lost) -> dict[str, FloatArray | Coded]:
        accounts = self.accounts
        entries = Seen(accounts.entries, lost.account, lost.as_of)
        activities = Seen(self._activities, lost.account, lost.as_of)
        losses = Seen(self._losses, lost.account, lost.as_of)
        since = lost.lost_at.astype(np.float64)
        at_loss = Seen(self._activities, lost.account, lost.lost_at)
        last = activities.last_time("inbound")
        return {
            "account_pace": entries.count() / (entries.days_since_first() / 365.25 + 1.0),
            "account_deals_year": entries.count(days=365),
            "account_returns": entries.total("again"),
            "losses_year": losses.count(days=365),
            "stages_lost_year": losses.total("stages", days=365),
            "champions_lost_year": losses.total("champion", days=365),
            "days_since_entry": entries.days_since_last(),
            "open_deals": accounts.open_deals(lost.account, lost.as_of),
            "inbound_since": activities.total("inbound") - at_loss.total("inbound"),
            "inbound_quarter": activities.total("inbound", days=90),
            "outbound_since": activities.total("outbound") - at_loss.total("outbound"),
            "days_since_message": np.where(last > since, (lost.as_of - last) / DAY, np.nan),
        }

    def _of_people(self, lost: Lost) -> dict[str, FloatArray | Coded]:
        history = self.accounts.history
        then = Seen(history.contact_roles, lost.deal, lost.lost_at)
        now, before = Seen(self._champions, lost.account, lost.as_of), Seen(self._champions, lost.account, lost.lost_at)
        new = now.total("champion") - before.total("champion")
        moved = np.zeros(len(lost))
        if len(history.contact_roles):
            champion = then.last_code("contact", where="champion")
            where = Seen(self._contacts, champion, lost.as_of).last("account")
            moved = ((champion >= 0) & (where != lost.account)).astype(np.float64)
        return {
            "champion_then": then.any("champion").astype(np.float64),
            "new_champion": (new > 0).astype(np.float64),
            "days_since_champion": np.where(new > 0, now.days_since_last("champion"), np.nan),
            "champion_moved": moved,
        }

    def _contract_end(self, lost: Lost) -> FloatArray:
        """End of the rival's contract, from the company's own column; NaN without one."""
        name = self.accounts.options.contract_end
        history = self.accounts.history
        attribute = history.attribute("opportunities", name) if name else None
        if attribute is None or f"opportunities.{name}" not in history.sources:
            return np.full(len(lost), np.nan)
        values = history.field(f"opportunities.{name}").numbers(lost.deal, lost.as_of)
        if attribute.kind is Kind.TIME:
            return values
        return lost.lost_at + values * (365.25 / 12) * DAY

    def _months_to_budget(self, as_of: IntArray) -> FloatArray:
        """Whole months to the start of the company's next year, 1 to 12."""
        month = as_of.view("M8[us]").astype("M8[M]").astype(np.int64) % 12
        return ((self.accounts.options.fiscal_year_start - 2 - month) % 12 + 1).astype(np.float64)


@cache
def _named(text: str, written: int, fiscal_year_start: int) -> NamedDate | None:
    """Cached, as a note stands behind the rows of many landmarks."""
    if not text:
        return None
    at: date = moment(written).date()
    return named_date(text, at, fiscal_year_start)
