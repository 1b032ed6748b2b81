"""The forecast command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm.tables import moment
from wonlost.cli.console import (
    SIMULATED,
    AsOfOption,
    StoreOption,
    UsageError,
    err,
    out,
    parse_as_of,
    rates_of,
    settings,
    table,
)  # fmt: skip
from wonlost.cli.scoring import champion_of, moment_of

if TYPE_CHECKING:
    from features.history import History
    from insights.forecast import Forecast
    from insights.pipeline import Ailing
    from insights.totals import Line
    from insights.waterfall import Waterfall

SHOWN = 5
"""Deals shown of each list."""


def forecast(
    as_of: AsOfOption = "",
    until: Annotated[
        str, typer.Option("--until", metavar="DATE|quarter|2026Q4", help="Up to the end of this day; or a period as a "
                          "whole: quarter (of --as-of, the default), month, half, year, 2026Q4, 2026-12, 2026H2, 2026.")
    ] = "",
    target: Annotated[
        float | None, typer.Option("--target", metavar="AMOUNT", min=0, help="What is to be won in the period.")
    ] = None,
    rates: Annotated[
        Path | None, typer.Option("--rates", metavar="FILE", help="TOML file of currency rates; by default "
                                  "WONLOST_RATES. Without, currencies are shown apart.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="DATE", help="Tell changes against the forecast of this day; by default "
                          "seven days before --as-of.")
    ] = "",
    store: StoreOption = "",
) -> None:  # fmt: skip
    """Forecast what will be won by when: 10, 50 and 90 % lines, what changed, and which deals need a look."""
    from features.history import History
    from insights.forecast import forecast as run
    from insights.money import read_rates
    from insights.pipeline import Limits
    from insights.spans import parse_until

    crm, model, version = champion_of(store)
    chosen = settings(store)
    when = moment_of(as_of, crm)
    period = parse_until(until, when, chosen.fiscal_year_start)
    before = parse_as_of(since, crm)
    if before is not None and before >= when:
        raise UsageError(f"--since {since} does not lie before the forecast, which is as of {moment(when):%Y-%m-%d}")
    history = History(crm)
    found = run(history, model, when, period, target=target, rates=read_rates(rates) if rates else rates_of(chosen),
                since=before, limits=Limits(chosen.stale_days, chosen.pushes, chosen.contacts))  # fmt: skip
    for note in found.notes:
        err.print(f"note: {note}", markup=False)
    if crm.process.simulated:
        err.print(f"note: forecast of {SIMULATED}", markup=False)
    _print_lines(found, version.number)
    for currency, changed in found.waterfalls.items():
        _print_waterfall(history, _currency(currency, found), changed, rolling=found.period.rolling)
    _print_backtests(found)
    _print_health(history, found)


def _currency(name: str, found: Forecast) -> str:
    """A currency for people; nothing where no amount names one."""
    from insights.money import NOT_STATED

    return name or (NOT_STATED if len(found.lines.money) > 1 else "")


def _money(value: float) -> str:
    return f"{value:,.0f}"


def _print_lines(found: Forecast, version: int) -> None:
    until = f"{moment(found.period.end - 1):%Y-%m-%d}"
    out.print(f"{found.period.name}, up to the end of {until}, as of {moment(found.as_of):%Y-%m-%d}: "
              f"{len(found.open_deals.deals):,} open deals, version {version}", markup=False)  # fmt: skip

    def row(name: str, line: Line, digits: int) -> list[str]:
        values = (line.so_far, line.expected_open, line.expected_new, line.expected, line.low, line.middle, line.high)
        return [name, *(f"{value:,.{digits}f}" for value in values)]

    rows = [row("wins", found.lines.wins, 1)]
    rows += [row(_currency(name, found) or "amount", line, 0) for name, line in found.lines.money.items()]
    out.print(table("what the period brings in",
                    ["", "won so far", "of open deals", "of new deals", "expected", "10 %", "50 %", "90 %"], rows))
    covered = found.coverage
    if covered is not None:
        ratio = "reached" if covered.ratio is None else f"{covered.ratio:.1f} times covered by open deals due by then"
        out.print(f"target {_money(covered.target)}: {_money(covered.so_far)} won, {_money(covered.gap)} missing, "
                  f"{ratio}; reached in {100 * covered.chance:.0f} % of draws", markup=False)  # fmt: skip


def _print_waterfall(history: History, currency: str, changed: Waterfall, *, rolling: bool) -> None:
    from insights.waterfall import MEANING

    rows = [[f"expected on {moment(changed.since):%Y-%m-%d}", _money(changed.before), ""]]
    for step, value in changed.steps.items():
        largest = ", ".join(f"{history.deal_ids[item.deal]} {item.amount:+,.0f}" for item in changed.changes
                            if item.step == step)[:60] if value else ""  # fmt: skip
        if value:
            rows.append([f"{step.replace('_', ' ')}: {MEANING[step]}", f"{value:+,.0f}", largest.rsplit(",", 1)[0]])
    won = f", with what was won since {moment(changed.since):%Y-%m-%d}" if rolling else ""
    rows.append([f"expected now{won}", _money(changed.after), ""])
    out.print(table(f"what changed{f', {currency}' if currency else ''}", ["", "amount", "largest"], rows))


def _print_backtests(found: Forecast) -> None:
    rows = [
        [f"{item.name}{'' if item.currency is None else f', {item.currency}'}",
         *(_money(value) for value in (item.low, item.middle, item.high, item.actual)),
         "yes" if item.low <= item.actual <= item.high else "no"]
        for item in found.backtests if item.currency is not None or not found.lines.money
    ]  # fmt: skip
    if rows:
        out.print(table("past quarters, as they would have been forecast at their start",
                        ["", "10 %", "50 %", "90 %", "came", "within 10 to 90 %"], rows))  # fmt: skip


def _print_health(history: History, found: Forecast) -> None:
    lines = found.lines
    place = {deal: row for row, deal in enumerate(found.open_deals.deals.tolist())}

    from insights.money import money_words

    def told(item: Ailing) -> list[str]:
        if item.absent is not None:
            return [item.meaning, "", f"not told: no {item.absent} in the data"]
        totals: dict[str, float] = {}
        for row in (place[deal] for deal in item.deals.tolist()):
            totals[lines.currency[row]] = totals.get(lines.currency[row], 0.0) + float(lines.amount[row])
        money = ", ".join(money_words(total, currency) for currency, total in totals.items() if total)
        shown = ", ".join(history.deal_ids[deal] for deal in item.deals[:SHOWN].tolist())
        more = f" and {len(item.deals) - SHOWN:,} more" if len(item.deals) > SHOWN else ""
        return [item.meaning, f"{len(item.deals):,}", f"{shown}{more}" + (f" ({money})" if money else "")]

    out.print(table("deals that need a look", ["", "deals", "the largest"], [told(item) for item in found.ailing]))


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("forecast")(forecast)
