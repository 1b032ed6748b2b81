"""Which file feeds which table, and which header which column."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from crm.errors import InputError, Problem
from crm.reading.files import ENDINGS, Source, stem
from crm.rules import ColumnRule, Mapping, TableRule, folded
from crm.schema import TABLES


def export_files(paths: Sequence[Path], ignore: Sequence[str] = ()) -> list[Path]:
    """The files of an export, those of a folder in order of name; files of other kinds in a folder are passed over.

    Args:
        paths: Files and folders.
        ignore: Patterns of names of files to leave out, as a mapping has them.

    Raises:
        InputError: A path does not exist, is of an unknown kind, or a folder holds no file of a known kind.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(f for f in path.iterdir() if f.is_file() and f.name.lower().endswith(ENDINGS))
            found = [file for file in found if not file.name.startswith(".")]
            if not found:
                raise InputError([Problem(str(path), None, None, None, f"no {', '.join(ENDINGS)} file in this folder")])
            files += found
        elif not path.exists():
            raise InputError([Problem(str(path), None, None, None, "there is no such file or folder")])
        elif not path.name.lower().endswith(ENDINGS):
            raise InputError([Problem(str(path), None, None, None, f"not a {', '.join(ENDINGS)} file")])
        else:
            files.append(path)
    return [file for file in dict.fromkeys(files) if not any(_fits(file, pattern) for pattern in ignore)]


@dataclass
class Binding:
    """One file feeding one table.

    Attributes:
        source: The file.
        table: The table.
        rule: The mapping's rule of the table.
        columns: Position in the header by column of the schema.
        custom: Position by own column.
        constants: Value of all rows by column that the file has no header for.
        generated: Column whose values are row numbers, or None.
        flags: Positions of the flags (closed, won, lost) that tell the outcome; at least two, or none.
        where: Position and patterns of the cells that a row must have to be read.
        absent: Mapped columns that the file has no header for, with the headers looked for.
        used: Positions in use.
    """

    source: Source
    table: str
    rule: TableRule
    columns: dict[str, int] = field(default_factory=dict)
    custom: dict[str, int] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    generated: str | None = None
    flags: dict[str, int] = field(default_factory=dict)
    where: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    absent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    time_basis: str = "dates"

    @property
    def used(self) -> set[int]:
        """Positions of the headers in use."""
        flags = self.flags.values()
        return {*self.columns.values(), *self.custom.values(), *flags, *(index for index, _ in self.where)}

    def header(self, column: str) -> str:
        """The header of a column as the file has it; of the outcome, the header that tells it."""
        if column in self.columns or column in self.custom:
            return self.source.header[self.columns[column] if column in self.columns else self.custom[column]]
        if column == "outcome":
            return self.source.header[next(iter(self.flags.values()))] if self.flags else self.header("stage")
        if column.removesuffix("_flag") in self.flags:
            return self.source.header[self.flags[column.removesuffix("_flag")]]
        if column == "expected_close_at" and "closed_at" in self.columns:
            return self.header("closed_at")
        return column

    def has(self, column: str) -> bool:
        """Whether the rows get a value of the column."""
        return column in self.columns or column in self.constants or column == self.generated

    def missing_required(self) -> dict[str, tuple[str, ...]]:
        """Columns that no import can do without and the file does not have, with the headers looked for."""
        needed = [name for name, column in TABLES[self.table].columns().items() if column.required]
        if self.table == "opportunities":
            needed += {"dates": ["created_at", "closed_at"], "sequence": ["sequence"]}.get(self.time_basis, [])
        missing = {name: self.absent.get(name, (name,)) for name in needed if not self.has(name)}
        if self.table == "opportunities" and not (self.has("stage") or self.has("outcome") or self.flags):
            missing["stage"] = (*self.absent.get("outcome", ()), *self.absent.get("stage", ()))
        return missing

    def problems(self, mapping: Mapping) -> list[Problem]:
        """The headers that the file ought to have and has not, and those that it has twice."""
        missing = self.missing_required() if mapping.optional else {**self.absent, **self.missing_required()}
        found = []
        for column, headers in missing.items():
            looked = " or ".join(repr(header) for header in headers)
            near = nearest(headers, self.source.header)
            reason = f"no header {looked} (for {self.table}.{column}); nearest present: {near}"
            found.append(Problem(self.source.name, 1, None, None, reason))
        for index in sorted(self.used):
            if self.source.header.count(self.source.header[index]) > 1:
                reason = "this header occurs more than once, so it cannot be told which column is meant"
                found.append(Problem(self.source.name, 1, self.source.header[index], None, reason))
        return found


