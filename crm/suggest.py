"""A starting mapping for an export that no built-in one fits: each column's guess, and what was left out and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from crm.errors import InputError
from crm.importing.binding import export_files
from crm.mapping import builtin_mappings, load_mapping
from crm.reading.cells import Text, booleans, cleaned, money, numbers, times
from crm.reading.files import Source, stem
from crm.rules import Format, folded
from crm.schema import TABLES, Kind

_SAMPLE_ROWS = 20_000
_FURTHER_NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("opportunities", "opportunity_id"): ("deal id", "opp id", "opportunity number", "deal number", "reference", "key"),
    ("opportunities", "created_at"): ("created", "creation date", "open date", "opened", "start date", "engage date"),
    ("opportunities", "closed_at"): ("closed", "close", "closing date", "end date", "date closed", "closed date"),
    ("opportunities", "outcome"): ("result", "opportunity result", "won lost", "status", "deal status"),
    ("opportunities", "stage"): ("sales stage", "deal stage", "phase", "pipeline stage", "step"),
    ("opportunities", "amount"): ("value", "deal value", "deal amount", "opportunity amount", "price", "tcv", "acv"),
    ("opportunities", "owner_id"): ("owner", "sales rep", "rep", "sales agent", "salesperson", "seller", "user"),
    ("opportunities", "account_id"): ("account", "company", "customer", "client", "organization", "organisation"),
    ("opportunities", "product"): ("product line", "product group", "item"),
    ("opportunities", "lead_source"): ("source", "channel", "origin"),
    ("opportunities", "segment"): ("market segment", "customer segment"),
    ("accounts", "account_id"): ("account", "company", "customer", "client"),
    ("accounts", "country"): ("region", "location", "office location"),
    ("accounts", "industry"): ("sector", "branch"),
    ("users", "user_id"): ("user", "owner", "sales rep", "sales agent", "email"),
    ("users", "team"): ("regional office", "office", "group"),
    ("activities", "occurred_at"): ("date", "time", "timestamp", "completed at"),
    ("activities", "topic"): ("subject",),
    ("activities", "user_id"): ("resource", "user", "owner"),
    ("stage_changes", "changed_at"): ("date", "timestamp", "time", "entered at"),
    ("stage_changes", "to_stage"): ("stage", "new stage", "new value"),
    ("stage_changes", "from_stage"): ("old stage", "previous stage", "old value"),
    ("stage_changes", "user_id"): ("resource", "user", "owner"),
    ("notes", "text"): ("note", "comment", "body", "content"),
    ("notes", "written_at"): ("created at", "date"),
}
_FILE_WORDS = {
    "opportunities": ("opportunit", "deal", "pipeline"), "accounts": ("account", "compan", "organi"),
    "users": ("user", "team", "owner", "rep"), "stage_changes": ("stage",), "field_changes": ("field",),
    "activities": ("activit", "task", "event", "call", "email", "meeting"), "contact_roles": ("role",),
    "deal_products": ("lineitem", "line_item", "deal_product"), "notes": ("note", "comment"),
}  # fmt: skip
_DATES = ("ISO", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d %b %Y", "%b %d, %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_AMOUNTS: tuple[tuple[str, str | None], ...] = (
    (".", None), (".", ","), (",", "."), (",", None), (".", "'"), (",", " "), (".", " ")
)  # fmt: skip
_WON = re.compile(r"(?<![a-z])won(?![a-z])|closedwon|gewonnen|gagn|ganad|vint[ao]\b|success|^1$", re.IGNORECASE)
_LOST = re.compile(
    r"(?<![a-z])los[st]|closedlost|verloren|perdu|perdid|pers[ao]\b|fail|cancel|abandon|declin", re.IGNORECASE
)


@dataclass
class _File:
    """One file, its sample, and what it seems to be."""

    source: Source
    cells: dict[str, Text]
    table: str | None = None
    columns: dict[str, str] = field(default_factory=dict)


def suggest(path: Path) -> str:
    """A starting mapping for an export, as TOML text that loads as it stands.

    Args:
        path: A file, or a folder of files.

    Raises:
        InputError: A file cannot be read at all.
    """
    files = [_sampled(file) for file in export_files([path])]
    names = _known_names()
    _assign(files, names)
    guessed = _by_outcome(files, names)
    deals = next((file for file in files if file.table == "opportunities"), None)
    form, remarks = _format(files)
    remarks = [*guessed, *remarks]
    lines = [
        "# A starting point, guessed from the headers and the first rows: check each line before use.",
        f"name = {_quoted(folded(stem(path)) or 'export')}",
        "",
        *_process_lines(deals),
        *(f"# {remark}" for remark in remarks),
        "[format]",
        f"encoding = {_quoted(form.encoding)}",
        f"dates = {_listed(form.dates)}",
        'timezone = "UTC"  # of times written without an offset',
        f"decimal = {_quoted(form.decimal)}",
        *([f"thousands = {_quoted(form.thousands)}"] if form.thousands else []),
        *(["currency_signs = true"] if form.currency_signs else []),
    ]
    for table in TABLES:
        mine = [file for file in files if file.table == table]
        if mine:
            lines += ["", *_table_lines(table, mine, form)]
    if deals is None:
        lines += ["", "# No file looks like the opportunities: say which one is, and map its columns."]
    left = [file for file in files if file.table is None]
    if left:
        lines += ["", "# Files left out, because they look like none of the tables:"]
        lines += [f"#   {file.source.name}: {', '.join(file.source.header)}" for file in left]
    return "\n".join(lines) + "\n"


def _sampled(path: Path) -> _File:
    source, form = None, Format()
    for encoding in ("utf-8", "utf-16", "cp1252"):
        form = Format(encoding=encoding)
        try:
            source = Source.open(path, form)
            chunk = next(iter(source.chunks(range(len(source.header)))), None)
        except InputError:
            if encoding == "cp1252":
                raise
            continue
        columns = {} if chunk is None else chunk.columns
        cells = {
            header: cleaned(columns[index][:_SAMPLE_ROWS], form) if index in columns else np.empty(0, dtype=object)
            for index, header in enumerate(source.header)
        }
        return _File(source, cells)
    raise AssertionError("cp1252 either reads or raises")


def _known_names() -> dict[tuple[str, str], list[str]]:
    """Folded headers by table and column: the schema's own, those of the built-in mappings, and further ones."""
    names = {(table, column): [folded(column)] for table, schema in TABLES.items() for column in schema.columns()}
    for mapping in map(load_mapping, builtin_mappings()):
        for table, rule in mapping.tables.items():
            for column, source in rule.columns.items():
                names[table, column] += [folded(header) for header in source.sources]
    for key, further in _FURTHER_NAMES.items():
        names[key] += [folded(header) for header in further]
    return names


