"""What moved a deal's score since a day: the part of `explain` that looks back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm.tables import moment
from wonlost.cli.console import UsageError, out, parse_as_of, table

if TYPE_CHECKING:
    from crm.store import Store
    from features.history import History
    from insights.changes import Said
    from models.scoring import WinVersion

SMALL = 0.0005
"""Points of an input that are not worth a line of their own."""


def explain_since(store: Store, history: History, model: WinVersion, deal: str, since: str, as_of: int) -> None:
    """Print what moved a deal's score since a day, and the scores of it that were kept.

    Args:
        store: Where scores are kept.
        history: All deals.
        model: The model that serves.
        deal: Id of the deal.
        since: The day.
        as_of: The later moment, in microseconds.

    Raises:
        UsageError: The day is none, or not before `as_of`.
        NothingToTellError: The deal is unknown, or was not open at one of the moments.
    """
    from crm.ledger import rows_of_deal
    from insights import changes

    start = parse_as_of(since, history.crm)
    if start is None or start >= as_of:
        raise UsageError(f"--since {since} is not before {moment(as_of):%Y-%m-%d}")
    kept = [changes.Said.kept(run, rows) for run, rows in rows_of_deal(store, deal, until=as_of)]
    found = changes.since(history, model, kept, deal, start, as_of)
    before, after = found.before, found.after
    out.print(f"{deal}: from {_told(before)} to {_told(after)}: {100 * found.points:+.1f} points", markup=False)
    rows = [[f"win probability on {moment(before.as_of):%Y-%m-%d}", f"{100 * before.p:.1f}"]]
    if found.model is not None:
        rows.append([found.model.sentence, f"{100 * found.model.points:+.1f}"])
    small = [item for item in found.inputs if abs(item.points) < SMALL]
    rows += [[item.sentence, f"{100 * item.points:+.1f}"] for item in found.inputs if abs(item.points) >= SMALL]
    if small:
        rows.append([f"{len(small)} further inputs, together", f"{100 * sum(item.points for item in small):+.1f}"])
    rows.append([f"win probability on {moment(after.as_of):%Y-%m-%d}", f"{100 * after.p:.1f}"])
    out.print(table("", ["", "points"], rows))
    between = [item for item in kept if item.as_of >= start]
    if between:
        out.print(table("scores that were kept", ["as of", "win", "version", "kept (UTC)"], [
            [f"{moment(item.as_of):%Y-%m-%d}", f"{100 * item.p:.1f} %", str(item.model_version),
             f"{moment(item.made_at or 0):%Y-%m-%d %H:%M}"] for item in between
        ]))  # fmt: skip


def _told(said: Said) -> str:
    how = "worked out now" if said.made_at is None else "as it was kept"
    in_sample = ", in-sample" if said.in_sample else ""
    return f"{100 * said.p:.1f} % on {moment(said.as_of):%Y-%m-%d} (version {said.model_version}, {how}{in_sample})"
