"""Commands about the reasons of won and lost deals: taxonomy show, check, new."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.taxonomy import BUILT_IN, Taxonomy, load_taxonomy, read_taxonomy_text
from wonlost.cli.console import UsageError, err, out, settings, table, taxonomy_of

if TYPE_CHECKING:
    from models.taxonomy.checking import Change
    from models.taxonomy.labels import Labels

FileArgument = Annotated[
    str, typer.Argument(metavar="[loss|win|FILE]", help="The reasons in use of lost or won deals, or a file.")
]


def _taxonomy(name: str) -> Taxonomy:
    """The one in use for `loss` and `win`, else the one of a file."""
    return taxonomy_of(settings(), name) if name in BUILT_IN else load_taxonomy(name)


def show(name: FileArgument = "loss") -> None:
    """List the reasons with their definitions."""
    taxonomy = _taxonomy(name)
    rows = []
    for reason in taxonomy.reasons:
        told = "" if reason.counts else " (not a reason: left out of rates)"
        rows.append([reason.group, reason.id, f"{reason.definition}{told}"])
    out.print(table("", ["group", "reason", "meaning"], rows, right=9))
    out.print(_headline(taxonomy), markup=False)


def _headline(taxonomy: Taxonomy) -> str:
    seeds = sum(len(reason.seeds) for reason in taxonomy.reasons)
    return (f"{taxonomy.name} (kind {taxonomy.kind}): {len(taxonomy.reasons)} reasons, {seeds:,} seed phrases; "
            f"SHA-256 {taxonomy.digest[:12]}")  # fmt: skip


def check(
    name: FileArgument = "loss",
    against: Annotated[
        str, typer.Option(metavar="OLD.toml", help="The one used until now: says what becomes of its labels.")
    ] = "",
    labels: Annotated[
        Path | None, typer.Option(metavar="LABELS.csv", help="Labels that there are, with columns text and reason.")
    ] = None,
) -> None:
    """Validate a file of reasons, show what a model could confuse, and say what a change means for labels.

    Exit code 0: it can be used, whatever the notes say. 1: it cannot; every fault is told with its line.
    """
    from models.taxonomy.checking import added, changes, collisions
    from models.taxonomy.labels import read_labels

    taxonomy = _taxonomy(name)
    old = _taxonomy(against) if against else None
    found: Labels | None = read_labels(labels) if labels is not None else None
    out.print(_headline(taxonomy), markup=False)
    pairs = collisions(taxonomy)
    if pairs:
        rows = [[pair.what, pair.first, pair.first_text, pair.second, pair.second_text, f"{pair.similarity:.2f}"]
                for pair in pairs]  # fmt: skip
        out.print(table("collisions: nearly the same text for two reasons",
                        ["", "reason", "text", "and", "text", "similarity"], rows, right=5))  # fmt: skip
    else:
        out.print("no collisions")
    if old is None and found is None:
        return
    _print_changes(changes(taxonomy, old, found.counts if found is not None else None))
    if old is not None:
        new = added(taxonomy, old)
        out.print(f"new, without labels: {', '.join(new)}" if new else "no new reasons", markup=False)
    if found is not None and found.unlabelled:
        err.print(f"note: {found.unlabelled:,} rows of {found.file} have no reason and were left out", markup=False)


def _print_changes(found: tuple[Change, ...]) -> None:
    rows = []
    for change in found:
        told = change.fate + (f" from {change.groups[0]} to {change.groups[1]}" if change.groups else "")
        count = "" if change.labels is None else f"{change.labels:,}"
        rows.append([change.id, told, ", ".join(change.to), count])
    out.print(table("labels", ["reason", "what becomes of them", "now", "labels"], rows, right=3))
    for fate, told in (("split", "need a new look: their reason was split"), ("gone", "have no place any more")):
        those = [change for change in found if change.fate == fate]
        if those:
            known = all(change.labels is not None for change in those)
            many = f"{sum(change.labels or 0 for change in those):,} labels" if known else "labels"
            err.print(f"note: {many} of {', '.join(change.id for change in those)} {told}", markup=False)


def new(
    source: Annotated[
        str,
        typer.Option("--from", metavar="LABELS.csv|loss|win", help="Labels with columns text and reason (several "
                     "separated by |), or a built-in taxonomy to be copied."),
    ],
    output: Annotated[Path, typer.Option("--out", metavar="FILE.toml", help="Where to write; must not be there yet.")],
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="What labels are about: loss, win, or a name of one's own.")
    ] = "own",
) -> None:  # fmt: skip
    """Write a starting file of reasons: from the names of labels, or as a copy of a built-in one, to be edited."""
    from models.taxonomy.labels import read_labels
    from models.taxonomy.starting import starter

    if not kind.strip():
        raise UsageError("--kind must say something: loss, win, or a name of your own")
    if output.exists():
        raise UsageError(f"--out {output} is there already; remove it first, or choose another name")
    if source in BUILT_IN:
        text, told = read_taxonomy_text(source), f"a copy of the built-in {source} reasons"
    else:
        labels = read_labels(Path(source))
        text = starter(labels, kind)
        told = f"{len(labels.counts):,} reasons from {len(labels.texts):,} labels"
    output.write_text(text, encoding="utf-8")
    out.print(f"wrote {output}: {told}; edit it, then: wonlost taxonomy check {output}", markup=False)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    taxonomy = typer.Typer(help="Reasons of lost and won deals: one file, which a company edits.", no_args_is_help=True)
    for command in (show, check, new):
        taxonomy.command(command.__name__)(command)
    app.add_typer(taxonomy, name="taxonomy")
