"""One import from files to store, in one transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm.errors import InputError, MappingError, Problem
from crm.importing import deals, events
from crm.importing.binding import Binding, assign, bind, export_files, nearest
from crm.importing.known import record_attributes, record_process
from crm.importing.problems import Problems
from crm.importing.report import ColumnReport, FileReport, ImportReport, TableReport
from crm.importing.rows import RowReader
from crm.importing.staging import Staging
from crm.importing.warnings import no_outcomes, nothing_known_before_the_close
from crm.mapping import mapping_sha256
from crm.reading.files import Source
from crm.records import RECORDS, attributes, imports, process
from crm.rules import Mapping, folded
from crm.schema import TABLES
from crm.store import Store, lock_imports, read_attributes
from crm.tables import micros


def import_export(
    paths: Sequence[Path], mapping: Mapping, store: Store, *, imported_at: datetime | None = None
) -> ImportReport:
    """Take an export into the store: all of it, or nothing if anything in it is wrong.

    The same export twice changes nothing; a later export of the same CRM updates what has changed and adds what is new.

    Args:
        paths: Files or folders (CSV, CSV.gz, Parquet).
        mapping: What the files mean.
        store: Where to keep it.
        imported_at: When the export was taken, with a time zone or in UTC; where not given, what the mapping says, else
            now. Nothing but planned activities may lie after it.

    Raises:
        InputError: Values, files or headers that cannot be used; up to 20 are named and all are counted.
        MappingError: No file of the export fits the mapping.
        StoreError: The store refuses.
    """
    now = micros(datetime.now(UTC))
    taken = imported_at or mapping.process.exported_at
    at = min(micros(taken), now) if taken else now
    run = _Run(mapping, at)
    run.open(paths)
    with store.transaction() as connection:
        lock_imports(connection)
        # A statement that writes comes first: it takes SQLite's lock before anything is read that could change.
        following = sa.select(sa.func.coalesce(sa.func.max(imports.c.id), 0) + 1).scalar_subquery()
        import_id = connection.execute(imports.insert().values(id=following).returning(imports.c.id), {
            "imported_at": at, "mapping": mapping.name, "mapping_sha256": mapping_sha256(mapping),
            "files": "[]", "report": "{}",
        }).scalar_one()  # fmt: skip
        run.first_import = connection.scalar(sa.select(RECORDS["opportunities"].c.opportunity_id).limit(1)) is None
        if run.first_import and not any(binding.table == "opportunities" for binding in run.bindings):
            raise MappingError(run.nothing_fits())
        run.stage(connection)
        run.check()
        report = run.put(connection, import_id)
    return report


@dataclass
class _Run:
    """The state of one import."""

    mapping: Mapping
    imported_at: int
    first_import: bool = True
    bindings: list[Binding] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    unassigned: list[Source] = field(default_factory=list)
    readers: list[tuple[int, RowReader]] = field(default_factory=list)
    staged: dict[str, Staging] = field(default_factory=dict)
    records: Counter[str] = field(default_factory=Counter)
    problems: Problems = field(default_factory=Problems)
    warnings: list[str] = field(default_factory=list)

    def open(self, paths: Sequence[Path]) -> None:
        """Read the headers, decide which file feeds what, and refuse files that lack what they need."""
        for number, path in enumerate(export_files(paths, self.mapping.ignore)):
            try:
                self.sources.append(Source.open(path, self.mapping.format))
            except InputError as error:
                self.problems.add_file(number, error)
        self.problems.raise_if_any()
        self.bindings, self.unassigned = assign(self.sources, self.mapping)
        if not self.bindings:
            raise MappingError(self.nothing_fits())
        for binding in self.bindings:
            for problem in binding.problems(self.mapping):
                self.problems.add(self.sources.index(binding.source), problem)
        self.problems.raise_if_any()

    def nothing_fits(self) -> str:
        """What to say where no file feeds the opportunities."""
        rule = self.mapping.tables.get("opportunities")
        if rule is None:
            return f"mapping {self.mapping.name!r} has no [tables.opportunities], which a new store needs"
        lines = [f"no file fits [tables.opportunities] of mapping {self.mapping.name!r} (files: {list(rule.files)}):"]
        for source in self.sources:
            missing = bind(source, "opportunities", self.mapping).missing_required()
            for column, headers in missing.items():
                looked = " or ".join(repr(header) for header in headers)
                near = nearest(headers, source.header)
                lines.append(f"{source.name}: no header {looked} (for {column}); nearest present: {near}")
        return "\n".join(lines)

    def mapped(self) -> dict[str, list[str]]:
        """Columns of the schema that the export gives, by table, in the order of the schema."""
        found: dict[str, list[str]] = {}
        for binding in self.bindings:
            names = {name for name in TABLES[binding.table].columns() if binding.has(name)}
            if binding.table == "opportunities":
                names.add("outcome")
                if "closed_at" in names:
                    names.add("expected_close_at")
            if binding.rule.repeats == "leave_out":
                names.add("from_stage")
            names |= set(found.get(binding.table, ()))
            found[binding.table] = [name for name in TABLES[binding.table].columns() if name in names]
        return found

    def stage(self, connection: sa.Connection) -> None:
        """Read all files, chunk by chunk, into the staging tables."""
        mapped = self.mapped()
        for table in TABLES:
            if table in mapped:
                custom = {
                    name: rule.kind
                    for name, rule in self.mapping.tables[table].custom.items()
                    if any(binding.table == table and name in binding.custom for binding in self.bindings)
                }
                self.staged[table] = Staging(connection, table, mapped[table], custom)
        fields = events.field_names(self.mapping)
        counted: Counter[str] = Counter()
        for number, source in enumerate(self.sources):
            mine = [
                RowReader(binding, self.mapping, number, self.problems)
                for binding in self.bindings
                if binding.source is source
            ]
            if not mine:
                continue
            self.readers += [(number, reader) for reader in mine]
            try:
                for chunk in source.chunks(set().union(*(reader.binding.used for reader in mine))):
                    self.records[source.name] += len(chunk.rows)
                    for reader in mine:
                        table = reader.binding.table
                        rows = reader.read(chunk, counted[table] + 1)
                        counted[table] += len(chunk.rows)
                        if table == "opportunities":
                            deals.settle(reader, rows, self.imported_at)
                        else:
                            events.settle(reader, rows, self.imported_at, fields)
                        self.staged[table].add(number, rows)
            except InputError as error:
                self.problems.add_file(number, error)
                continue
            if not self.records[source.name]:
                self._no_records(number, source, mine)

    def _no_records(self, number: int, source: Source, readers: list[RowReader]) -> None:
        if any(reader.binding.table == "opportunities" for reader in readers):
            problem = Problem(source.name, None, None, None, "the file has a header but no records")
            self.problems.add(number, problem)
        else:
            self.warnings.append(f"{source.name} has a header but no records.")

    def check(self) -> None:
        """The checks across rows and files; raises what all checks have found."""
        if not self.problems.broken:
            for table, staging in self.staged.items():
                bindings = [
                    (number, reader.binding) for number, reader in self.readers if reader.binding.table == table
                ]
                staging.index_key()
                if self.mapping.tables[table].repeats == "leave_out":
                    staging.leave_out_repeats()
                if TABLES[table].key is None:
                    staging.number_repeats()
                own = TABLES[table].key or next(iter(TABLES[table].columns()))
                staging.check_duplicates(self.problems, {n: (b.source.name, b.header(own)) for n, b in bindings})
                if table != "opportunities" and "opportunity_id" in TABLES[table].columns():
                    known = self.staged.get("opportunities")
                    headers = {n: (b.source.name, b.header("opportunity_id")) for n, b in bindings}
                    rule = self.mapping.tables[table]
                    staging.check_deals(self.problems, headers, known.table if known else None, rule)
        self.problems.raise_if_any()

    def put(self, connection: sa.Connection, import_id: int) -> ImportReport:
        """Bring the staged rows into the store and write the import down; the report comes back."""
        tables = []
        for name, staging in self.staged.items():
            new, changed = staging.put()
            left_out = staging.left_out + sum(r.left_out for _, r in self.readers if r.binding.table == name)
            tables.append(TableReport(name, staging.rows, new, changed, staging.rows - new - changed, left_out))
        before = _meta(connection)
        self.warnings += record_attributes(connection, self.bindings, self.mapped())
        deals_bound = [binding for binding in self.bindings if binding.table == "opportunities"]
        if deals_bound:
            from_stage = not any(binding.flags or binding.has("outcome") for binding in deals_bound)
            record_process(connection, self.mapping, outcome_from_stage=from_stage)
        files = tuple(self._file(source) for source in self.sources if source not in self.unassigned)
        same_content = not any(table.new or table.changed for table in tables) and _meta(connection) == before
        previous = _previous(connection, import_id)
        stored_files = [asdict(file) for file in files]
        unchanged = (
            same_content
            and previous is not None
            and previous.mapping_sha256 == mapping_sha256(self.mapping)
            and [file["sha256"] for file in json.loads(previous.files)] == [file.sha256 for file in files]
        )
        report = self._report(
            connection, previous.id if unchanged and previous else import_id, unchanged, files, tables
        )
        for staging in self.staged.values():
            staging.drop()
        if unchanged:
            # The very same export again: the store stays as it was, with the time of the first one.
            connection.execute(imports.delete().where(imports.c.id == import_id))
        else:
            written = {"files": json.dumps(stored_files), "report": json.dumps(asdict(report), ensure_ascii=False)}
            connection.execute(imports.update().where(imports.c.id == import_id).values(**written))
        return report

    def _file(self, source: Source) -> FileReport:
        bindings = [binding for binding in self.bindings if binding.source is source]
        used = set().union(*(binding.used for binding in bindings))
        ignored = {folded(header) for binding in bindings for header in binding.rule.ignore}
        rest = [header for index, header in enumerate(source.header) if index not in used]
        return FileReport(
            name=source.name,
            sha256=source.sha256(),
            rows=self.records[source.name],
            tables=tuple(binding.table for binding in bindings),
            left_out=tuple(header for header in rest if folded(header) not in ignored),
            ignored=tuple(header for header in rest if folded(header) in ignored),
        )

    def _report(
        self,
        connection: sa.Connection,
        import_id: int,
        unchanged: bool,
        files: tuple[FileReport, ...],
        tables: list[TableReport],
    ) -> ImportReport:
        opportunities = self.staged.get("opportunities")
        counts: dict[str | None, int] = {}
        without = 0
        if opportunities is not None:
            staged = opportunities.table
            grouped = sa.select(staged.c.outcome, sa.func.count()).group_by(staged.c.outcome)
            counts = {row[0]: int(row[1]) for row in connection.execute(grouped)}
            if self.mapping.process.time_basis == "dates":
                missing = staged.c.created_at.is_(None)
                without = connection.scalar(sa.select(sa.func.count()).select_from(staged).where(missing)) or 0
        first, last = self._span(connection)
        return ImportReport(
            import_id=import_id,
            imported_at=self.imported_at,
            mapping=self.mapping.name,
            unchanged=unchanged,
            files=files,
            files_left_out=tuple(source.name for source in self.unassigned),
            tables=tuple(tables),
            columns=tuple(
                ColumnReport(a.table, a.name, a.source, a.kind.value, a.known.value, a.custom)
                for a in read_attributes(connection)
                if a.table in self.staged
            ),
            warnings=(*self._loud_warnings(connection, files), *self._all_warnings(files, tables, without)),
            open=counts.get(None, 0),
            won=counts.get("won", 0),
            lost=counts.get("lost", 0),
            without_created_at=without,
            first=first,
            last=last,
        )

    def _span(self, connection: sa.Connection) -> tuple[int | None, int | None]:
        earliest, latest = [], []
        for name, staging in self.staged.items():
            clocks = ("created_at", "closed_at") if name == "opportunities" else (TABLES[name].clock,)
            for clock in clocks:
                if clock and clock in staging.table.c:
                    column = staging.table.c[clock]
                    seen = sa.select(sa.func.min(column), sa.func.max(column)).where(column <= self.imported_at)
                    low, high = connection.execute(seen).one()
                    earliest += [int(low)] if low is not None else []
                    latest += [int(high)] if high is not None else []
        return min(earliest, default=None), max(latest, default=None)

    def _loud_warnings(self, connection: sa.Connection, files: tuple[FileReport, ...]) -> list[str]:
        if "opportunities" not in self.staged:
            return []
        undeclared = [header for file in files if "opportunities" in file.tables for header in file.left_out]
        found = (
            no_outcomes(connection, self.mapping, [reader for _, reader in self.readers]),
            nothing_known_before_the_close(read_attributes(connection), undeclared),
        )
        return [warning for warning in found if warning]

    def _all_warnings(self, files: tuple[FileReport, ...], tables: list[TableReport], without: int) -> list[str]:
        warnings = list(self.warnings)
        warnings += [
            f"{table.table}: {table.left_out} rows left out, as the mapping says." for table in tables if table.left_out
        ]
        warnings += [
            f"{file.name}: left out, not declared in the mapping: {', '.join(file.left_out)}."
            for file in files
            if file.left_out
        ]
        if self.unassigned:
            warnings.append(f"No table takes: {', '.join(source.name for source in self.unassigned)}.")
        if not self.mapping.optional:
            absent = [table for table in self.mapping.tables if table not in self.staged]
            warnings += [f"The mapping has {table}, but no file of the export feeds it." for table in absent]
        if without:
            warnings.append(f"{without} open deals have no creation date: they are kept, but not scored.")
        if self.mapping.optional:
            slashed = next((reader.slashed for _, reader in self.readers if reader.slashed), None)
            if slashed:
                warnings.append(
                    f"Dates such as {slashed!r} are read by the formats of mapping {self.mapping.name!r} "
                    f"({', '.join(self.mapping.format.dates)}); if the day comes first, say so in a copy of it."
                )
        odd: Counter[tuple[str, str, str]] = Counter()
        for _, reader in self.readers:
            odd.update({(reader.binding.table, *key): count for key, count in reader.odd.items()})
        for (table, column, value), count in odd.most_common(10):
            meaning = "other" if column == "type" else "empty"
            warnings.append(f"{table}.{column}: {count} rows with {value!r} are taken as {meaning}.")
        if any(binding.generated for binding in self.bindings):
            warnings.append("Deals are numbered by row: import another export of this kind into a store of its own.")
        return warnings


def _meta(connection: sa.Connection) -> tuple[list[sa.Row[Any]], list[sa.Row[Any]]]:
    rows = connection.execute(sa.select(attributes).order_by(attributes.c.table_name, attributes.c.name)).all()
    return list(rows), list(connection.execute(sa.select(process).order_by(process.c.key)).all())


def _previous(connection: sa.Connection, import_id: int) -> sa.Row[Any, Any, Any] | None:
    found = sa.select(imports.c.id, imports.c.mapping_sha256, imports.c.files)
    return connection.execute(found.where(imports.c.id < import_id).order_by(imports.c.id.desc()).limit(1)).first()
