"""What an import did, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileReport:
    """One file of the export.

    Attributes:
        name: File name.
        sha256: Digest of its bytes.
        rows: Records read, blank ones not counted.
        tables: Tables that it fed.
        left_out: Headers that the mapping does not declare, so they were left out.
        ignored: Headers that the mapping leaves out knowingly.
    """

    name: str
    sha256: str
    rows: int
    tables: tuple[str, ...]
    left_out: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class TableReport:
    """One table of the CRM.

    Attributes:
        table: Its name.
        rows: Rows that the export holds for it.
        new: Rows that the store did not have.
        changed: Rows that the store had with another content.
        unchanged: Rows that the store had as they are.
        left_out: Rows that the mapping leaves out (its `where`, or deals unknown).
    """

    table: str
    rows: int
    new: int
    changed: int
    unchanged: int
    left_out: int = 0


@dataclass(frozen=True)
class ColumnReport:
    """One column used.

    Attributes:
        table: Table that it belongs to.
        name: Its name here.
        source: Its header in the export.
        kind: What it holds.
        known: When it is known.
        custom: Whether it is the company's own.
    """

    table: str
    name: str
    source: str
    kind: str
    known: str
    custom: bool


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        import_id: Number of the import in the store; of the previous one where nothing changed.
        imported_at: Microseconds since 1970, UTC.
        mapping: Name of the mapping.
        unchanged: Whether this very export was imported before, so that the store was left as it was.
        files: One entry per file read.
        files_left_out: Files that no table of the mapping takes.
        tables: One entry per table.
        columns: Every column used, and when it is known.
        warnings: What the user should know; whole sentences.
        open: Open deals in the export.
        won: Won deals in the export.
        lost: Lost deals in the export.
        without_created_at: Open deals without a creation date, which are kept but not scored.
        first: Earliest event of the export in microseconds since 1970, UTC; None where nothing is dated.
        last: Latest event of the export that is not after the import.
    """

    import_id: int
    imported_at: int
    mapping: str
    unchanged: bool
    files: tuple[FileReport, ...]
    files_left_out: tuple[str, ...]
    tables: tuple[TableReport, ...]
    columns: tuple[ColumnReport, ...]
    warnings: tuple[str, ...]
    open: int
    won: int
    lost: int
    without_created_at: int
    first: int | None
    last: int | None

    @property
    def new(self) -> int:
        """New rows in all tables."""
        return sum(table.new for table in self.tables)

    @property
    def changed(self) -> int:
        """Changed rows in all tables."""
        return sum(table.changed for table in self.tables)
