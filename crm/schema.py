"""The tables of a CRM, column by column: type, unit, meaning, and when each is known.

This module is the one description of the data: the store's tables, the import's checks, the mapping suggestions, the
in-memory tables and `docs/data.md` all derive from it.

When a column is known (an export shows every column as it stands today, which for a closed deal is after the fact):

* ``created``: fixed when the record was entered, and used as it stands;
* ``history``: rebuilt from field changes (or stage changes), so that its value at any past moment can be told;
* ``closed``: may have been overwritten until the deal closed, so it is never a feature of an open deal;
* ``event``: belongs to a dated event, and is known from the event's own time on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Known(StrEnum):
    """When the value of a column is known."""

    CREATED = "created"
    HISTORY = "history"
    CLOSED = "closed"
    EVENT = "event"


class Kind(StrEnum):
    """What a column holds.

    ``id`` and ``text`` are strings; ``category`` a string of few distinct values; ``money`` an amount, held in
    hundredths of the currency unit as whole numbers; ``time`` an instant in UTC, held in microseconds since 1970.
    """

    ID = "id"
    TEXT = "text"
    CATEGORY = "category"
    MONEY = "money"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        kind: What it holds.
        meaning: What it is, in CRM words.
        known: When it is known if the mapping says nothing. A column that can change is ``closed`` here and becomes
            ``history`` where the export has its changes.
        unit: Unit of the value, where it has one.
        required: Whether every row must have it.
    """

    kind: Kind
    meaning: str
    known: Known
    unit: str = ""
    required: bool = False


class Table:
    """A table of the CRM. Subclasses list their columns as class attributes.

    Attributes:
        table: Name in the store and in mappings.
        key: Column that identifies a row; None for events, which an export often leaves without an id.
        clock: Column with the time at which a row of events is known; None for records that are not events.
        custom: Whether a company's own columns may be added.
    """

    table: str
    key: str | None = None
    clock: str | None = None
    custom: bool = False

    @classmethod
    @cache
    def columns(cls) -> dict[str, Column]:
        """Columns by name, in the order in which they are written down."""
        return {name: value for name, value in vars(cls).items() if isinstance(value, Column)}


class Opportunities(Table):
    """One row per opportunity (deal), open or closed. The only table that is required."""

    table = "opportunities"
    key = "opportunity_id"
    custom = True

    opportunity_id = Column(Kind.ID, "Identifier of the deal in the CRM.", Known.CREATED, required=True)
    name = Column(Kind.TEXT, "Name of the deal; shown to people, never a feature.", Known.CLOSED)
    created_at = Column(Kind.TIME, "When the deal was entered.", Known.CREATED, unit="UTC")
    closed_at = Column(Kind.TIME, "When the deal was won or lost; empty for an open one.", Known.CLOSED, unit="UTC")
    outcome = Column(Kind.CATEGORY, "won or lost; empty while the deal is open.", Known.CLOSED)
    sequence = Column(
        Kind.NUMBER,
        "Order of entry, for exports that have an ordering column (such as a running number) instead of dates.",
        Known.CREATED,
    )
    account_id = Column(Kind.ID, "Account (company) that the deal is with.", Known.CREATED)
    owner_id = Column(Kind.ID, "User who owns the deal.", Known.CLOSED)
    stage = Column(Kind.CATEGORY, "Stage of the sales process.", Known.CLOSED)
    amount = Column(Kind.MONEY, "Amount of the deal.", Known.CLOSED, unit="currency, in hundredths")
    currency = Column(Kind.CATEGORY, "Currency of the amount.", Known.CREATED)
    expected_close_at = Column(
        Kind.TIME,
        "Expected close as it stands, of an open deal only; of a closed one it is rebuilt from field changes.",
        Known.CLOSED,
        unit="UTC",
    )
    lead_source = Column(Kind.CATEGORY, "Where the deal came from.", Known.CLOSED)
    deal_type = Column(Kind.CATEGORY, "New business, renewal, expansion.", Known.CLOSED)
    product = Column(Kind.CATEGORY, "Main product of the deal.", Known.CLOSED)
    segment = Column(Kind.CATEGORY, "Market segment of the deal.", Known.CLOSED)
    competitor = Column(Kind.CATEGORY, "Main competitor in the deal.", Known.CLOSED)
    loss_reason = Column(Kind.CATEGORY, "Reason picked when the deal was lost.", Known.CLOSED)
    win_reason = Column(Kind.CATEGORY, "Reason picked when the deal was won.", Known.CLOSED)


class Accounts(Table):
    """One row per account (company)."""

    table = "accounts"
    key = "account_id"
    custom = True

    account_id = Column(Kind.ID, "Identifier of the account.", Known.CREATED, required=True)
    name = Column(Kind.TEXT, "Name of the account; shown to people, never a feature.", Known.CLOSED)
    created_at = Column(Kind.TIME, "When the account was entered.", Known.CREATED, unit="UTC")
    industry = Column(Kind.CATEGORY, "Industry.", Known.CLOSED)
    segment = Column(Kind.CATEGORY, "Size class or market segment.", Known.CLOSED)
    country = Column(Kind.CATEGORY, "Country or region.", Known.CLOSED)
    account_type = Column(
        Kind.CATEGORY, "Prospect, customer, partner: often overwritten when a deal is won.", Known.CLOSED
    )
    employees = Column(Kind.NUMBER, "Number of employees.", Known.CLOSED, unit="people")
    annual_revenue = Column(Kind.MONEY, "Yearly revenue.", Known.CLOSED, unit="currency, in hundredths")


