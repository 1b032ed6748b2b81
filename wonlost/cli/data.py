"""Commands about data: import, mapping suggest, simulate."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm.tables import moment
from wonlost.cli.console import SIMULATED, StoreOption, UsageError, err, open_store, out, progress_bar, settings, table

if TYPE_CHECKING:
    from crm.importing import ImportReport


def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="A folder or files: CSV, CSV.gz or Parquet.")],
    mapping: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help="A built-in mapping or your own; recognised by default.")
    ] = "",
    store: StoreOption = "",
) -> None:
    """Take a CRM export into the store: all of it or nothing; the same export twice changes nothing."""
    from crm.importing import import_export
    from crm.mapping import load_mapping, recognise

    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
    chosen = load_mapping(mapping) if mapping else recognise(paths[0])
    with open_store(settings(store)) as opened:
        report = import_export(paths, chosen, opened)
    told = "; this very export was imported before, nothing changed" if report.unchanged else ""
    out.print(f"mapping: {report.mapping}{told}", markup=False)
    rows = [[item.table, *(f"{n:,}" for n in (item.rows, item.new, item.changed, item.unchanged))]
            for item in report.tables]  # fmt: skip
    out.print(table("", ["table", "rows", "new", "changed", "unchanged"], rows))
    for line in _summary(report):
        out.print(line, markup=False)
    for warning in report.warnings:
        err.print(f"note: {warning}", markup=False)


def _summary(report: ImportReport) -> list[str]:
    """What was taken in, when each column is known, and what was left out."""
    span = ""
    if report.first is not None and report.last is not None:
        span = f"; events from {moment(report.first):%Y-%m-%d} to {moment(report.last):%Y-%m-%d}"
    lines = [f"deals: {report.won:,} won, {report.lost:,} lost, {report.open:,} open{span}"]
    words = {"created": "known at entry", "history": "known from their history", "closed": "known only at the close"}
    for known, label in words.items():
        names = [f"{item.table}.{item.name}" for item in report.columns if item.known == known]
        if names:
            lines.append(f"{label}: {', '.join(names)}")
    lines += [f"left out of {file.name} (not declared in the mapping): {', '.join(file.left_out)}"
              for file in report.files if file.left_out]  # fmt: skip
    if report.files_left_out:
        lines.append(f"files left out: {', '.join(report.files_left_out)}")
    return lines


def suggest(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder or file of an export.")],
    output: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.toml", help="Where to write; the terminal by default.")
    ] = None,
) -> None:
    """Write a starting mapping for an export: every column's guess, and what was left out."""
    from crm.suggest import suggest as suggest_mapping

    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    text = suggest_mapping(path)
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text)
        out.print(f"wrote {output}; look through it, then: wonlost import {path} --mapping {output}", markup=False)


def simulate(
    deals: Annotated[int, typer.Option(min=1, help="How many deals.")],
    output: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the CSV files.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    until: Annotated[str, typer.Option(metavar="DATE", help="Day of the export.")] = "2026-09-30",
    difficulty: Annotated[
        float, typer.Option(help="How much is hidden: 0.5 is an easy CRM, 1 the usual, 2 a hard one. The hidden "
                                 "quality of a deal counts so many times, and shows itself as many times less.")
    ] = 1.0,
    truth: Annotated[
        bool, typer.Option(help="Also write truth.parquet, the true win probability of every open deal on every "
                                "Monday, and winbacks.parquet, those of winning accounts back; no import reads them. "
                                "It takes a quarter of a minute, and more for many.")
    ] = True,
) -> None:  # fmt: skip
    """Write the export of a simulated CRM: accounts, owners, stages, activities, notes; all of it made up."""
    from crm.simulate import Parameters, write
    from crm.simulate import simulate as simulate_crm

    try:
        last = date.fromisoformat(until)
    except ValueError:
        raise UsageError(f"--until {until!r} is not a date; write it as 2026-09-30") from None
    if not 0.25 <= difficulty <= 4.0:
        raise UsageError(f"--difficulty {difficulty:g} is not between 0.25 and 4")
    with progress_bar() as bar:
        task = bar.add_task("simulating", total=1.0)
        crm = simulate_crm(
            deals, seed, until=last, parameters=Parameters(difficulty=difficulty), weekly_truth=truth,
            winback_truth=truth, progress=lambda what, share: bar.update(task, description=what, completed=share),
        )  # fmt: skip
        bar.update(task, description="writing", completed=1.0)
        write(crm, output)
    told = "" if crm.weekly_truth is None else f", and their true win probabilities on {len(crm.weekly_truth):,} rows"
    out.print(f"wrote {deals:,} simulated deals to {output} ({SIMULATED}: none of it is real){told}", markup=False)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("import")(import_)
    app.command("simulate")(simulate)
    mapping = typer.Typer(help="Mappings from exports to wonlost's tables.", no_args_is_help=True)
    mapping.command("suggest")(suggest)
    mapping.command("list")(list_mappings)
    app.add_typer(mapping, name="mapping")


def list_mappings() -> None:
    """List the built-in mappings."""
    from crm.mapping import builtin_mappings, load_mapping

    for name in builtin_mappings():
        out.print(f"{name}: {load_mapping(name).description}", markup=False)
