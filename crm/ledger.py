"""The ledger of scores: every scoring run as it was made, so that what was said then can be told and judged later.

A run is one row (when it was made, for which moment, from which data, by which model); its deals lie beside it in parts
of `PART`, ordered by id. A part has two compressed blobs, so that reading probabilities need not unpack the inputs:

* `scores`: ids, win probability, lower and upper end, probabilities to be won within so many days;
* `inputs`: each input's value, and what each added to the log-odds.

A blob is zstd of a JSON header with its length in front (little endian, 4 bytes), then blocks of columns of one type,
the bytes of each block sorted by their place in the number (like bytes together compress best). Of 100,000 deals with
84 inputs that is 29 MB and a second of CPU, and a deal's row of a run is read in 3 ms. As plain rows it was 470 MB; a
part of as many deals took 8 ms to read as an Arrow file, and 26 ms as Parquet.

What is kept is never changed by a later import or a later model. A run is named by its moment, its model's digest and
the import it was made from: the same once more changes nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from crm.errors import StoreError
from crm.records import score_parts, score_runs
from crm.store import Store
from crm.tables import Coded, FloatArray, micros

PART = 1_000
"""Deals of a part: to read one deal of a run, so many are unpacked."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Made:
    """How a run came about.

    Attributes:
        as_of: The moment that the scores are for, in microseconds; of an export without dates, the time of its import.
        imported_at: Time of the newest import then, in microseconds: it names the data.
        model_version: The model's version in the registry.
        model_digest: Digest of its bundle's manifest.
        in_sample: Whether the moment lies before the model's training cut.
    """

    as_of: int
    imported_at: int
    model_version: int
    model_digest: str
    in_sample: bool


@dataclass(frozen=True)
class Run:
    """A run that was kept.

    Attributes:
        id: Running number, from 1.
        made_at: When it was made, in microseconds.
        made: How it came about.
        n: Deals scored.
        facts: What is kept of the model, as plain data.
    """

    id: int
    made_at: int
    made: Made
    n: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Scored deals, ordered by id.

    Attributes:
        deal_ids: Ids, shape (n_deals,).
        p: Win probability.
        lower: Lower end of its interval; kept with 7 digits.
        upper: Its upper end; likewise.
        values: Inputs by name, float64 or `Coded`; empty where only scores were asked for.
        names: Inputs in the order of `contributions`.
        contributions: What each input adds to the log-odds, shape (n_deals, n_names); kept with 7 digits.
        horizons: Days of `within`; none where the scores do not say when.
        within: Probability to be won within each of them, shape (n_deals, n_horizons); kept with 7 digits.
    """

    deal_ids: tuple[str, ...]
    p: FloatArray
    lower: FloatArray
    upper: FloatArray
    values: dict[str, FloatArray | Coded] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    contributions: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    horizons: tuple[int, ...] = ()
    within: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    def __len__(self) -> int:
        return len(self.deal_ids)

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """The chosen deals."""
        values = {name: column.take(rows) if isinstance(column, Coded) else column[rows]
                  for name, column in self.values.items()}  # fmt: skip
        contributions, within = (part[rows] if len(part) else part for part in (self.contributions, self.within))
        return Rows(tuple(self.deal_ids[row] for row in rows), self.p[rows], self.lower[rows], self.upper[rows],
                    values, self.names, contributions, self.horizons, within)  # fmt: skip


class Keeping:
    """A run that is being made: its deals are packed as they come, and all are stored at the end, or none.

    Args:
        store: Where to.
        made: How the run comes about.

    Attributes:
        store: Where to.
        known: The same run where it was kept before; nothing is packed then.
    """

    def __init__(self, store: Store, made: Made) -> None:
        self.store = store
        self._made = made
        self._parts: list[dict[str, Any]] = []
        self._columns: dict[str, list[str]] = {}
        self._facts: dict[str, Any] = {}
        self._n = 0
        self.known = find_run(store, made)

    def add(self, rows: Rows, facts: dict[str, Any]) -> None:
        """Take in further deals, whose ids come after those before.

        Args:
            rows: The deals.
            facts: What is to be kept of the model, as plain data.
        """
        if self.known is not None or not len(rows):
            return
        numbers = [name for name, column in rows.values.items() if not isinstance(column, Coded)]
        categories = [name for name, column in rows.values.items() if isinstance(column, Coded)]
        self._columns = {"numbers": numbers, "categories": categories, "contributions": list(rows.names)}
        for start in range(0, len(rows), PART):
            some = rows.take(np.arange(start, min(start + PART, len(rows)), dtype=np.int64))
            self._parts.append({
                "part": len(self._parts), "first_id": some.deal_ids[0], "last_id": some.deal_ids[-1],
                "scores": _pack_scores(some), "inputs": _pack_inputs(some, numbers, categories),
            })  # fmt: skip
        self._facts = facts
        self._n += len(rows)

    def finish(self, *, made_at: int | None = None) -> Run:
        """Store the run.

        Args:
            made_at: When it was made, in microseconds; now by default.

        Returns:
            The run; the earlier one where the very same was kept before.

        Raises:
            StoreError: The database refuses.
        """
        if self.known is not None:
            return self.known
        made, when = self._made, micros(datetime.now(UTC)) if made_at is None else made_at
        row = {
            "made_at": when, "as_of": made.as_of, "imported_at": made.imported_at,
            "model_version": made.model_version, "model_digest": made.model_digest, "in_sample": int(made.in_sample),
            "n": self._n, "facts": json.dumps(self._facts), "columns": json.dumps(self._columns),
        }  # fmt: skip
        try:
            with self.store.transaction() as connection:
                number = connection.execute(score_runs.insert().values(row).returning(score_runs.c.id)).scalar_one()
                if self._parts:
                    connection.execute(score_parts.insert(), [{"run_id": number, **part} for part in self._parts])
        except StoreError:
            first = find_run(self.store, made)  # another process may have been first
            if first is None:
                raise
            return first
        return Run(number, when, made, self._n, self._facts)


# -- reading -----------------------------------------------------------------------------------------------------------


def find_run(store: Store, made: Made) -> Run | None:
    """The run that was made for the same moment, from the same data, by the same model; None where there is none."""
    same = sa.select(score_runs).where(
        score_runs.c.as_of == made.as_of, score_runs.c.model_digest == made.model_digest,
        score_runs.c.imported_at == made.imported_at,
    )  # fmt: skip
    with store.transaction() as connection:
        row = connection.execute(same).one_or_none()
    return None if row is None else _run(row)


def runs(store: Store, *, since: int | None = None, until: int | None = None) -> list[Run]:
    """The runs kept, in order of their moment, then of when they were made.

    Args:
        store: Where from.
        since: First moment, in microseconds.
        until: Last moment.
    """
    chosen = sa.select(score_runs).order_by(score_runs.c.as_of, score_runs.c.made_at, score_runs.c.id)
    if since is not None:
        chosen = chosen.where(score_runs.c.as_of >= since)
    if until is not None:
        chosen = chosen.where(score_runs.c.as_of <= until)
    with store.transaction() as connection:
        return [_run(row) for row in connection.execute(chosen)]


def scores_of(store: Store, run: Run) -> Rows:
    """Probabilities of a run's deals, without their inputs."""
    chosen = sa.select(score_parts.c.scores).where(score_parts.c.run_id == run.id).order_by(score_parts.c.part)
    with store.transaction() as connection:
        return _joined([_unpack_scores(blob) for blob in connection.execute(chosen).scalars()])