def _assign(files: Sequence[_File], names: dict[tuple[str, str], list[str]]) -> None:
    for file in files:
        best = (0, 0)
        for table in TABLES:
            columns = _columns(file, table, names)
            needed = [name for name, column in TABLES[table].columns().items() if column.required]
            word = any(word in file.source.name.casefold() for word in _FILE_WORDS[table])
            complete = all(name in columns for name in needed) or (table == "opportunities" and len(columns) > 2)
            fit = (int(word) * 100 + len(columns) if complete else 0, int(word))
            if complete and (word or table == "opportunities") and fit > best:
                best, file.table, file.columns = fit, table, columns


def _columns(file: _File, table: str, names: dict[tuple[str, str], list[str]]) -> dict[str, str]:
    by_folded = {folded(header): header for header in reversed(file.source.header)}
    found: dict[str, str] = {}
    for column in TABLES[table].columns():
        for name in names[table, column]:
            if name in by_folded and by_folded[name] not in found.values():
                found[column] = by_folded[name]
                break
    if table == "opportunities" and "outcome" in found and "stage" not in found:
        values = {str(value) for value in file.cells[found["outcome"]]}
        if not any(_WON.search(value) for value in values) and len(values) > 3:
            found["stage"] = found.pop("outcome")
    return found


def _by_outcome(files: Sequence[_File], names: dict[tuple[str, str], list[str]]) -> list[str]:
    """Find the outcome, and the opportunities themselves, by values rather than headers; remarks come back."""
    remarks = []
    if not any(file.table == "opportunities" for file in files):
        alike = [file for file in files if file.table is None and _outcome_like(file)]
        if len(alike) == 1:
            alike[0].table, alike[0].columns = "opportunities", _columns(alike[0], "opportunities", names)
            remarks.append(f"{alike[0].source.name} is taken for the opportunities by the values of one of its columns")
    for file in files:
        if file.table == "opportunities" and not {"outcome", "stage"} & set(file.columns):
            used = set(file.columns.values())
            header = next((header for header in _outcome_like(file) if header not in used), None)
            if header is not None:
                file.columns["outcome"] = header
                remarks.append(f"{header} is taken for the outcome by its values")
    return remarks


