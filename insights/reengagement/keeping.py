"""Queues kept in files, as making one takes seconds: by the import, the moment and everything else they rest on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from insights.money import Rates
from insights.reengagement.options import Options
from insights.reengagement.rows import Queue
from models.taxonomy import Taxonomy

FORMAT = 3
"""Raised whenever a queue of the same data may come out differently, so that none of an earlier version is shown."""
MOST_KEPT = 20
"""Files kept; the ones longest unused go first."""
_ADAPTER = TypeAdapter(Queue)


def queue_key(
    store: str, import_id: int, imported_at: int, as_of: int, options: Options, taxonomy: Taxonomy, rates: Rates | None,
    reader: str,
) -> str:  # fmt: skip
    """Name of a queue's file: a digest of all that it rests on.

    Args:
        store: What names the store.
        import_id: Number of its newest import.
        imported_at: When that was, in microseconds.
        as_of: Moment of the queue, in microseconds.
        options: How it is made.
        taxonomy: The reasons.
        rates: What amounts are converted by.
        reader: What names all that its notes were taken to say (`Reader.key`).
    """
    parts = [FORMAT, store, import_id, imported_at, as_of, asdict(options), taxonomy.digest, reader,
             None if rates is None else [rates.base, dict(sorted(rates.rates.items()))]]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def kept(folder: Path, key: str, make: Callable[[], Queue]) -> Queue:
    """The queue of a key: read from the folder if it is there, else made and kept.

    A file that cannot be read is made anew, and a folder that cannot be written to is no reason to fail.
    """
    path = folder / f"{key}.json"
    try:
        found = _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        found = make()
        _keep(path, _ADAPTER.dump_json(found))
    else:
        _touch(path)
    return found


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        return


def _keep(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(path)
        files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[MOST_KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:
        return