def rows_of(store: Store, run: Run) -> Iterator[Rows]:
    """A run's deals with their inputs, part by part."""
    chosen = sa.select(score_parts.c.scores, score_parts.c.inputs, score_runs.c.columns).join(
        score_runs, score_runs.c.id == score_parts.c.run_id
    ).where(score_parts.c.run_id == run.id).order_by(score_parts.c.part)  # fmt: skip
    with store.transaction() as connection:
        for part in connection.execute(chosen):
            yield _unpack_inputs(part.inputs, _unpack_scores(part.scores), json.loads(part.columns))


def rows_of_deal(
    store: Store, deal_id: str, *, since: int | None = None, until: int | None = None, newest: int | None = None
) -> list[tuple[Run, Rows]]:
    """All that was kept of one deal, one row per run, in the order of `runs`.

    Args:
        store: Where from.
        deal_id: The deal.
        since: First moment, in microseconds.
        until: Last moment.
        newest: Only so many runs, the last ones.
    """
    chosen = (
        sa.select(score_runs, score_parts.c.scores, score_parts.c.inputs)
        .join(score_parts, score_runs.c.id == score_parts.c.run_id)
        .where(score_parts.c.first_id <= deal_id, score_parts.c.last_id >= deal_id)
        .order_by(score_runs.c.as_of.desc(), score_runs.c.made_at.desc(), score_runs.c.id.desc())
    )
    if since is not None:
        chosen = chosen.where(score_runs.c.as_of >= since)
    if until is not None:
        chosen = chosen.where(score_runs.c.as_of <= until)
    found: list[tuple[Run, Rows]] = []
    with (
        store.transaction() as connection,
        connection.execution_options(stream_results=True).execute(chosen) as found_rows,
    ):
        for row in found_rows:
            scores = _unpack_scores(row.scores)
            if deal_id in scores.deal_ids:
                place = scores.deal_ids.index(deal_id)
                found.append((_run(row), _unpack_inputs(row.inputs, scores, json.loads(row.columns), place)))
            if newest is not None and len(found) >= newest:
                break
    return found[::-1]


def forget(store: Store, made_before: int) -> int:
    """Delete runs that were made before a moment.

    Returns:
        How many there were.
    """
    old = sa.select(score_runs.c.id).where(score_runs.c.made_at < made_before)
    with store.transaction() as connection:
        numbers = connection.execute(old).scalars().all()
        connection.execute(score_parts.delete().where(score_parts.c.run_id.in_(numbers)))
        connection.execute(score_runs.delete().where(score_runs.c.id.in_(numbers)))
    return len(numbers)


