"""Commands about lost deals worth another call: reengage, reengage mark, reengage compare."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm.tables import CrmData, micros
from models.errors import ModelError, NoChampionError
from wonlost.cli.console import (
    SIMULATED,
    AsOfOption,
    StoreOption,
    UsageError,
    err,
    load_reasons,
    open_store,
    out,
    parse_as_of,
    rates_of,
    reject_future,
    sentence_encoder,
    settings,
    table,
    taxonomy_of,
)  # fmt: skip
from wonlost.csv_cells import neutral

if TYPE_CHECKING:
    from crm.store import Store
    from insights.reengagement.comparing import Comparison, Rate
    from insights.reengagement.reasons import Reader
    from insights.reengagement.rows import Queue, Row
    from insights.reengagement.worklist import Worklist
    from models.reasons import SentenceEncoder
    from models.taxonomy import Taxonomy
    from wonlost.settings import Settings

HorizonOption = Annotated[int, typer.Option(help="Months in which a deal must be won to count: 6, 12 or 18.")]


def queue(
    context: typer.Context,
    as_of: AsOfOption = "",
    limit: Annotated[int, typer.Option(min=1, help="Most deals, of each currency.")] = 20,
    horizon: HorizonOption = 12,
    output: Annotated[
        str, typer.Option("--out", metavar="csv|json|FILE", help="Print as CSV or JSON, or write a .csv or .json file; "
                                                                 "with everything that there is about each deal.")
    ] = "",
    hold_out: Annotated[
        float, typer.Option(metavar="SHARE", help="Draw this share of the queue's accounts at random, to be left alone "
                                                  "from now on: `wonlost reengage compare` says later what calling "
                                                  "the others brought.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    store: StoreOption = "",
) -> None:  # fmt: skip
    """List lost deals worth another call: probability that the account comes back and is won, times expected amount.

    It describes who comes back; it does not claim that calling causes it.
    """
    if context.invoked_subcommand is not None:
        return
    from crm.marks import draw, draws
    from insights.reengagement.worklist import account_key, worklist

    kind = _kind_of(output)
    if hold_out and not 0 < hold_out < 1:
        raise UsageError(f"--hold-out {hold_out:g} must lie between 0 and 1, such as 0.2")
    chosen = settings(store)
    with open_store(chosen) as opened:
        crm = opened.load()
        when, current = _moment(as_of, crm)
        made = _made(chosen, opened, crm, when, horizon)
        if hold_out:
            drawn = draw(opened, [(row.id, account_key(row)) for row in made.rows], share=hold_out, seed=seed,
                         as_of=when)  # fmt: skip
        else:
            drawn = draws(opened)
        marks, today = _marks(opened, when, current)
        left = worklist(made, marks, drawn, today, limit)
    _tell(made, left, output, kind)


def _kind_of(output: str) -> str:
    kind = output if output in ("", "csv", "json") else Path(output).suffix.lstrip(".")
    if kind not in ("", "csv", "json"):
        raise UsageError(f"--out {output}: csv, json, or a .csv or .json file")
    return kind


def _moment(as_of: str, crm: CrmData) -> tuple[int, bool]:
    """The moment asked about, and whether it is the present one."""
    from features.matrix import default_as_of

    asked = parse_as_of(as_of, crm)
    present = default_as_of(crm)
    when = present if asked is None else asked
    reject_future(when, crm)
    return when, when >= present


def _marks(opened: Store, when: int, current: bool) -> tuple[dict[str, Any], int]:
    """The marks that count and the day that snoozed deals wait for: today's, or those of a past moment."""
    from crm.marks import all_marks

    today = micros(datetime.now(UTC)) if current else when
    return {mark.opportunity_id: mark for mark in all_marks(opened) if current or mark.at < when}, today


