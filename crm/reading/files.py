"""An export's files, read chunk by chunk so that a file of any size needs little memory: CSV, CSV.gz and Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crm.errors import InputError, Problem
from crm.rules import Format
from crm.tables import IntArray

ENDINGS = (".csv", ".csv.gz", ".parquet")
CHUNK_ROWS = 50_000
_DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def stem(path: Path) -> str:
    """File name without the ending that says how it is written."""
    name = path.name
    for ending in (".csv.gz", ".csv", ".parquet"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


@dataclass(frozen=True)
class Chunk:
    """Some records of a file, one after the other.

    Attributes:
        rows: Row number of each as a spreadsheet shows it (header 1), shape (n_rows,).
        columns: Cells by position in the header: text, "" where empty, shape (n_rows,) each.
        plain: Positions whose cells were typed in the file, so they are written in the plain way (1234.5, ISO 8601)
            whatever the mapping says of CSV cells.
    """

    rows: IntArray
    columns: dict[int, NDArray[np.object_]]
    plain: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Source:
    """A file of an export whose header has been read.

    Attributes:
        path: Where it lies.
        name: What errors call it.
        header: Its headers, as they are written.
        format: How it is read.
        delimiter: Between cells; "" for Parquet.
    """

    path: Path
    name: str
    header: tuple[str, ...]
    format: Format
    delimiter: str = ""

    @classmethod
    def open(cls, path: Path, form: Format) -> Source:
        """Read the header of a file.

        Raises:
            InputError: It is missing, empty, damaged, or not in the encoding that the mapping says.
        """
        name = path.name
        try:
            if name.lower().endswith(".parquet"):
                names = tuple(pq.ParquetFile(path).schema_arrow.names)
                return cls(path, name, names, form)
            with _text(path, form, "strict") as text:
                first = text.readline()
                delimiter = form.delimiter or _sniffed(first)
                text.seek(0)
                header = next(csv.reader(_without_nul(text), delimiter=delimiter), None)
        except _NulError:
            raise InputError([_nul(name, 1)]) from None
        except UnicodeError:
            raise InputError([_undecodable(path, name, form, form.delimiter or ",")]) from None
        except (OSError, EOFError, zlib.error, csv.Error, pa.ArrowException) as error:
            raise InputError([_unreadable(name, error)]) from error
        if header is None or not any(cell.strip() for cell in header):
            raise InputError([Problem(name, None, None, None, "the file is empty: a header and records are needed")])
        return cls(path, name, tuple(cell.strip() for cell in header), form, delimiter)

    def sha256(self) -> str:
        """Digest of the file's bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def chunks(self, wanted: Collection[int], *, blank: bool = False) -> Iterator[Chunk]:
        """The records in order, only the wanted columns.

        Args:
            wanted: Positions of the columns.
            blank: Whether records whose cells are all blank are given too; an empty line of CSV is no record.

        Raises:
            InputError: The file turns out to be damaged, in another encoding, or to have records of another length than
                its header.
        """
        try:
            yield from (self._parquet(sorted(wanted)) if not self.delimiter else self._csv(sorted(wanted), blank))
        except UnicodeError:
            raise InputError([_undecodable(self.path, self.name, self.format, self.delimiter)]) from None
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            raise InputError([_unreadable(self.name, error)]) from error

    def _csv(self, wanted: list[int], blank: bool) -> Iterator[Chunk]:
        width = len(self.header)
        ragged: list[Problem] = []
        n_ragged = 0
        with _text(self.path, self.format, "strict") as text:
            # Strict: an unclosed quote would otherwise swallow the rest of the file as one cell without a word.
            reader = csv.reader(_without_nul(text), delimiter=self.delimiter, strict=True)
            next(reader)
            first = 2
            while True:
                records: list[list[str]] = []
                try:
                    records.extend(islice(reader, CHUNK_ROWS))
                except _NulError:
                    raise InputError([*ragged, _nul(self.name, first + len(records))], n_ragged + 1) from None
                except csv.Error as error:
                    reason = f"the quotes of this record do not match ({error})"
                    broken = Problem(self.name, first + len(records), None, None, reason)
                    raise InputError([*ragged, broken], n_ragged + 1) from error
                if not records:
                    break
                numbers = np.arange(first, first + len(records))
                first += len(records)
                if set(map(len, records)) != {width}:
                    bad = [(n, r) for n, r in zip(numbers, records, strict=True) if len(r) != width and _any(r)]
                    n_ragged += len(bad)
                    ragged += [_ragged(self.name, int(n), r, width) for n, r in bad[: 20 - len(ragged)]]
                filled = [len(record) == width and (blank or _any(record)) for record in records]  # all count as rows
                if not all(filled):
                    numbers, records = numbers[filled], list(compress(records, filled))
                if records:
                    yield _chunk(numbers, records, wanted)
        if ragged:
            raise InputError(ragged, n_ragged)

    def _parquet(self, wanted: list[int]) -> Iterator[Chunk]:
        file = pq.ParquetFile(self.path)
        start = 2
        for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=[self.header[index] for index in wanted]):
            columns, plain = {}, set()
            for index in wanted:
                array = batch.column(self.header[index])
                columns[index] = _as_text(array)
                nul = next((row for row, cell in enumerate(columns[index]) if "\0" in cell), None)
                if nul is not None:
                    raise InputError([_nul(self.name, start + nul, self.header[index])])
                if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
                    plain.add(index)
            yield Chunk(np.arange(start, start + batch.num_rows), columns, frozenset(plain))
            start += batch.num_rows


