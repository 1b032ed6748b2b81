"""The audit command: past scores against what has happened since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crm.tables import moment
from wonlost.cli.console import (
    SIMULATED,
    StoreOption,
    UsageError,
    err,
    open_store,
    out,
    parse_as_of,
    registry_of,
    settings,
    table,
)  # fmt: skip

if TYPE_CHECKING:
    from crm.store import Store
    from insights.audit import Audit
    from insights.drift import InputDrift
    from insights.judged import Slice
    from models.registry import Registry
    from models.resampling import Interval
    from models.scoring import WinVersion

SHOWN_INPUTS = 10
Part = tuple[str, list[str], list[list[str]]]
"""Title, columns and rows of a table."""
ByOption = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="GROUP", help="stage, team (of the owner), time (quarters), version; all by default."),
]


def audit(
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="Judge scores for this day and later.")] = "",
    by: ByOption = None,
    form: Annotated[Literal["text", "json", "md"], typer.Option("--format", help="How to print it.")] = "text",
    log: Annotated[bool, typer.Option(help="Log the figures to MLflow, as a run of the experiment.")] = True,
    store: StoreOption = "",
) -> None:
    """Hold the scores that were kept against what has happened since, and say whether deals have changed."""
    from features.history import History
    from insights.audit import audit as judge
    from insights.judged import GROUPINGS

    unknown = [name for name in by or () if name not in GROUPINGS]
    if unknown:
        raise UsageError(f"--by {unknown[0]}: choose from {', '.join(GROUPINGS)}")
    chosen = settings(store)
    registry = registry_of(chosen)
    with open_store(chosen) as opened:
        history = History(opened.load())
        start = parse_as_of(since, history.crm)
        model = _model_of_newest(opened, registry, start)
        found = judge(opened, history, model, since=start, by=by or GROUPINGS)
    if form == "json":
        typer.echo(json.dumps(found.to_json(), indent=1))
    else:
        _print(found, form)
    if log:
        from training.tracking import Tracker

        tags = {"judged": f"{moment(found.since):%Y-%m-%d} to {moment(found.until):%Y-%m-%d}",
                "breaches": "\n".join(item.sentence for item in found.breaches),
                "simulated": str(found.simulated).lower()}  # fmt: skip
        Tracker(registry, chosen.artifacts).record_audit(found.metrics(), tags)


def _model_of_newest(store: Store, registry: Registry, since: int | None) -> WinVersion | None:
    """The model of the newest run that counts; None where there is none, or it is not in the registry as it was."""
    from crm.ledger import runs
    from models.errors import UnknownVersionError
    from models.scoring import WinVersion

    honest = [run for run in runs(store, since=since) if not run.made.in_sample]
    if not honest:
        return None
    made = honest[-1].made
    try:
        version = registry.version(made.model_version)
    except UnknownVersionError:
        return None
    if version.digest != made.model_digest:
        return None
    return WinVersion(version.number, version.digest, registry.load(version))


def _print(found: Audit, form: str) -> None:
    lines = _lines(found)
    if form == "md":
        typer.echo("# Audit of past scores\n")
        typer.echo("\n".join(f"- {line}" for line in lines) + "\n")
        for title, columns, rows in _parts(found):
            head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
            typer.echo("\n".join([f"## {title}", "", *head, *("| " + " | ".join(row) + " |" for row in rows), ""]))
        return
    for line in lines:
        out.print(line, markup=False)
    for title, columns, rows in _parts(found):
        out.print(table(title, columns, rows))
    for note in found.notes:
        err.print(f"note: {note}", markup=False)
    if found.simulated:
        err.print(f"note: scores of {SIMULATED}", markup=False)


def _lines(found: Audit) -> list[str]:
    from insights.breaches import ADVICE

    versions = ", ".join(map(str, found.versions))
    lines = [f"{found.n_runs} runs for {moment(found.since):%Y-%m-%d} to {moment(found.until):%Y-%m-%d} (of "
             f"{found.n_kept} kept), {found.n_deals:,} deals, by version {versions}; outcomes known until "
             f"{moment(found.known_until):%Y-%m-%d}"]  # fmt: skip
    if found.overall is not None:
        one = found.overall
        lines.append(f"{one.n_deals:,} of them have closed, {one.n_open:,} are still open and count as neither: said "
                     f"{100 * one.said:.1f} % on average, won {100 * one.won:.1f} % (difference "
                     f"{_interval(one.gap, 100)} points); calibration slope {_interval(one.slope)}, intercept "
                     f"{_interval(one.intercept)}, error {100 * one.metrics.ece:.1f} points "
                     f"[{100 * one.metrics.ece_lower:.1f}, {100 * one.metrics.ece_upper:.1f}]")  # fmt: skip
    if found.win_rate is not None:
        rate = found.win_rate
        lines.append(f"win rate: {100 * rate.after:.1f} % of {rate.n_after:,} deals closed since the model was "
                     f"trained, {100 * rate.before:.1f} % of {rate.n_before:,} in the year before (PSI "
                     f"{rate.psi:.3f})")  # fmt: skip
    if found.inputs:
        lines.append(f"reasons' mix: PSI {found.reasons_psi:.3f} against what the model learned from")
    lines += [f"warning: {item.sentence}" for item in found.breaches]
    lines.append(f"advice: {ADVICE}" if found.breaches else "nothing is out of bounds")
    return lines


def _parts(found: Audit) -> list[Part]:
    parts: list[Part] = []
    if found.bins:
        rows = [[f"{item.n:,.0f}", f"{100 * item.predicted:.1f}", f"{100 * item.observed:.1f}"] for item in found.bins]
        parts.append(("what was said, and what came true (scores of deals closed since, weighed for those still open)",
                      ["scores", "said %", "won %"], rows))  # fmt: skip
    for name, slices in found.groups.items():
        if slices:
            parts.append((f"by {name}", ["", "deals", "open", "said %", "won %", "difference", "slope", "ECE"],
                          [_row(item) for item in slices]))  # fmt: skip
    shown = _shown(found.inputs)
    if shown:
        rows = [[item.label, f"{item.psi:.3f}", f"{item.chance:.3f}", f"{100 * item.share:.1f}"] for item in shown]
        parts.append(("inputs that moved most since the model was trained",
                      ["input", "PSI", "by chance", "% of reasons"], rows))  # fmt: skip
    return parts


def _shown(inputs: Sequence[InputDrift]) -> list[InputDrift]:
    return [item for item in inputs if not item.clock][:SHOWN_INPUTS]


def _row(item: Slice) -> list[str]:
    return [item.name, f"{item.n_deals:,}", f"{item.n_open:,}", f"{100 * item.said:.1f}", f"{100 * item.won:.1f}",
            _interval(item.gap, 100), _interval(item.slope), f"{100 * item.metrics.ece:.1f}"]  # fmt: skip


def _interval(item: Interval, times: float = 1) -> str:
    digits = 1 if times > 1 else 2
    if item.mean != item.mean:
        return "-"
    return f"{times * item.mean:.{digits}f} [{times * item.lower:.{digits}f}, {times * item.upper:.{digits}f}]"


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("audit")(audit)