def _outcome_like(file: _File) -> list[str]:
    """Headers of two or three distinct values, of which some look like won or lost; those with both come first."""
    found: list[tuple[int, int, int, str]] = []
    for header, cells in file.cells.items():
        values = {str(cell) for cell in cells if cell} - {"1"}  # any flag has a 1
        both = [any(looks.search(value) for value in values) for looks in (_WON, _LOST)]
        if header and len(values) in (2, 3) and any(both):
            found.append((-sum(both), len(values), len(found), header))
    return [header for *_, header in sorted(found)]


def _format(files: Sequence[_File]) -> tuple[Format, list[str]]:
    remarks = []
    dates, encodings = [], {file.source.format.encoding for file in files if not _ascii(file)}
    clocks = [cells for file in files for cells in _of_kind(file, Kind.TIME) if (cells != "").any()]
    clocks += [cells for file in files for cells in file.cells.values() if _dated(cells)]
    day_first = any(_only_day_first(cells) for cells in clocks)
    for cells in clocks:
        fits = [pattern for pattern in _date_patterns() if _share(cells, (pattern,)) == 1.0]
        # one export does not change its order of day and month from column to column
        if day_first and any(fit.startswith("%d/%m") for fit in fits):
            fits = [fit for fit in fits if not fit.startswith("%m/%d")]
        if not fits:
            fits = [max(_date_patterns(), key=lambda pattern: _share(cells, (pattern,)))]
            remarks.append(f"not all of these could be read as dates: {', '.join(_examples(cells))}")
        if fits[0].startswith("%m/%d") and any(fit.startswith("%d/%m") for fit in fits):
            remarks.append("the month may also come second: then write %d/%m/%Y")
        dates.append(fits[0])
    decimal, thousands, signs = ".", None, False
    amounts = [cells for file in files for kind in (Kind.MONEY, Kind.NUMBER) for cells in _of_kind(file, kind)]
    for currency in (False, True):
        for decimal, thousands in _AMOUNTS:
            form = Format(decimal=decimal, thousands=thousands, currency_signs=currency)
            if not any(money(cells, form).bad.any() for cells in amounts):
                signs = currency
                break
        else:
            continue
        break
    else:
        decimal, thousands = ".", None
        remarks.append("some amounts could not be read: see decimal, thousands and currency_signs")
    encoding = next(iter(encodings)) if len(encodings) == 1 else "utf-8"
    if len(encodings) > 1:
        remarks.append(f"the files are in several encodings ({', '.join(sorted(encodings))}): import them one by one")
    form = Format(
        encoding=encoding, dates=tuple(dict.fromkeys(dates)) or ("ISO",), decimal=decimal, thousands=thousands,
        currency_signs=signs,
    )  # fmt: skip
    return form, list(dict.fromkeys(remarks))


def _only_day_first(cells: Text) -> bool:
    """Whether dates can be read with the day before the month only."""
    fits = [pattern for pattern in _date_patterns() if _share(cells, (pattern,)) == 1.0]
    return any(fit.startswith("%d/%m") for fit in fits) and not any(fit.startswith("%m/%d") for fit in fits)


def _ascii(file: _File) -> bool:
    """Whether the sample reads the same in any encoding that extends ASCII."""
    same = all(str(cell).isascii() for cells in file.cells.values() for cell in cells)
    return same and "".join(file.source.header).isascii() and file.source.format.encoding == "utf-8"


def _date_patterns() -> list[str]:
    return ["ISO", *(date + clock for clock in _CLOCKS for date in _DATES[1:])]


def _share(cells: Text, patterns: tuple[str, ...]) -> float:
    filled = cells[cells != ""][:500]
    return 1.0 - float(times(filled, Format(dates=patterns)).bad.mean()) if len(filled) else 0.0


def _dated(cells: Text) -> bool:
    filled = [str(cell) for cell in islice((cell for cell in cells if cell), 50)]
    looks = re.compile(r"\d{4}-\d\d-\d\d.*|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}.*")
    return bool(filled) and all(looks.fullmatch(cell) for cell in filled)


def _of_kind(file: _File, kind: Kind) -> list[Text]:
    if file.table is None:
        return []
    schema = TABLES[file.table].columns()
    return [file.cells[header] for column, header in file.columns.items() if schema[column].kind is kind]