def _made(chosen: Settings, opened: Store, crm: CrmData, when: int, horizon: int) -> Queue:
    from features.history import History
    from insights.reengagement.keeping import kept, queue_key
    from insights.reengagement.options import HORIZONS
    from insights.reengagement.queue import make_queue

    if horizon not in HORIZONS:
        raise UsageError(f"--horizon {horizon}: win-backs are followed for {', '.join(map(str, HORIZONS))} months")
    options, taxonomy = chosen.reengagement(horizon), taxonomy_of(chosen, "loss")
    rates = rates_of(chosen)
    encoder = sentence_encoder(chosen)
    reader = _reader(chosen, opened, taxonomy, encoder)
    key = queue_key(chosen.store_url, opened.last_import(), crm.imported_at, when, options, taxonomy, rates, reader.key)

    def make() -> Queue:
        made = make_queue(History(crm), when, options, taxonomy, reader=reader, rates=rates)
        if encoder is not None:
            encoder.save_cache()
        return made

    return kept(chosen.var / "reengagement", key, make)


def _reader(chosen: Settings, opened: Store, taxonomy: Taxonomy, encoder: SentenceEncoder | None) -> Reader:
    """What notes say: people's answers, and the champion's readings where there is one that can be used."""
    from crm.labels import labels
    from insights.reengagement.reasons import Reader

    answers = labels(opened, "loss", renaming=taxonomy.current_id)
    try:
        model, version = load_reasons(chosen)
    except NoChampionError:
        return Reader(None, answers)  # the queue says so itself
    except ModelError as error:
        err.print(f"note: {error}", markup=False)
        return Reader(None, answers)
    return Reader((model if encoder is None else model.with_cache(encoder)).classify, answers, version.digest)


def _tell(made: Queue, left: Worklist, output: str, kind: str) -> None:
    from pydantic_core import to_json

    if kind == "json":
        text = to_json({**vars(made), "rows": left.rows, "total": left.total, "hidden": left.hidden}, indent=1).decode()
        _write(text + "\n", output)
    elif kind == "csv":
        _write_csv(left.rows, output)
    else:
        _print(made, left)
    for note in made.notes:
        err.print(f"note: {note}", markup=False)
    if made.simulated:
        err.print(f"note: a queue of {SIMULATED}", markup=False)


def _write(text: str, output: str) -> None:
    if output in ("csv", "json"):
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {output}: {error.strerror}") from None
    out.print(f"wrote {output}", markup=False)


def _write_csv(rows: list[Row], output: str) -> None:
    import io
    from dataclasses import fields

    from insights.reengagement.rows import Row as Columns

    names = [item.name for item in fields(Columns)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = vars(row) | {"why": " | ".join(row.why), "evidence": " | ".join(row.evidence),
                              "similar": " | ".join(f"{item.lost} > {item.won}" for item in row.similar)}  # fmt: skip
        cells = ["" if values[name] is None else values[name] for name in names]
        writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in cells])
    _write(text.getvalue(), output)


def _print(made: Queue, left: Worklist) -> None:
    from insights.money import money_words

    head = f"{left.total:,} lost deals worth a call" + (f" at {made.as_of}" if made.as_of is not None else "")
    out.print(f"{head}; won back within {made.horizon} months, by {made.method}: {made.why}", markup=False)
    gone = {**made.excluded, **left.hidden}
    if gone:
        told = "; ".join(f"{n:,} {why}" for why, n in sorted(gone.items(), key=lambda item: -item[1]))
        out.print(f"left out: {told}", markup=False)
    for currency in dict.fromkeys(row.currency for row in left.rows):
        rows = [
            [str(row.rank), row.id, row.account or row.account_id or "", row.owner or row.owner_id or "",
             "" if row.amount is None else money_words(row.amount, currency), row.reason_name or "",
             "" if row.best_date is None else row.best_date.isoformat(),
             f"{100 * row.probability:.0f} % [{100 * row.lower:.0f}, {100 * row.upper:.0f}]",
             "" if row.expected_value is None else money_words(row.expected_value, currency),
             "\n".join(_told(row))]
            for row in left.rows if row.currency == currency
        ]  # fmt: skip
        out.print(table(currency, ["", "deal", "account", "owner", "amount", "lost for", "call", "won back", "value",
                                   "why"], rows, right=10))  # fmt: skip


