"""Commands that score: score and explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm.tables import DAY, CrmData, moment
from wonlost.cli.console import (
    SIMULATED,
    AsOfOption,
    StoreOption,
    UsageError,
    err,
    load,
    open_store,
    out,
    parse_as_of,
    registry_of,
    reject_future,
    settings,
    table,
)  # fmt: skip

if TYPE_CHECKING:
    from crm.ledger import Keeping
    from models.registry import Version
    from models.scoring import Scores
    from models.win import WinModel

EXTREMES = 5


def champion_of(store: str) -> tuple[CrmData, WinModel, Version]:
    """The store's data, and the model that serves."""
    chosen = settings(store)
    crm = load(chosen)
    registry = registry_of(chosen)
    version = registry.champion()
    return crm, registry.load(version), version


def moment_of(as_of: str, crm: CrmData) -> int:
    """The moment that `--as-of` names, or the newest one; not in the future."""
    from features.matrix import default_as_of

    asked = parse_as_of(as_of, crm)
    when = default_as_of(crm) if asked is None else asked
    reject_future(when, crm)
    return when


def score(
    as_of: AsOfOption = "",
    output: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.csv|.parquet", help="Where to write the scores of all deals.")
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Keep the scores and their reasons in the store, for `explain --since` and `audit`.")
    ] = True,
    store: StoreOption = "",
) -> None:
    """Score every deal open at a day, with its reasons; what the store knows of later days is ignored."""
    from crm.ledger import Keeping, Made
    from features.history import History
    from models.scoring import score_open
    from wonlost.scores_file import write_scores

    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {output}: write to a .csv or a .parquet file")
    crm, model, version = champion_of(store)
    when = moment_of(as_of, crm)
    history = History(crm)
    in_sample = _in_sample(crm, model, when)
    made = Made(when, crm.imported_at, version.number, version.digest, in_sample)
    with open_store(settings(store)) as opened:
        keeping = Keeping(opened, made) if keep else None
        batches = _packed(score_open(history, model, when), keeping)
        if output is not None:
            n, extremes = write_scores(batches, version.number, output, EXTREMES, timed=_timed(crm, model))
        else:
            n, extremes = _extremes(batches)
        if keeping is not None:
            _finish(keeping)
    _notes(crm, model, when)
    told = f"open at {moment(when):%Y-%m-%d}" if crm.process.time_basis == "dates" else "open"
    out.print(f"{n:,} deals {told}, scored by version {version.number} ({model.recipe}); base rate "
              f"{100 * model.base_rate:.0f} %", markup=False)  # fmt: skip
    for title, rows in extremes.items():
        out.print(table(title, ["deal", "win", "band", "why (points)"], rows, right=9))
    if output is not None:
        out.print(f"wrote {output}", markup=False)


def _timed(crm: CrmData, model: WinModel) -> bool:
    """Whether scores say when."""
    return model.outlook is not None and crm.process.time_basis == "dates"


def _packed(batches: Iterable[Scores], keeping: Keeping | None) -> Iterator[Scores]:
    """The batches, each packed for the ledger as it comes by."""
    from models.kept import facts_of, kept_rows

    for scores in batches:
        if keeping is not None:
            keeping.add(kept_rows(scores), facts_of(scores))
        yield scores


def _finish(keeping: Keeping) -> None:
    """Store the run, and let go of those that are too old."""
    from crm.ledger import forget

    days = settings().keep_scores_days
    run = keeping.finish()
    if keeping.known is not None:
        err.print(f"note: this very run was kept before, as run {run.id}; nothing changed", markup=False)
    elif days:
        forget(keeping.store, run.made_at - days * DAY)


def _in_sample(crm: CrmData, model: WinModel, when: int) -> bool:
    return model.dated and crm.process.time_basis == "dates" and when < model.trained_before


def _notes(crm: CrmData, model: WinModel, when: int) -> None:
    if _in_sample(crm, model, when):
        until = f"{moment(model.trained_before):%Y-%m-%d}"
        told = "so it may have seen how these deals ended"
        err.print(f"note: in-sample: the model learned from what was known before {until}, {told}", markup=False)
    if crm.process.simulated:
        err.print(f"note: scores of {SIMULATED}", markup=False)


def _extremes(batches: Iterable[Scores]) -> tuple[int, dict[str, list[list[str]]]]:
    """Number of deals, and the most and least likely of them."""
    from wonlost.scores_file import Extremes

    kept, n = Extremes(EXTREMES), 0
    for batch in batches:
        kept.add(batch)
        n += len(batch)
    return n, kept.tables()


def explain(
    deal: Annotated[str, typer.Argument(metavar="ID", help="Id of the deal in the CRM.")],
    as_of: AsOfOption = "",
    since: Annotated[
        str, typer.Option("--since", metavar="DATE", help="Say instead what moved the score since this day.")
    ] = "",
    store: StoreOption = "",
) -> None:
    """Say why a deal has the win probability it has: every reason, in points that add up."""
    import numpy as np

    from features.history import History
    from features.matrix import open_at
    from models.scoring import WinVersion, score_pairs
    from models.timing import HORIZONS

    crm, model, version = champion_of(store)
    when = moment_of(as_of, crm)
    history = History(crm)
    if since:
        from wonlost.cli.history import explain_since

        with open_store(settings(store)) as opened:
            explain_since(opened, history, WinVersion(version.number, version.digest, model), deal, since, when)
        _notes(crm, model, when)
        return
    code = history.code(deal)
    if code is None:
        raise UsageError(f"there is no deal {deal!r} in the store")
    pairs = open_at(history, when)
    pairs = pairs.take(np.flatnonzero(pairs.deal == code).astype(np.int64))
    if not len(pairs):
        raise UsageError(f"deal {deal!r} was not open at {moment(when):%Y-%m-%d}")
    dated = crm.process.time_basis == "dates"
    scores = score_pairs(history, model, pairs, when if dated else None)
    _notes(crm, model, when)
    told = f" on {moment(when):%Y-%m-%d}" if dated else ""
    by = f"({scores.band.strings()[0]}; version {version.number})"
    known = f"between {100 * scores.lower[0]:.0f} and {100 * scores.upper[0]:.0f} %"
    out.print(f"{deal}: {100 * scores.p[0]:.1f} % to be won, {known}{told} {by}", markup=False)
    rows = [["base rate: share won among the deals it learned from", f"{100 * scores.base_rate:.1f}"],
            ["from the base rate to the model's average deal", f"{100 * scores.step:+.1f}"]]  # fmt: skip
    rows += [[reason.sentence, f"{100 * reason.points:+.1f}"] for reason in scores.reasons(0)]
    rows.append(["win probability", f"{100 * scores.p[0]:.1f}"])
    out.print(table("", ["", "points"], rows))
    if scores.won_within is not None:
        told = ", ".join(f"{days} days {100 * p:.1f} %" for days, p in zip(HORIZONS, scores.won_within[0], strict=True))
        out.print(f"won within {told}", markup=False)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("score")(score)
    app.command("explain")(explain)
