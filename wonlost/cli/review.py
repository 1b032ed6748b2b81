"""The command that looks back: review."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import ModelError
from models.taxonomy import BUILT_IN
from wonlost.cli.console import (
    SIMULATED,
    AsOfOption,
    StoreOption,
    err,
    open_store,
    out,
    parse_as_of,
    rates_of,
    readers_of,
    registry_of,
    reject_future,
    settings,
    taxonomy_of,
)

if TYPE_CHECKING:
    from models.win import WinModel
    from wonlost.settings import Settings


class By(StrEnum):
    """What figures are shown apart by."""

    SEGMENT = "segment"
    PRODUCT = "product"
    TEAM = "team"
    OWNER = "owner"
    COMPETITOR = "competitor"
    STAGE = "stage"


class Format(StrEnum):
    """How a review is written."""

    HTML = "html"
    MD = "md"
    JSON = "json"


def review(
    period: Annotated[
        str, typer.Option(metavar="PERIOD", help="2026Q3, 2026-08, 2026H1 or 2026; by default the last quarter over.")
    ] = "",
    by: Annotated[By | None, typer.Option(help="Show the figures apart by this as well.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="One page to send, Markdown, or all figures as JSON.")
    ] = Format.HTML,
    output: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to; by default a page goes to var/, the rest is printed."),
    ] = None,
    as_of: AsOfOption = "",
    store: StoreOption = "",
) -> None:
    """Review what was won and lost in a month, a quarter or a year, and why: a page that is ready to be sent."""
    from features.history import History
    from features.matrix import default_as_of
    from insights.periods import last_over, parse_period
    from insights.reasons import answers
    from insights.review import review as review_period
    from insights.review import to_json
    from insights.review.page import to_html, to_markdown

    chosen = settings(store)
    asked = parse_period(period, chosen.fiscal_year_start) if period else None
    rates = rates_of(chosen)
    taxonomies = {kind: taxonomy_of(chosen, kind) for kind in BUILT_IN}
    with open_store(chosen) as opened:
        crm = opened.load()
        answered = answers(opened, taxonomies)
    moment = parse_as_of(as_of, crm)
    when = default_as_of(crm) if moment is None else moment
    reject_future(when, crm)
    found = review_period(
        History(crm), asked or last_over(when, fiscal_year_start=chosen.fiscal_year_start), as_of=when,
        by=by.value if by is not None else None, taxonomies=taxonomies, answered=answered, rates=rates,
        readers=readers_of(chosen), least=chosen.least_group, model=_champion(chosen),
    )  # fmt: skip
    text = {Format.HTML: to_html, Format.MD: to_markdown, Format.JSON: to_json}[form](found)
    if output is None and form is Format.HTML:
        output = chosen.var / "reviews" / f"review-{found.period}.html"
    if crm.process.simulated:
        err.print(f"note: a review of {SIMULATED}", markup=False)
    if output is None:
        typer.echo(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    out.print(found.headline, markup=False)
    out.print(f"the review is in {output}", markup=False)


def _champion(chosen: Settings) -> WinModel | None:
    """The champion, where there is one within reach: a review can do without."""
    registry = registry_of(chosen)
    try:
        return registry.load(registry.champion())
    except ModelError:
        return None


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("review")(review)