def nearest(wanted: Sequence[str], present: Sequence[str], n: int = 3) -> str:
    """The headers present that look most like the wanted ones, as text."""
    by_folded = {folded(header): header for header in present}
    found: dict[str, None] = {}
    for header in wanted:
        found.update(dict.fromkeys(difflib.get_close_matches(folded(header), list(by_folded), n=n, cutoff=0.5)))
    names = [by_folded[key] for key in found][:n] or list(present)[:8]
    return ", ".join(repr(name) for name in names) or "none"


def bind(source: Source, table: str, mapping: Mapping) -> Binding:
    """Find the headers of one table's columns in one file."""
    rule = mapping.tables[table]
    positions: dict[str, int] = {}
    for index, header in enumerate(source.header):
        positions.setdefault(folded(header), index)
    binding = Binding(source, table, rule, time_basis=mapping.process.time_basis)

    def position(headers: Sequence[str]) -> int | None:
        return next((positions[folded(header)] for header in headers if folded(header) in positions), None)

    for name, column in rule.columns.items():
        _bind_column(binding, name, column, position(column.sources))
        flags = {flag: position(headers) for flag, headers in column.flags.items()}
        present = {flag: index for flag, index in flags.items() if index is not None}
        if len(present) > 1:
            binding.flags = present
            binding.absent.pop(name, None)
    for name, custom in rule.custom.items():
        found = position(custom.sources)
        if found is None:
            binding.absent[name] = custom.sources
        else:
            binding.custom[name] = found
    for header, patterns in rule.where.items():
        found = position([header])
        if found is not None:
            binding.where.append((found, tuple(pattern.casefold() for pattern in patterns)))
    return binding


def _bind_column(binding: Binding, name: str, rule: ColumnRule, index: int | None) -> None:
    if index is not None:
        binding.columns[name] = index
        return
    if rule.generate:
        binding.generated = name
        return
    for pattern, value in rule.by_file.items():
        if _fits(binding.source.path, pattern):
            binding.constants[name] = value
            return
    binding.absent[name] = rule.sources or tuple(header for headers in rule.flags.values() for header in headers)


def assign(sources: Sequence[Source], mapping: Mapping) -> tuple[list[Binding], list[Source]]:
    """Which file feeds which table, and the files that feed none.

    File names decide. Where no file is named like the opportunities, one that has all the headers which these cannot do
    without is taken for them: exports are often called report123.csv.
    """
    bindings = [
        bind(source, table, mapping)
        for source in sources
        for table, rule in mapping.tables.items()
        if any(_fits(source.path, pattern) for pattern in rule.files or (table,))
    ]
    taken = {binding.source.path for binding in bindings}
    rest = [source for source in sources if source.path not in taken]
    if "opportunities" in mapping.tables and not any(binding.table == "opportunities" for binding in bindings):
        for source in rest:
            binding = bind(source, "opportunities", mapping)
            if not binding.missing_required() and not (binding.absent and not mapping.optional):
                bindings.append(binding)
                taken.add(source.path)
    return bindings, [source for source in rest if source.path not in taken]


def _fits(path: Path, pattern: str) -> bool:
    pattern = pattern.casefold()
    return fnmatchcase(path.name.casefold(), pattern) or fnmatchcase(stem(path).casefold(), pattern)
