"""Writes a simulated CRM to a folder: CSV files, the mapping with which to import them, and a README."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from crm.schema import TABLES, Kind
from crm.simulation.parameters import LOST_STAGE, STAGES, WON_STAGE

TRUTH_FILE = "truth.parquet"
"""Where the true win probabilities are written, beside the tables."""
WINBACKS_FILE = "winbacks.parquet"
"""Where the true probabilities of winning accounts back are written."""

CUSTOM = {
    "region": ("category", "created"),
    "partner_involved": ("boolean", "created"),
    "budget_confirmed": ("boolean", "history"),
    "close_plan_score": ("number", "closed"),
}
"""The company's own columns of opportunities: kind, and when each is known."""

KNOWN = {
    "opportunities": {
        "lead_source": "created", "deal_type": "created", "product": "created", "owner_id": "history",
        "stage": "history", "amount": "history", "expected_close_at": "history", "competitor": "history",
    },
    "accounts": {
        "industry": "created", "segment": "created", "country": "created", "employees": "created",
        "annual_revenue": "created", "account_type": "closed",
    },
    "users": {"team": "created", "manager_id": "created"},
}  # fmt: skip
"""When the standard columns are known that could change in another CRM."""

README = """# A simulated CRM

Everything in this folder is simulated: no company, person, deal or note in it is real. It was made by
`wonlost simulate`, with {n_deals} deals, seed {seed} and difficulty {difficulty:g}, as an export taken on {until} at
00:00 UTC would look.

Import it with `wonlost import` and this folder's path: the mapping lies beside the tables, in `mapping.toml`.

Three things to know:

- The notes are made from templates. A model that reads them well has learnt the templates, not how people write.
- `close_plan_score` is a planted leak: it is filled only when a deal closes, and nearly gives the outcome away. The
  mapping says so (`known = "closed"`), and wonlost does not use it. `account_type` is the classic one: it is
  overwritten with Customer when a deal is won.
- How likely each deal is to be won rests partly on a hidden quality that no table shows, so no model can be perfect
  here. Difficulty says how much: the hidden quality counts so many times, and shows itself as many times less in what
  happens. 1 is the usual, 0.5 an easy CRM, 2 a hard one.
"""

TRUTH_README = """
`truth.parquet` is not part of the CRM, and the mapping leaves it out. It has a row for each deal and each Monday 00:00
UTC (`as_of`) at which the deal was open:

- `p_latent`: the probability that the deal is won in the end, given everything about it at that moment, the hidden
  quality too.
- `p_observable`: the mean of `p_latent` over what the export does not show, given what it shows of all deals before
  that moment. It is the best that a model of the export can say; a model's log-loss against it is what is left to gain.

Both are computed to a standard error of at most .01. They assume that the owners' skill and diligence are known.
"""

WINBACKS_README = """
`winbacks.parquet` is not part of the CRM either. It has a row for each account and each first of a month 00:00 UTC
(`landmark`) at which the account had lost new business and had no deal open: `p_won_6`, `p_won_12` and `p_won_18` are
the probabilities that a deal of new business which the account enters from then on is won within so many months, given
all that the simulation knows of the account, the hidden parts too. Renewals and expansions do not count.
"""


def mapping_text(tables: dict[str, pd.DataFrame], until: date) -> str:
    """The mapping of a simulated export, in TOML."""

    def quoted(values: tuple[str, ...]) -> str:
        return "[" + ", ".join(f'"{value}"' for value in values) + "]"

    lines = [
        "# How wonlost reads this folder. All of it is simulated.",
        'name = "simulated"',
        'description = "A simulated CRM: no company, person, deal or note in it is real."',
        "# The true probabilities are for judging models; no CRM has them, so they are not read.",
        f'ignore = ["{TRUTH_FILE}", "{WINBACKS_FILE}"]',
        "",
        "[process]",
        'time_basis = "dates"',
        f"stages = {quoted(STAGES)}",
        f"won = {quoted((WON_STAGE,))}",
        f"lost = {quoted((LOST_STAGE,))}",
        'snapshots = "weekly"',
        "simulated = true",
        "# What lies after the export is planned and has not happened, however late the export is imported.",
        f"exported_at = {until.isoformat()}T00:00:00Z",
        "",
        "[format]",
        'dates = ["ISO"]',
        'timezone = "UTC"',
    ]
    for table, frame in tables.items():
        lines += ["", f"[tables.{table}]", f'files = ["{table}.csv"]', "", f"[tables.{table}.columns]"]
        known = KNOWN.get(table, {})
        for name in frame.columns:
            if name in TABLES[table].columns():
                value = f'{{ from = "{name}", known = "{known[name]}" }}' if name in known else f'"{name}"'
                lines.append(f"{name} = {value}")
        custom = [name for name in frame.columns if name not in TABLES[table].columns()]
        if custom:
            lines += ["", f"[tables.{table}.custom]"]
        for name in custom:
            kind, when = CUSTOM[name]
            planted = "  # planted: filled only at the close" if when == "closed" else ""
            lines.append(f'{name} = {{ from = "{name}", kind = "{kind}", known = "{when}" }}{planted}')
    return "\n".join(lines) + "\n"


def _written(values: pd.Series, money: bool) -> object:
    """A column as it stands in the file: ISO times with their offset, two places, true and false."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        instants = values.to_numpy(dtype="M8[s]")
        text = np.datetime_as_string(instants, unit="s").astype(object) + "+00:00"
        return np.where(np.isnat(instants), "", text)
    if values.dtype == np.bool_:
        return np.where(values.to_numpy(), "true", "false")
    if money:
        return np.array([f"{value:.2f}" for value in values.to_numpy()], dtype=object)
    return values


def write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """One CSV file per table, named like it; missing values are empty cells."""
    for table, frame in tables.items():
        columns = TABLES[table].columns()
        data = {
            str(name): _written(frame[name], money=name in columns and columns[str(name)].kind is Kind.MONEY)
            for name in frame.columns
        }
        pd.DataFrame(data).to_csv(folder / f"{table}.csv", index=False, lineterminator="\n", encoding="utf-8")
