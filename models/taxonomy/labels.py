"""Labels of one's own, from a file: texts and the reasons that people gave them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from crm.errors import InputError, Problem
from crm.reading.files import Source
from crm.rules import Format
from models.taxonomy.reasons import usable_id

COLUMNS = ("text", "reason")
SEPARATOR = "|"
SHOWN = 20
_MAPPING_ADVICE = re.compile(r", or in UTF-16: then set .*|; set encoding under .*", re.DOTALL)


@dataclass(frozen=True)
class Labels:
    """Labelled texts, in the order of their file.

    Attributes:
        texts: As written, shape (n_labels,).
        reasons: Ids of each text's reasons, the primary one first, shape (n_labels,).
        rows: Row of each as a spreadsheet shows it (header 1), shape (n_labels,).
        unlabelled: Rows left out because nobody gave them a reason.
        file: What errors call the file.
    """

    texts: tuple[str, ...]
    reasons: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]
    unlabelled: int = 0
    file: str = "labels"

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many texts have each reason, primary or further: the most frequent first, then by id."""
        found = Counter(id for given in self.reasons for id in given)
        return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))

    def first_row(self, id: str) -> int | None:
        """Row in which a reason first stands, None if nowhere."""
        return next((row for row, given in zip(self.rows, self.reasons, strict=True) if id in given), None)


def read_labels(path: Path) -> Labels:
    """Labels from CSV (also .csv.gz) or Parquet with the columns `text` and `reason`; others are not read.

    Several reasons of a text are separated by `|`, the primary one first. A row without a reason is not a label: it is
    left out and counted.

    Raises:
        InputError: The file cannot be read, a column is missing, or a value cannot be used; names file, row, column
            and value.
    """
    texts: list[str] = []
    reasons: list[tuple[str, ...]] = []
    rows: list[int] = []
    problems: list[Problem] = []
    n_problems = unlabelled = 0
    try:
        source = Source.open(path, Format())
        place = _places(source)
        for chunk in source.chunks(place.values()):
            for row, text, cell in zip(
                chunk.rows.tolist(), chunk.columns[place["text"]], chunk.columns[place["reason"]], strict=True
            ):
                if not cell.strip():
                    unlabelled += 1
                    continue
                problem = _problem(source.name, row, text, cell)
                if problem is not None:
                    n_problems += 1
                    problems += [problem] if len(problems) < SHOWN else []
                    continue
                texts.append(text)
                reasons.append(tuple(dict.fromkeys(part.strip() for part in cell.split(SEPARATOR))))
                rows.append(row)
    except InputError as error:
        # The reader of exports advises to declare the encoding in a mapping, and labels have none.
        told = [Problem(p.file, p.row, p.column, p.value, _MAPPING_ADVICE.sub("; save it as UTF-8", p.reason))
                for p in error.problems]  # fmt: skip
        raise InputError(told, error.total) from error
    if problems:
        raise InputError(problems, n_problems)
    if not texts:
        raise InputError([Problem(source.name, None, "reason", None, "there is no labelled text in it")])
    return Labels(tuple(texts), tuple(reasons), tuple(rows), unlabelled, source.name)


def _places(source: Source) -> dict[str, int]:
    """Position of each needed column in the header."""
    header = [name.lower() for name in source.header]
    for column in COLUMNS:
        if header.count(column) != 1:
            told = "is missing" if column not in header else "is there more than once"
            reason = f"this column {told}; labels have the columns {' and '.join(COLUMNS)}"
            raise InputError([Problem(source.name, 1, column, ", ".join(source.header), reason)])
    return {column: header.index(column) for column in COLUMNS}


def _problem(file: str, row: int, text: str, cell: str) -> Problem | None:
    if not text.strip():
        told = f"is empty, but has the reason {cell!r}; give the text or remove the row"
        return Problem(file, row, "text", text, told)
    for part in cell.split(SEPARATOR):
        if not part.strip():
            return Problem(file, row, "reason", cell, f"has nothing on one side of a {SEPARATOR!r}")
        if not usable_id(part.strip()):
            return Problem(file, row, "reason", cell, "a reason is short printable text in one line")
    return None
