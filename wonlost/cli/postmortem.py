"""The postmortem command: what happened to a closed deal, and what moved its odds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crm.tables import moment
from models.taxonomy import BUILT_IN
from wonlost.cli.console import (
    SIMULATED,
    StoreOption,
    err,
    open_store,
    out,
    readers_of,
    registry_of,
    settings,
    table,
    taxonomy_of,
)

if TYPE_CHECKING:
    from insights.postmortem import PostMortem, StatedReason, Step
    from insights.timeline import Happening

INPUTS = 4
"""Inputs told of each of the largest moves."""


def postmortem(
    deal: Annotated[str, typer.Argument(metavar="ID", help="Id of the deal in the CRM.")],
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="How to print it.")] = "text",
    store: StoreOption = "",
) -> None:
    """Look back on a closed deal: what happened, how its odds moved and what moved them, and deals like it."""
    from crm.ledger import rows_of_deal
    from features.history import History
    from insights.changes import Said
    from insights.postmortem import post_mortem, told_why
    from insights.reasons import answers
    from models.errors import NoChampionError
    from models.scoring import WinVersion

    chosen = settings(store)
    with open_store(chosen) as opened:
        crm = opened.load()
        taxonomies = {kind: taxonomy_of(chosen, kind) for kind in BUILT_IN}
        answered = answers(opened, taxonomies)
        kept = [Said.kept(run, rows) for run, rows in rows_of_deal(opened, deal)]
    registry = registry_of(chosen)
    model = None
    try:
        version = registry.champion()
        model = WinVersion(version.number, version.digest, registry.load(version))
    except NoChampionError:
        pass
    why = told_why(crm, taxonomies, answered, readers_of(chosen))
    found = post_mortem(History(crm), model, deal, kept, why)
    if form == "json":
        typer.echo(json.dumps(found.to_json(), indent=1))
        return
    _print(found)


def _why(item: StatedReason) -> str:
    if item.probability is None:
        return f"{item.reason} ({item.source})"
    words = ", ".join(f'"{word}"' for word in item.words)
    return f"{item.reason} ({100 * item.probability:.0f} %, by {words or 'its note'})"


def _print(found: PostMortem) -> None:
    when = ""
    if found.created_at is not None and found.closed_at is not None:
        when = f", entered {moment(found.created_at):%Y-%m-%d}, closed {moment(found.closed_at):%Y-%m-%d}"
    why = "; ".join(map(_why, found.reasons)) or "no reason was picked, and no note tells one"
    out.print(f"{found.deal_id}: {found.outcome}{when}; {why}", markup=False)
    if found.steps:
        out.print(table("how its odds moved", ["as of", "win", "points", "what happened before"], [
            [f"{moment(step.said.as_of):%Y-%m-%d}", f"{100 * step.said.p:.0f} %",
             "" if step.change is None else f"{100 * step.change.points:+.1f}", _happened(step.happened)]
            for step in found.steps
        ], right=9))  # fmt: skip
    else:
        out.print(table("what happened", ["when", ""], [
            [f"{moment(item.at):%Y-%m-%d}", item.words] for item in found.timeline
        ], right=9))  # fmt: skip
    if found.moves:
        out.print(table("what moved them most", ["week to", "points", "by"], [
            [f"{moment(step.said.as_of):%Y-%m-%d}", f"{100 * step.change.points:+.1f}", _inputs(step)]
            for step in found.moves if step.change is not None
        ], right=9))  # fmt: skip
    if found.kept:
        out.print(table("what was said at the time", ["as of", "win", "version"], [
            [f"{moment(item.as_of):%Y-%m-%d}", f"{100 * item.p:.0f} %", str(item.model_version)] for item in found.kept
        ]))  # fmt: skip
    if found.similar:
        out.print(table("deals like it, just before their close", ["deal", "ended", "closed", "win", "alike in"], [
            [item.deal_id, item.outcome, "" if item.closed_at is None else f"{moment(item.closed_at):%Y-%m-%d}",
             f"{100 * item.p:.0f} %", "; ".join(item.alike)] for item in found.similar
        ], right=9))  # fmt: skip
    for note in _notes(found):
        err.print(f"note: {note}", markup=False)


def _notes(found: PostMortem) -> list[str]:
    notes = list(found.notes)
    if found.learned_from:
        notes.append("in-sample: the model learned from this very deal, so it tells more than could be known then")
    elif any(step.said.in_sample for step in found.steps):
        notes.append("in-sample: the earlier moments lie before the model's training cut")
    if found.simulated:
        notes.append(f"this is {SIMULATED}")
    return notes


def _inputs(step: Step) -> str:
    assert step.change is not None
    shown = step.change.inputs[:INPUTS]
    lines = [f"{item.sentence} ({100 * item.points:+.1f})" for item in shown]
    rest = step.change.points - sum(item.points for item in shown)
    if len(step.change.inputs) > len(shown):
        lines.append(f"{len(step.change.inputs) - len(shown)} further inputs, together ({100 * rest:+.1f})")
    return "\n".join(lines)


def _happened(happened: Sequence[Happening]) -> str:
    """What happened in a week: activities counted, all else in words."""
    told = [item.words for item in happened if item.what != "activity"]
    counts = Counter(item.words.split(",")[0] for item in happened if item.what == "activity")
    told += [name if n == 1 else f"{n} x {name}" for name, n in sorted(counts.items())]
    return "; ".join(told)


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("postmortem")(postmortem)