def _told(row: Row) -> list[str]:
    """What is said about a deal beside its figures, line by line."""
    came = ", ".join(f"{item.lost} as {item.won} after {item.days:,} days" for item in row.similar)
    told = {"words": row.words, "told by": ", ".join(map(repr, row.evidence)), "different now": row.hint,
            "call": row.best_date_why, "like it, came back": came}  # fmt: skip
    return [*row.why, *(f"{name}: {text}" for name, text in told.items() if text)]


def mark(
    deal: Annotated[str, typer.Argument(metavar="ID", help="Id of the lost deal in the CRM.")],
    kind: Annotated[str, typer.Argument(metavar="contacted|snoozed|dismissed", help="What was done.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="Day until which a snoozed deal rests.")] = "",
    by: Annotated[str, typer.Option(help="Who did it; by default the user of this machine.")] = "",
    store: StoreOption = "",
) -> None:
    """Mark a lost deal as contacted, snoozed until a day, or dismissed; it leaves the queue, and all marks are kept."""
    from getpass import getuser

    from crm.errors import MarkError
    from crm.marks import add_mark, outcome_of

    try:
        rests = micros(datetime.fromisoformat(until)) if until else None
    except ValueError:
        raise UsageError(f"--until {until!r} is not a date; write it as 2027-01-31") from None
    with open_store(settings(store)) as opened:
        outcome = outcome_of(opened, deal)
        if outcome != "lost":
            told = f"there is no deal {deal!r} in the store" if outcome is None else f"deal {deal!r} is not a lost one"
            raise MarkError(told)
        set_mark = add_mark(opened, deal, kind, by=by or getuser(), until=rests)
    told = f" until {until}" if until else ""
    out.print(f"{deal}: {set_mark.kind}{told}, by {set_mark.by}", markup=False)


def compare(
    as_of: AsOfOption = "",
    horizon: HorizonOption = 12,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    store: StoreOption = "",
) -> None:
    """Say whether offering deals for a call brought more win-backs than leaving them alone (see --hold-out)."""
    from crm.marks import all_marks, draws
    from features.history import History
    from insights.reengagement.comparing import compare as compared
    from insights.reengagement.options import HORIZONS

    if horizon not in HORIZONS:
        raise UsageError(f"--horizon {horizon}: win-backs are followed for {', '.join(map(str, HORIZONS))} months")
    chosen = settings(store)
    with open_store(chosen) as opened:
        crm = opened.load()
        when, _ = _moment(as_of, crm)
        found = compared(History(crm), when, chosen.reengagement(horizon), draws(opened), all_marks(opened))
    if as_json:
        sys.stdout.write(json.dumps(_plain(found), indent=1) + "\n")
        return
    out.print(found.told, markup=False)
    rows = [["offered", *_cells(found.offered)], ["held out", *_cells(found.held_out)]]
    rows += [[f"marked {name}", *_cells(rate)] for name, rate in found.by_mark.items()]
    out.print(table("", ["", "deals", "won back", "rate", "still followed"], rows))
    if found.by_mark:
        err.print("note: rates by mark compare what people chose with what they did not, and say nothing of causes",
                  markup=False)  # fmt: skip


def _plain(found: Comparison) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found) | {"as_of": found.as_of.isoformat()}


def _cells(rate: Rate) -> list[str]:
    if rate.rate is None or rate.lower is None or rate.upper is None:
        return ["0", "", "", f"{rate.waiting:,}"]
    told = f"{100 * rate.rate:.1f} % [{100 * rate.lower:.1f}, {100 * rate.upper:.1f}]"
    return [f"{rate.deals:,}", f"{rate.won_back:,}", told, f"{rate.waiting:,}"]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    reengage = typer.Typer(help="Lost deals worth another call.", invoke_without_command=True)
    reengage.callback()(queue)
    reengage.command("mark")(mark)
    reengage.command("compare")(compare)
    app.add_typer(reengage, name="reengage")
