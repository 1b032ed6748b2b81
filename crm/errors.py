"""Every error this room raises, as one tree.

CrmError
├── MappingError         a mapping file is wrong, or does not fit the export
├── InputError           one or more values of an export cannot be read: names file, row, column and value
├── AnswerError          an answer to a note lacks what it needs
├── MarkError            a mark on a lost deal lacks what it needs
├── StoreError           the store cannot be opened or used
└── NothingImportedError the store holds no opportunities yet
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CrmError(Exception):
    """Any error about a CRM's data; its text is fit to be shown to the user as it stands."""


class MappingError(CrmError):
    """A mapping is malformed, or names something that the export does not hold."""


class AnswerError(CrmError):
    """A person's answer to a note lacks what it needs; nothing was stored."""


class MarkError(CrmError):
    """A mark on a lost deal lacks what it needs, or names a deal that is not there; nothing was stored."""


class StoreError(CrmError):
    """The store cannot be opened, migrated or read."""


class NothingImportedError(StoreError):
    """The store holds no opportunities yet."""


@dataclass(frozen=True)
class Problem:
    """One bad value of an export.

    Attributes:
        file: Name of the file as the user knows it.
        row: Line of the record as a spreadsheet shows it: the header is row 1, the first record row 2. None where
            the whole file is meant.
        column: Header of the column in the file, or None.
        value: The value as written, or None.
        reason: What is wrong, and what would be right.
    """

    file: str
    row: int | None
    column: str | None
    value: str | None
    reason: str

    def __str__(self) -> str:
        where = self.file
        if self.row is not None:
            where += f", row {self.row}"
        if self.column is not None:
            where += f", column {self.column!r}"
        if self.value is not None:
            shown = self.value if len(self.value) <= 80 else self.value[:77] + "..."
            where += f", value {shown!r}"
        return f"{where}: {self.reason}"


class InputError(CrmError):
    """An export holds values that cannot be used; nothing of it was imported.

    Attributes:
        problems: The first problems found, at most `shown`, in order of file and row.
        total: How many problems there are in all.
    """

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        more = self.total - len(self.problems)
        lines = [str(problem) for problem in self.problems]
        if more > 0:
            lines.append(f"... and {more} more of this import")
        super().__init__("\n".join(lines))
