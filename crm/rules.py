"""What a mapping file may say, as models that check themselves: which header feeds which column, and how it reads."""

from __future__ import annotations

import codecs
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from crm.schema import TABLES, Kind, Known
from crm.tables import Process, TimeBasis


def folded(text: str) -> str:
    """A header or value as it is compared: without case, white space and underscores."""
    return re.sub(r"[\s_]+", "", text).casefold()


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""One string or a list of them."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Format(_Strict):
    """How the files are written.

    Attributes:
        encoding: Text encoding of CSV files; a byte order mark is tolerated.
        delimiter: Between cells; None: found from the header line among comma, semicolon, tab and bar.
        dates: `ISO` (ISO 8601) or strptime formats, tried in order.
        timezone: IANA name, of times written without an offset; a date without a time means its 00:00 there.
        decimal: Decimal mark of amounts and numbers.
        thousands: Separator of thousands, where amounts have one; None: they may not.
        currency_signs: Whether amounts may carry a currency sign or code.
        missing: Cells that mean "no value"; empty and white space always do.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    dates: Strings = ("ISO",)
    timezone: str = "UTC"
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    currency_signs: bool = False
    missing: Strings = ("",)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known; usual ones: utf-8, cp1252, utf-16") from None
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"timezone {self.timezone!r} is not an IANA name such as Europe/Berlin") from None
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError("delimiter must be one character")
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands cannot both be {self.decimal!r}")
        if any(p.startswith("%m/%d") for p in self.dates) and any(p.startswith("%d/%m") for p in self.dates):
            raise ValueError("dates: with both %m/%d and %d/%m, 07/02 could be either; keep the one that is meant")
        for pattern in self.dates:
            if pattern != "ISO" and not _is_date_format(pattern):
                raise ValueError(f"dates: {pattern!r} is neither ISO nor a format such as %m/%d/%Y")
        return self


def _is_date_format(pattern: str) -> bool:
    try:
        year = datetime.strptime(datetime(2024, 2, 29, 13, 5).strftime(pattern), pattern).year
    except ValueError:
        return False
    return year == 2024


class ProcessRule(_Strict):
    """How the sales process is read; see `crm.tables.Process`.

    Attributes:
        time_basis: `dates`, `sequence` or `none`.
        stages: Open stages in their order.
        won: Values of the outcome column, or of the stage where there is none, that mean won; a `*` in them stands for
            any text.
        lost: The same for lost.
        open: Values of the outcome column that mean open; an empty cell always does.
        snapshots: `weekly` or `entry`.
        simulated: Whether the data are simulated.
        exported_at: When the export was taken, if long before its import: what is planned for later has not happened.
    """

    time_basis: TimeBasis = "dates"
    stages: Strings = ()
    won: Strings = ()
    lost: Strings = ()
    open: Strings = ()
    snapshots: Literal["weekly", "entry"] = "weekly"
    simulated: bool = False
    exported_at: datetime | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        both = {folded(value) for value in self.won} & {folded(value) for value in self.lost}
        if both:
            raise ValueError(f"won and lost share {sorted(both)}")
        return self

    def meaning(self, value: str) -> Literal["won", "lost", "open"] | None:
        """What a value of the outcome column, or of the stage, means; None where nothing is said of it.

        An empty one means open. A value that is written out counts before one with a `*`.
        """
        text = folded(value)
        said: tuple[tuple[Literal["won", "lost", "open"], Strings], ...] = (
            ("won", self.won), ("lost", self.lost), ("open", (*self.open, "")),
        )  # fmt: skip
        exact = (meaning for meaning, listed in said if text in map(folded, listed))
        wild = (meaning for meaning, listed in said if any(_fits_wildcard(text, folded(one)) for one in listed))
        return next(exact, None) or next(wild, None)

    def process(self) -> Process:
        """As the store keeps it, with the stages that the mapping itself names."""
        return Process(
            time_basis=self.time_basis, stages=self.stages, snapshots=self.snapshots, simulated=self.simulated
        )


def _fits_wildcard(text: str, pattern: str) -> bool:
    return "*" in pattern and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


class ColumnRule(_Strict):
    """Where one column comes from.

    Attributes:
        sources: Headers that it may have, the first one present counts (`from` in the file).
        known: When it is known; None: what the schema says, or `history` where there are changes.
        generate: `row`: number the rows, for exports without an id.
        by_file: Value for all rows of files whose name fits a pattern, where the file has no such header.
        won: Only for `outcome`: header of a true/false column that says whether the deal is won.
        lost: Only for `outcome`: header of a true/false column that says whether the deal is lost.
        closed: Only for `outcome`: header of a true/false column that says whether the deal is closed. Any two of won,
            lost and closed tell the outcome.
    """

    sources: Strings = Field(default=(), alias="from")
    known: Known | None = None
    generate: Literal["row"] | None = None
    by_file: dict[str, str] = {}
    won: Strings = ()
    lost: Strings = ()
    closed: Strings = ()

    @property
    def flags(self) -> dict[str, Strings]:
        """Headers of the true/false columns that tell the outcome, by what they say."""
        said = {"closed": self.closed, "won": self.won, "lost": self.lost}
        return {flag: headers for flag, headers in said.items() if headers}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not (self.sources or self.generate or self.by_file or self.flags):
            raise ValueError("says nowhere to take it from: give a header")
        if self.known is Known.EVENT:
            raise ValueError("known must be created, history or closed")
        return self


class CustomRule(ColumnRule):
    """Where one of a company's own columns comes from, and what it holds.

    Attributes:
        kind: What it holds.
    """

    kind: Kind = Kind.CATEGORY


class TableRule(_Strict):
    """Where one table comes from.

    Attributes:
        files: Patterns of file names, with or without ending, case-insensitive.
        ignore: Headers left out knowingly.
        columns: Rule by column of the schema.
        custom: Rule by own column.
        values: Translation of cells by column: value in the export to value here, case-insensitive.
        where: Patterns that a cell must fit, by header, for the row to be read; applied where the header is present.
        unknown_deals: What to do with rows of a deal that neither the export nor the store holds.
        repeats: Only for stage changes. `leave_out`: each row says the stage at that time, and one that says the same
            as the row before it is no change; the stage left is that of the row before.
    """

    files: Strings = ()
    ignore: Strings = ()
    columns: dict[str, ColumnRule] = {}
    custom: dict[str, CustomRule] = {}
    values: dict[str, dict[str, str]] = {}
    where: dict[str, Strings] = {}
    unknown_deals: Literal["error", "leave_out"] = "error"
    repeats: Literal["keep", "leave_out"] = "keep"


class Mapping(_Strict):
    """A whole mapping: how one kind of export becomes the tables of `crm.schema`.

    Attributes:
        name: Short name.
        description: What it reads.
        ignore: Patterns of file names, with or without ending, case-insensitive: files left out knowingly.
        optional: Whether a header that is absent is reported rather than an error (presets).
        process: How the sales process is read.
        format: How the files are written.
        tables: Rule by table.
    """

    name: str = Field(min_length=1)
    description: str = ""
    ignore: Strings = ()
    optional: bool = False
    process: ProcessRule = ProcessRule()
    format: Format = Format()
    tables: dict[str, TableRule] = {}

    @model_validator(mode="after")
    def _fits_schema(self) -> Self:
        for table, rule in self.tables.items():
            if table not in TABLES:
                raise ValueError(f"tables.{table}: no such table; there are {', '.join(TABLES)}")
            _check_table(table, rule)
        deals = self.tables.get("opportunities")
        if deals is not None:
            self._check_deals(deals)
        return self

    def _check_deals(self, deals: TableRule) -> None:
        basis = self.process.time_basis
        needed = {"dates": ("created_at", "closed_at"), "sequence": ("sequence",), "none": ()}[basis]
        for column in ("opportunity_id", *needed):
            if column not in deals.columns:
                raise ValueError(f"tables.opportunities.columns.{column}: needed with time_basis = {basis!r}")
        if not {"stage", "outcome"} & set(deals.columns):
            raise ValueError("tables.opportunities.columns: stage or outcome is needed, to tell won from lost")
        flags = bool(deals.columns["outcome"].flags) if "outcome" in deals.columns else False
        if not flags and not (self.process.won and self.process.lost):
            raise ValueError("process: won and lost must list the values that mean won and lost")


def _check_table(table: str, rule: TableRule) -> None:
    schema = TABLES[table]
    where = f"tables.{table}"
    for column, source in rule.columns.items():
        if column not in schema.columns():
            raise ValueError(f"{where}.columns.{column}: no such column; there are {', '.join(schema.columns())}")
        if source.flags and column != "outcome":
            raise ValueError(f"{where}.columns.{column}: won, lost and closed belong to outcome only")
        if len(source.flags) == 1:
            raise ValueError(f"{where}.columns.{column}: one flag cannot tell: give two of won, lost and closed")
        if source.generate and column != schema.key:
            raise ValueError(f"{where}.columns.{column}: only an id can be generated")
    if rule.repeats == "leave_out" and table != "stage_changes":
        raise ValueError(f"{where}.repeats: only stage_changes can leave out repeats")
    if rule.custom and not schema.custom:
        raise ValueError(f"{where}.custom: own columns are possible in opportunities and accounts only")
    for name in rule.custom:
        if name in schema.columns():
            raise ValueError(f"{where}.custom.{name}: this is a standard column, write it under columns")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ValueError(f"{where}.custom.{name}: a name has letters, digits and underscores only")
    for column in rule.values:
        if column not in rule.columns and column not in rule.custom:
            raise ValueError(f"{where}.values.{column}: this column is not mapped")
