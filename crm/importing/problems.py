"""Collecting what is wrong with an export: the first problems in full, the others counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from crm.errors import InputError, Problem
from crm.tables import IntArray

SHOWN = 20


class Problems:
    """The problems of one import, in order of file and row.

    Attributes:
        total: How many there are.
        broken: Whether a whole file could not be read, so that checks across files would mislead.
    """

    def __init__(self) -> None:
        self.total = 0
        self.broken = False
        self._first: list[tuple[int, int, int, Problem]] = []

    def add(self, file_number: int, problem: Problem) -> None:
        """One problem."""
        self.total += 1
        self._keep(file_number, problem)

    def add_file(self, file_number: int, error: InputError) -> None:
        """The problems of a file that cannot be read as a whole."""
        self.broken = True
        self.total += error.total
        for problem in error.problems:
            self._keep(file_number, problem)

    def add_cells(
        self,
        file_number: int,
        name: str,
        header: str | None,
        rows: IntArray,
        bad: NDArray[np.bool_],
        cells: Sequence[str] | NDArray[np.object_] | None,
        reason: str | Callable[[str], str],
    ) -> None:
        """The bad cells of one column."""
        indices = np.flatnonzero(bad)
        self.total += len(indices)
        for index in indices[:SHOWN]:
            value = None if cells is None else str(cells[index])
            text = reason if isinstance(reason, str) else reason(value or "")
            self._keep(file_number, Problem(name, int(rows[index]), header, value, text))

    def raise_if_any(self) -> None:
        """Raise InputError if there is a problem."""
        if self.total:
            raise InputError([problem for *_, problem in self._first], self.total)

    def _keep(self, file_number: int, problem: Problem) -> None:
        self._first.append((file_number, problem.row or 0, len(self._first), problem))
        self._first.sort(key=lambda entry: entry[:3])
        del self._first[SHOWN:]