def _run(row: Any) -> Run:
    made = Made(row.as_of, row.imported_at, row.model_version, row.model_digest, bool(row.in_sample))
    return Run(row.id, row.made_at, made, row.n, json.loads(row.facts))


def _joined(parts: Sequence[Rows]) -> Rows:
    none: list[FloatArray] = [np.zeros(0)]
    p, lower, upper = (np.concatenate([getattr(part, name) for part in parts] or none)
                       for name in ("p", "lower", "upper"))  # fmt: skip
    horizons = parts[0].horizons if parts else ()
    within = np.concatenate([part.within for part in parts]) if horizons else np.zeros((0, 0))
    return Rows(tuple(deal_id for part in parts for deal_id in part.deal_ids), p, lower, upper, horizons=horizons,
                within=within)  # fmt: skip


# -- blobs -------------------------------------------------------------------------------------------------------------


def _pack_scores(rows: Rows) -> bytes:
    header = {"ids": list(rows.deal_ids), "horizons": list(rows.horizons)}
    numbers = [rows.lower, rows.upper, *(rows.within.T if rows.horizons else ())]
    return _pack(header, [_as(rows.p, "<f8"), _as(numbers, "<f4")])


def _unpack_scores(blob: bytes) -> Rows:
    header, data = _unpack(blob)
    deal_ids, horizons = tuple(header["ids"]), tuple(header["horizons"])
    p = data.block("<f8", 1, len(deal_ids))[0]
    lower, upper, *within = data.block("<f4", 2 + len(horizons), len(deal_ids)).astype(np.float64)
    return Rows(deal_ids, p, lower, upper, horizons=horizons,
                within=np.stack(within, axis=1) if within else np.zeros((0, 0)))  # fmt: skip


def _pack_inputs(rows: Rows, numbers: list[str], categories: list[str]) -> bytes:
    levels: list[list[str]] = []
    codes: list[NDArray[Any]] = []
    for name in categories:
        column = rows.values[name]
        assert isinstance(column, Coded)
        used, places = np.unique(column.codes, return_inverse=True)
        levels.append([column.levels[code] for code in used if code >= 0])
        codes.append(places - int(np.any(used < 0)))  # the missing one is code -1 again after it
    values = [rows.values[name] for name in numbers]
    return _pack(levels, [_as(values, "<f8"), _as(codes, "<i4"), _as(rows.contributions.T, "<f4")])


def _unpack_inputs(blob: bytes, scores: Rows, columns: dict[str, list[str]], only: int | None = None) -> Rows:
    """The deals of a part with their inputs, or only one of them."""
    levels, data = _unpack(blob)
    n, names = len(scores), columns["contributions"]
    numbers = data.block("<f8", len(columns["numbers"]), n, only)
    codes = data.block("<i4", len(levels), n, only)
    values: dict[str, FloatArray | Coded] = dict(zip(columns["numbers"], numbers, strict=True))
    for name, used, column in zip(columns["categories"], levels, codes, strict=True):
        values[name] = Coded(column, tuple(used))
    contributions = data.block("<f4", len(names), n, only).T.astype(np.float64)
    mine = scores if only is None else scores.take(np.array([only], dtype=np.int64))
    return replace(mine, values=values, names=tuple(names), contributions=contributions)


def _as(values: Any, kind: str) -> NDArray[Any]:
    return np.ascontiguousarray(values, dtype=kind)


def _pack(header: Any, arrays: Sequence[NDArray[Any]]) -> bytes:
    """Header and blocks of columns as one compressed blob, with the size of the whole in front."""
    told = json.dumps(header).encode()
    sorted_bytes = (array.reshape(-1).view(np.uint8).reshape(-1, array.itemsize).T.tobytes() for array in arrays)
    whole = b"".join((_LENGTH.pack(len(told)), told, *sorted_bytes))
    return _LENGTH.pack(len(whole)) + bytes(pa.compress(whole, codec="zstd", asbytes=True))


class _Data:
    """The blocks of a blob, taken off one after another."""

    def __init__(self, whole: bytes, place: int) -> None:
        self._whole, self._place = whole, place

    def block(self, kind: str, n_columns: int, n: int, only: int | None = None) -> NDArray[Any]:
        """The next block of columns, of shape (n_columns, n), or (n_columns, 1) with one row only."""
        size = np.dtype(kind).itemsize
        plain = np.frombuffer(self._whole, np.uint8, n_columns * n * size, self._place).reshape(size, n_columns, n)
        self._place += n_columns * n * size
        if only is not None:
            plain = plain[:, :, only : only + 1]
        return np.ascontiguousarray(np.moveaxis(plain, 0, 2)).view(kind)[:, :, 0]


def _unpack(blob: bytes) -> tuple[Any, _Data]:
    (size,) = _LENGTH.unpack_from(blob)
    whole = bytes(pa.decompress(blob[_LENGTH.size :], decompressed_size=size, codec="zstd", asbytes=True))
    (told,) = _LENGTH.unpack_from(whole)
    header = json.loads(whole[_LENGTH.size : _LENGTH.size + told])
    return header, _Data(whole, _LENGTH.size + told)