class _NulError(Exception):
    """A line holds a NUL character."""


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise _NulError
        yield line


def _nul(name: str, row: int, column: str | None = None) -> Problem:
    advice = "the file may be damaged, or in UTF-16: then set encoding under [format] of the mapping"
    return Problem(name, row, column, None, f"holds a NUL byte, which no text does; {advice}")


def _any(record: list[str]) -> bool:
    """Whether a record holds anything but white space."""
    return any(map(str.strip, record))


def _chunk(numbers: IntArray, records: list[list[str]], wanted: list[int]) -> Chunk:
    columns = {}
    for index in wanted:
        cells = np.empty(len(records), dtype=object)
        cells[:] = [record[index] for record in records]
        columns[index] = cells
    return Chunk(numbers, columns)


def _as_text(array: Any) -> NDArray[np.object_]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_timestamp(kind):
        # With a zone, Arrow writes the instant in UTC and a final Z; without one, as it stands.
        array = pc.cast(array, pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    elif pa.types.is_floating(kind):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, kind), array)
    text = pc.cast(array, pa.string())
    values: NDArray[np.object_] = pc.fill_null(text, "").to_numpy(zero_copy_only=False).astype(object)
    return values


def _binary(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.name.lower().endswith(".gz") else path.open("rb")


def _text(path: Path, form: Format, errors: str) -> IO[str]:
    encoding = "utf-8-sig" if codecs.lookup(form.encoding).name == "utf-8" else form.encoding
    return io.TextIOWrapper(_binary(path), encoding=encoding, errors=errors, newline="")


def _sniffed(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=outside.count) if any(mark in outside for mark in _DELIMITERS) else ","


def _ragged(name: str, row: int, record: list[str], width: int) -> Problem:
    reason = f"has {len(record)} cells, the header has {width}; a cell that holds the separator must be quoted"
    return Problem(name, row, None, None, reason)


def _unreadable(name: str, error: BaseException) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem(name, None, None, None, "there is no such file")
    return Problem(name, None, None, None, f"the file cannot be read, it may be damaged or cut short: {error}")


def _undecodable(path: Path, name: str, form: Format, delimiter: str) -> Problem:
    """Where the first byte lies that is not in the declared encoding: its offset, and the record that it is in."""
    decoder = codecs.getincrementaldecoder(form.encoding)()
    offset, start, advice = 0, b"", "cp1252 is usual for exports of Excel"
    with _binary(path) as file:
        while True:
            block = file.read(1 << 20)
            start = start or block[:4]
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                offset += error.start - pending
                break
            except UnicodeError:  # UTF-16 without its mark at the start
                break
            if not block:
                break
            offset += len(block)
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            advice = f"it begins like {encoding}"
            break
    row, column, value = None, None, None
    if codecs.lookup(form.encoding).name in ("utf-8", "ascii"):
        row, column, value = _first_escaped(path, form, delimiter)
    reason = f"byte {offset} is not {form.encoding}; set encoding under [format] of the mapping ({advice})"
    return Problem(name, row, column, value, reason)


def _first_escaped(path: Path, form: Format, delimiter: str) -> tuple[int | None, str | None, str | None]:
    with _text(path, form, "surrogateescape") as text:
        header: list[str] = []
        for row, record in enumerate(csv.reader(text, delimiter=delimiter), start=1):
            header = header or record
            for index, cell in enumerate(record):
                if any("\udc80" <= mark <= "\udcff" for mark in cell):
                    shown = cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    column = header[index] if row > 1 and index < len(header) else None
                    return row, column, shown
    return None, None, None