class Users(Table):
    """One row per user (owner of deals)."""

    table = "users"
    key = "user_id"

    user_id = Column(Kind.ID, "Identifier of the user.", Known.CREATED, required=True)
    name = Column(Kind.TEXT, "Name of the user; shown to people, never a feature.", Known.CLOSED)
    team = Column(Kind.CATEGORY, "Team of the user.", Known.CLOSED)
    manager_id = Column(Kind.ID, "Manager of the user.", Known.CLOSED)


class StageChanges(Table):
    """One row per move of a deal from one stage to another, the first one into its first stage."""

    table = "stage_changes"
    clock = "changed_at"

    change_id = Column(Kind.ID, "Identifier of the change, where the CRM has one.", Known.EVENT)
    opportunity_id = Column(Kind.ID, "Deal that moved.", Known.EVENT, required=True)
    changed_at = Column(Kind.TIME, "When it moved.", Known.EVENT, unit="UTC", required=True)
    from_stage = Column(Kind.CATEGORY, "Stage that it left; empty for the first.", Known.EVENT)
    to_stage = Column(Kind.CATEGORY, "Stage that it entered.", Known.EVENT, required=True)
    sequence = Column(Kind.NUMBER, "Order among changes of the same time.", Known.EVENT)
    user_id = Column(Kind.ID, "Who moved it.", Known.EVENT)


class FieldChanges(Table):
    """One row per change of a tracked field of a deal: amount, owner, expected close, or any other."""

    table = "field_changes"
    clock = "changed_at"

    change_id = Column(Kind.ID, "Identifier of the change, where the CRM has one.", Known.EVENT)
    opportunity_id = Column(Kind.ID, "Deal whose field changed.", Known.EVENT, required=True)
    changed_at = Column(Kind.TIME, "When it changed.", Known.EVENT, unit="UTC", required=True)
    field = Column(
        Kind.CATEGORY,
        "Column of `opportunities` that changed, by its name here or its own.",
        Known.EVENT,
        required=True,
    )
    old_value = Column(Kind.TEXT, "Value before; empty where there was none.", Known.EVENT)
    new_value = Column(Kind.TEXT, "Value after; empty where it was cleared.", Known.EVENT)
    sequence = Column(Kind.NUMBER, "Order among changes of the same time.", Known.EVENT)
    user_id = Column(Kind.ID, "Who changed it.", Known.EVENT)


class Activities(Table):
    """One row per email, call, meeting, task or quote about a deal."""

    table = "activities"
    clock = "occurred_at"

    activity_id = Column(Kind.ID, "Identifier of the activity, where the CRM has one.", Known.EVENT)
    opportunity_id = Column(Kind.ID, "Deal that it is about.", Known.EVENT, required=True)
    occurred_at = Column(
        Kind.TIME, "When it took place (a planned one is not seen before then).", Known.EVENT, unit="UTC", required=True
    )
    type = Column(Kind.CATEGORY, "email, call, meeting, task, quote or other.", Known.EVENT, required=True)
    topic = Column(Kind.CATEGORY, "What it was for, in the CRM's own words, where that is a picklist.", Known.EVENT)
    direction = Column(Kind.CATEGORY, "inbound (from the customer) or outbound.", Known.EVENT)
    contact_id = Column(Kind.ID, "Contact who took part.", Known.EVENT)
    user_id = Column(Kind.ID, "User who took part.", Known.EVENT)


class ContactRoles(Table):
    """One row per contact's role in a deal: decision maker, champion, and so on."""

    table = "contact_roles"
    clock = "added_at"

    opportunity_id = Column(Kind.ID, "Deal.", Known.EVENT, required=True)
    contact_id = Column(Kind.ID, "Contact.", Known.EVENT, required=True)
    role = Column(Kind.CATEGORY, "Role of the contact in the deal.", Known.EVENT)
    added_at = Column(
        Kind.TIME, "When the role was entered; a role without a time is not used for features.", Known.EVENT, unit="UTC"
    )


class DealProducts(Table):
    """One row per product on a deal (line item)."""

    table = "deal_products"
    clock = "added_at"

    line_id = Column(Kind.ID, "Identifier of the line, where the CRM has one.", Known.EVENT)
    opportunity_id = Column(Kind.ID, "Deal.", Known.EVENT, required=True)
    product = Column(Kind.CATEGORY, "Product.", Known.EVENT, required=True)
    quantity = Column(Kind.NUMBER, "Quantity.", Known.EVENT, unit="pieces")
    amount = Column(Kind.MONEY, "Amount of the line.", Known.EVENT, unit="currency, in hundredths")
    added_at = Column(
        Kind.TIME, "When the line was entered; a line without a time is not used for features.", Known.EVENT, unit="UTC"
    )


class Notes(Table):
    """One row per free-text note on why a deal was won or lost."""

    table = "notes"
    clock = "written_at"

    note_id = Column(Kind.ID, "Identifier of the note, where the CRM has one.", Known.EVENT)
    opportunity_id = Column(Kind.ID, "Deal.", Known.EVENT, required=True)
    written_at = Column(Kind.TIME, "When the note was written.", Known.EVENT, unit="UTC")
    kind = Column(Kind.CATEGORY, "loss or win.", Known.EVENT)
    text = Column(Kind.TEXT, "The note.", Known.EVENT, required=True)


TABLES: dict[str, type[Table]] = {
    table.table: table
    for table in (
        Opportunities, Accounts, Users, StageChanges, FieldChanges, Activities, ContactRoles, DealProducts, Notes
    )
}  # fmt: skip

ACTIVITY_TYPES = ("email", "call", "meeting", "task", "quote", "other")
DIRECTIONS = ("inbound", "outbound")
OUTCOMES = ("won", "lost")
