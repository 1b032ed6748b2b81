"""When deals close: what was said at past moments of wins within so many days, and past quarters as forecast then."""

from __future__ import annotations

from insights.pages.parts import Part, Section, Table, Text, number, percent
from models.outlook import Outlook
from training.run import Trained


def timing(trained: Trained) -> Section:
    """How well the model knows when."""
    outlook = trained.model.outlook
    name, title = "timing", "When deals close"
    if outlook is None:
        return Section(name, title, [Text("Not known: the export has no dates.")])
    parts: list[Part] = [
        Text(f"Said of deals open at past moments, by models fitted on what was known then, and what came. Deals that "
             f"could not be followed so long are stood for by those that could. Timing: {outlook.timing.recipe}."),
        Table("Won within so many days", ["days", "deals", "said", "came", "slope", "Brier"],
              [[f"{item.days}", f"{item.rows:,}", percent(item.said, 1), percent(item.came, 1), number(item.slope, 2),
                number(item.brier)] for item in outlook.judged]),
        Table("Timings tried, by mean log-loss of the same within 30, 90 and 180 days", ["timing", "log-loss"],
              [[tried, number(loss)] for tried, loss in outlook.losses.items()],
              strong=[place for place, tried in enumerate(outlook.losses) if tried == outlook.timing.recipe]),
    ]  # fmt: skip
    if outlook.quarters:
        parts += _quarters(outlook)
    return Section(name, title, parts)


def _quarters(outlook: Outlook) -> list[Part]:
    rows = [
        [item.name, "wins" if item.currency is None else item.currency or "amount",
         *(f"{value:,.0f}" for value in (item.low, item.middle, item.high, item.actual)),
         "yes" if item.low <= item.actual <= item.high else "no"]
        for item in outlook.backtests
    ]  # fmt: skip
    return [
        Text(f"Deals of a quarter move together: their log-odds share a shock with a standard deviation of "
             f"{number(outlook.spread, 2)}, from {len(outlook.quarters)} past quarters."),
        Table("Past quarters, as they would have been forecast at their start",
              ["quarter", "of", "10 %", "50 %", "90 %", "came", "within 10 to 90 %"], rows, texts=2),
    ]  # fmt: skip