def _process_lines(deals: _File | None) -> list[str]:
    lines = ["[process]"]
    columns = {} if deals is None else deals.columns
    dated = "created_at" in columns and "closed_at" in columns
    basis = "dates" if dated or deals is None else "sequence" if "sequence" in columns else "none"
    lines.append(
        f'time_basis = "{basis}"' + ("" if dated else "  # no columns with dates of creation and closing found")
    )
    if basis == "none":
        lines.append(
            '# Where a running number tells the order of entry: time_basis = "sequence", and sequence = its header.'
        )
    told = columns.get("outcome") or columns.get("stage")
    values = [] if deals is None or told is None else sorted({str(cell) for cell in deals.cells[told] if cell})
    won = [value for value in values if _WON.search(value) and not _LOST.search(value)]
    lost = [value for value in values if _LOST.search(value)]
    rest = [value for value in values if value not in won and value not in lost]
    unsure = "" if won and lost else "  # not found in the first rows: write the values that mean won and lost"
    lines.append(f"won = {_listed(won or ['Won'])}{unsure}")
    lines.append(f"lost = {_listed(lost or ['Lost'])}{unsure}")
    if "outcome" in columns:
        lines.append(f"open = {_listed(rest)}")
    elif rest:
        lines.append(f"stages = {_listed(rest)}  # bring them into the order of your process")
    return [*lines, ""]


def _table_lines(table: str, files: Sequence[_File], form: Format) -> list[str]:
    lines = [f"[tables.{table}]", f"files = {_listed([stem(file.source.path) for file in files])}", ""]
    lines.append(f"[tables.{table}.columns]")
    schema = TABLES[table]
    found: dict[str, list[str]] = {}
    for file in files:
        for column, header in file.columns.items():
            found.setdefault(column, [])
            found[column] += [] if header in found[column] else [header]
    if table == "opportunities":
        if "opportunity_id" not in found:
            lines.append('opportunity_id = { generate = "row" }  # no identifier was found')
        if "outcome" not in found and "stage" not in found:
            lines.append('outcome = "?"  # write the header that tells won from lost')
    for column in schema.columns():
        if column in found:
            headers = found[column]
            lines.append(f"{column} = {_quoted(headers[0]) if len(headers) == 1 else _listed(headers)}")
    missing = [column for column in schema.columns() if column not in found]
    if missing:
        lines.append(f"# not found: {', '.join(missing)}")
    used = {header for headers in found.values() for header in headers}
    rest = {header: cells for file in files for header, cells in file.cells.items() if header and header not in used}
    if rest and schema.custom:
        lines += ["", f"[tables.{table}.custom]"]
        lines.append("# Left out, because nobody has said yet when they are known. Take one in by removing its #:")
        lines.append('# known = "created" where it is fixed at entry, "closed" where it may be filled in later.')
        lines += _custom_lines(rest, {*schema.columns()}, form)
    elif rest:
        lines.append(f"# left out, because the table has no such columns: {', '.join(rest)}")
    return lines


def _custom_lines(rest: dict[str, Text], taken: set[str], form: Format) -> Iterable[str]:
    for header, cells in rest.items():
        name = re.sub(r"\W+", "_", header.casefold(), flags=re.ASCII).strip("_") or "column"
        name = name if name[0].isalpha() else f"c_{name}"
        while name in taken:
            name += "_2" if name in TABLES["opportunities"].columns() else "_"
        taken.add(name)
        examples = ", ".join(_examples(cells)) or "always empty"
        kind = _kind(cells, form)
        yield f'# {name} = {{ from = {_quoted(header)}, kind = "{kind.value}", known = "closed" }}  # {examples}'


def _kind(cells: Text, form: Format) -> Kind:
    filled = cells[cells != ""]
    distinct = len(set(filled))
    if not distinct:
        return Kind.TEXT
    if distinct <= 2 and not booleans(filled).bad.any():
        return Kind.BOOLEAN
    if not times(filled, form).bad.any():
        return Kind.TIME
    if not numbers(filled, form).bad.any():
        return Kind.NUMBER
    if distinct > max(50, len(filled) // 2):
        return Kind.TEXT if any(" " in str(value) for value in filled[:100]) else Kind.ID
    return Kind.CATEGORY


def _examples(cells: Text) -> list[str]:
    distinct = dict.fromkeys(str(cell) for cell in cells[:500] if cell)
    return [re.sub(r"\s+", " ", value)[:30] for value in islice(distinct, 3)]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string


def _listed(texts: Iterable[str]) -> str:
    return "[" + ", ".join(_quoted(text) for text in texts) + "]"
