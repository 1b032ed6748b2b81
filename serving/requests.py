"""What may be asked of the API. What may be sent derives from `crm.schema`, so that the two cannot drift apart."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from crm.schema import ACTIVITY_TYPES, DIRECTIONS, OUTCOMES, TABLES, Column, Kind, Table
from crm.tables import micros
from models.win import Band

_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_MOMENT = re.compile(_ISO + r"\Z", re.ASCII)
_WANTED = "a date such as 2025-07-01 or an instant such as 2025-07-01T12:00:00Z is wanted"


def _micros(text: Any) -> int:
    if not isinstance(text, str) or not _MOMENT.match(text):
        raise ValueError(_WANTED)
    try:
        return micros(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not a moment of the calendar: {error}") from None


def _scalar(value: Any) -> str | bool | int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and Infinity are not numbers of JSON")
    if not isinstance(value, str | bool | int | float):
        raise ValueError("a text, a number, true or false is wanted")
    return value


Moment = Annotated[
    int,
    BeforeValidator(_micros),
    WithJsonSchema({"type": "string", "pattern": f"{_ISO}$", "examples": ["2025-07-01T12:00:00+00:00"]}),
]
"""A date (its 00:00 UTC) or an instant in ISO 8601; read as microseconds since 1970."""
Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]
MAX_NUMBER = 1e15
MAX_MONEY = 9e13
"""Amounts in currency units are held in hundredths, as whole numbers that float64 holds exactly."""

EVENTS = ("stage_changes", "field_changes", "activities", "contact_roles", "deal_products")
"""Tables of events that may be sent with a deal."""

_WORDS: dict[tuple[str, str], Any] = {
    ("opportunities", "outcome"): Literal[OUTCOMES],
    ("activities", "type"): Literal[ACTIVITY_TYPES],
    ("activities", "direction"): Literal[DIRECTIONS],
    ("field_changes", "old_value"): Scalar,
    ("field_changes", "new_value"): Scalar,
}
_TYPES: dict[Kind, Any] = {
    Kind.ID: str, Kind.TEXT: str, Kind.CATEGORY: str, Kind.BOOLEAN: bool, Kind.TIME: Moment,
    Kind.MONEY: Annotated[float, Field(ge=-MAX_MONEY, le=MAX_MONEY)],
    Kind.NUMBER: Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)],
    Kind.INTEGER: Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)],
}  # fmt: skip


class Sent(BaseModel):
    """Base of all that is sent: nothing unknown, no NaN or infinity, and no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Row(Sent):
    """One row of a table, by the names of its columns; times ISO 8601 (without an offset: UTC), amounts in currency."""


def _field(table: type[Table], name: str, column: Column, required: bool) -> Any:
    kind = _WORDS.get((table.table, name), _TYPES[column.kind])
    units = {Kind.MONEY: "currency units", Kind.TIME: "ISO 8601; without an offset it is UTC"}
    unit = units.get(column.kind, column.unit)
    meaning = f"{column.meaning} [{unit}]" if unit else column.meaning
    if required:
        return kind, Field(description=meaning, min_length=1 if kind is str else None)
    return kind | None, Field(default=None, description=meaning)


def _row(table: type[Table]) -> type[Row]:
    """The model of one row, from the description of its table. A row of events need not name its deal again."""
    fields: dict[str, Any] = {
        name: _field(table, name, column, column.required and (table.key is not None or name != "opportunity_id"))
        for name, column in table.columns().items()
    }
    if table.custom:
        fields["custom"] = (
            dict[str, Scalar | None],
            Field(default={}, description="The company's own columns, by the names of its mapping."),
        )
    doc = (table.__doc__ or "").splitlines()[0]
    return create_model(f"Sent{table.__name__}", __base__=Row, __doc__=doc, **fields)


def _list_of(row: type[Row]) -> Any:
    return list[row]  # type: ignore[valid-type]


ROWS: dict[str, type[Row]] = {name: _row(TABLES[name]) for name in ("opportunities", "accounts", *EVENTS)}

EXAMPLE: dict[str, Any] = {
    "opportunity": {
        "opportunity_id": "new-1", "created_at": "2025-06-02T09:30:00+00:00", "amount": 24000.0, "owner_id": "U00001",
        "lead_source": "Referral",
    },
    "account": {"account_id": "new-account", "industry": "Software"},
    "stage_changes": [
        {"changed_at": "2025-06-02T09:30:00+00:00", "to_stage": "Qualification"},
        {"changed_at": "2025-06-20T15:00:00+00:00", "from_stage": "Qualification", "to_stage": "Proposal"},
    ],
    "activities": [{"occurred_at": "2025-06-21T10:00:00+00:00", "type": "meeting", "direction": "outbound"}],
    "as_of": "2025-07-01",
}  # fmt: skip

_parts: dict[str, Any] = {
    "opportunity": (ROWS["opportunities"], Field(description="The deal.")),
    "account": (
        ROWS["accounts"] | None,
        Field(default=None, description="Its account; without it, the one that the store knows by `account_id`."),
    ),
    **{name: (_list_of(ROWS[name]), Field(default=[], description=TABLES[name].__doc__)) for name in EVENTS},
    "as_of": (
        Moment | None,
        Field(
            default=None,
            description="The moment: an instant, or a date for its 00:00 UTC; now by default. What happened at or "
            "after it is not looked at.",
        ),
    ),
}


class SentDeal(
    create_model("_SentParts", __base__=Sent, **_parts)  # type: ignore[misc]
):
    """A deal with its history, to be scored; nothing of it is stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


AsOf = Annotated[
    Moment | None,
    Field(
        default=None,
        description="The moment: an instant in ISO 8601 (without an offset it is UTC), or a date for its 00:00 UTC. By "
                    "default the first 00:00 UTC after the store's newest event. Not after now.",
    ),
]


class OneDealQuery(BaseModel):
    """Parameters of one deal."""

    model_config = ConfigDict(extra="forbid")

    as_of: AsOf = None


class DealsQuery(OneDealQuery):
    """Parameters of the list of open deals."""

    limit: int = Field(default=50, ge=1, le=500, description="Most deals on a page.")
    offset: int = Field(default=0, ge=0, le=100_000_000, description="Deals to leave out before the page.")
    band: Band | None = Field(default=None, description="Only deals in this band.")
    owner_id: str | None = Field(default=None, description="Only deals of this owner.")
    stage: str | None = Field(default=None, description="Only deals in this stage.")
    sort: Literal["-win_probability", "win_probability"] = Field(
        default="-win_probability", description="Most likely first (`-`), or least likely first."
    )
