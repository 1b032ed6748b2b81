"""Chunks of text cells into typed rows of one table, with all that is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any

import numpy as np

from crm.errors import Problem
from crm.importing.binding import Binding
from crm.importing.problems import Problems
from crm.reading.cells import PLAIN, Mask, Parsed, Text, cleaned, parsed
from crm.reading.files import Chunk
from crm.rules import Mapping, folded
from crm.schema import TABLES, Kind
from crm.tables import IntArray


@dataclass
class Rows:
    """Typed rows of one table from one chunk.

    Attributes:
        numbers: Row numbers in the file, shape (n_rows,).
        columns: Typed values by column of the schema.
        custom: Typed values by own column.
        texts: Cells as they were written, by column.
    """

    numbers: IntArray
    columns: dict[str, Parsed] = field(default_factory=dict)
    custom: dict[str, Parsed] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, keep: Mask) -> Rows:
        """The chosen rows."""
        if keep.all():
            return self
        return Rows(
            self.numbers[keep],
            {name: _take(column, keep) for name, column in self.columns.items()},
            {name: _take(column, keep) for name, column in self.custom.items()},
            {name: cells[keep] for name, cells in self.texts.items()},
        )


def _take(column: Parsed, keep: Mask) -> Parsed:
    masks = {name: None if mask is None else mask[keep] for name, mask in
             (("offset", column.offset), ("bare", column.bare), ("day", column.day))}  # fmt: skip
    return Parsed(column.values[keep], column.bad[keep], column.reason, **masks)


class RowReader:
    """Reads one table's rows out of one file.

    Attributes:
        binding: Which header feeds which column.
        rows: Rows given on so far.
        left_out: Rows left out by the mapping's `where`.
        slashed: A date written as 3/31/2024, if there is one, or None.
        odd: Values that were taken as something else, by column and value, with their counts.
        told: What the columns that tell the outcome said, as it was written, with counts; one value per column.
    """

    def __init__(self, binding: Binding, mapping: Mapping, file_number: int, problems: Problems) -> None:
        self.binding = binding
        self.mapping = mapping
        self.rows = 0
        self.left_out = 0
        self.odd: Counter[tuple[str, str]] = Counter()
        self.told: Counter[tuple[str, ...]] = Counter()
        self.slashed: str | None = None
        self._file_number = file_number
        self._problems = problems
        self._generated = 0
        self._kinds = {name: column.kind for name, column in TABLES[binding.table].columns().items()}
        self._where = [
            (index, re.compile("|".join(translate(pattern) for pattern in patterns)))
            for index, patterns in binding.where
        ]
        self._values = {
            column: {folded(key): value for key, value in table.items()}
            for column, table in binding.rule.values.items()
        }
        self._clocks: dict[str, tuple[bool, bool]] = {}

    def read(self, chunk: Chunk, first_number: int) -> Rows:
        """Typed rows of a chunk; bad cells are noted as problems and become missing.

        Args:
            chunk: Cells of the columns in use.
            first_number: Running number of the chunk's first row among all files of the table, for generated ids.
        """
        binding, form = self.binding, self.mapping.format
        rows = Rows(chunk.rows)
        cells = {
            index: cleaned(values, PLAIN if index in chunk.plain else form) for index, values in chunk.columns.items()
        }
        for name, index in binding.columns.items():
            rows.texts[name] = self._translated(name, cells[index])
            rows.columns[name] = parsed(self._kinds[name], rows.texts[name], PLAIN if index in chunk.plain else form)
        for name, index in binding.custom.items():
            rows.texts[name] = self._translated(name, cells[index])
            kind = binding.rule.custom[name].kind
            rows.custom[name] = parsed(kind, rows.texts[name], PLAIN if index in chunk.plain else form)
        for flag, index in binding.flags.items():
            rows.texts[f"{flag}_flag"] = cells[index]
            rows.columns[f"{flag}_flag"] = parsed(Kind.BOOLEAN, cells[index], form)
        for name, value in binding.constants.items():
            constant = np.full(len(chunk.rows), value, dtype=object)
            rows.columns[name] = Parsed(constant, np.zeros(len(constant), dtype=bool))
        if binding.generated:
            ids = np.array([f"{first_number + n:07d}" for n in range(len(chunk.rows))], dtype=object)
            rows.columns[binding.generated] = Parsed(ids, np.zeros(len(ids), dtype=bool))
        for index, pattern in self._where:
            fits = {value: bool(pattern.fullmatch(value.casefold())) for value in set(cells[index])}
            # Only rows that an earlier pattern kept are left to be judged.
            kept = np.array([fits[value] for value in cells[index]], dtype=bool)[np.isin(chunk.rows, rows.numbers)]
            self.left_out += int((~kept).sum())
            rows = rows.take(kept)
        self._check(rows)
        self.rows += len(rows)
        return rows

    def problem(self, rows: Rows, column: str, bad: Mask, reason: Any, *, show: bool = True) -> None:
        """Note the bad rows of a column."""
        if bad.any():
            name, header = self.binding.source.name, self.binding.header(column)
            cells = rows.texts.get(column) if show else None
            self._problems.add_cells(self._file_number, name, header, rows.numbers, bad, cells, reason)

    def _translated(self, name: str, cells: Text) -> Text:
        table = self._values.get(name)
        if not table:
            return cells
        known = {value: table.get(folded(value), value) for value in set(cells)}
        return np.array([known[value] for value in cells], dtype=object)

    def _check(self, rows: Rows) -> None:
        for name, column in (*rows.columns.items(), *rows.custom.items()):
            self.problem(rows, name, column.bad, column.reason)
            if column.offset is not None:
                self._check_clock(rows, name, column)
                self.slashed = self.slashed or next((str(cell) for cell in rows.texts[name] if "/" in cell), None)
        for name, schema in TABLES[self.binding.table].columns().items():
            needed = schema.required or (name == "sequence" and self.mapping.process.time_basis == "sequence"
                                         and self.binding.table == "opportunities")  # fmt: skip
            if needed and name in rows.columns:
                empty = ~rows.columns[name].present & ~rows.columns[name].bad
                self.problem(rows, name, empty, "empty, but every row needs one", show=False)

    def _check_clock(self, rows: Rows, name: str, column: Parsed) -> None:
        """A column must not mix times with and without an offset: the ones without would be read by guess."""
        assert column.offset is not None
        assert column.bare is not None
        had_offset, had_bare = self._clocks.get(name, (False, False))
        has_offset, has_bare = had_offset or bool(column.offset.any()), had_bare or bool(column.bare.any())
        self._clocks[name] = (has_offset, has_bare)
        if has_offset and has_bare and not (had_offset and had_bare):
            # The first row that differs from the rows before it.
            first_offset = -1 if had_offset else int(np.argmax(column.offset))
            first_bare = -1 if had_bare else int(np.argmax(column.bare))
            index = max(first_offset, first_bare)
            without = "without" if first_bare > first_offset else "with"
            other = "with" if without == "without" else "without"
            reason = (
                f"a time {without} an offset from UTC in a column that has times {other} one; "
                "write all of them in one way (those without are read in the timezone under [format])"
            )
            source = self.binding.source
            problem = Problem(
                source.name, int(rows.numbers[index]), self.binding.header(name), str(rows.texts[name][index]), reason
            )
            self._problems.add(self._file_number, problem)
