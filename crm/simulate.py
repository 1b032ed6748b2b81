"""A CRM that never was: simulates B2B deals with known truth, and writes them as an export would look.

The deals go week by week through hazards of being won, being lost and moving between stages (`crm.simulation.hazards`),
which rest on what an export shows and on a hidden quality that it does not show. All of it is simulated, the notes are
made from templates, and a field that is filled only at the close is planted as a leak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from crm.simulation.company import found_accounts, hire
from crm.simulation.course import run
from crm.simulation.export import Exporter
from crm.simulation.hazards import EPOCH
from crm.simulation.parameters import Parameters
from crm.simulation.returning import Returning
from crm.simulation.truth import Truth
from crm.simulation.value import fit_values
from crm.simulation.winbacks import Sources
from crm.simulation.winbacks import winback_truth as find_winbacks
from crm.simulation.writing import (
    README,
    TRUTH_FILE,
    TRUTH_README,
    WINBACKS_FILE,
    WINBACKS_README,
    mapping_text,
    write_tables,
)

__all__ = ["Parameters", "SimulatedCrm", "simulate", "write"]

DEALS_PER_ACCOUNT = 2.6


@dataclass(frozen=True)
class SimulatedCrm:
    """A simulated CRM, as exported on one day, and the truth behind it.

    Attributes:
        tables: Frames by table, with the columns of `crm.schema` and four of the company's own on `opportunities`;
            times are UTC, amounts in EUR, picklists and ids are categorical, missing values are null.
        truth: What no export shows, one row per deal: opportunity_id, hidden quality (standard normal), fit (log-odds
            from what is known at entry), outcome (won, lost, null while open), true reason of the loss or the win.
        weekly_truth: The true probability of being won, one row per deal and Monday 00:00 UTC at which it was open,
            that of the export included: opportunity_id, as_of, p_latent (given all of its state), p_observable (given
            what the CRM shows before that moment). None where it was not asked for.
        winback_truth: The true probability that a deal which an account enters from a moment on is won, one row per
            account and first of a month at which it had lost new business and had none open: account_id, landmark,
            p_won_6, p_won_12, p_won_18 (within so many months). None where it was not asked for.
        seed: Seed of all chance in it.
        until: Day of the export; everything but planned activities lies before its 00:00 UTC.
        parameters: The dials.
    """

    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    weekly_truth: pd.DataFrame | None
    winback_truth: pd.DataFrame | None
    seed: int
    until: date
    parameters: Parameters


def simulate(
    n_deals: int,
    seed: int,
    *,
    until: date = date(2026, 9, 30),
    years: float = 2.5,
    parameters: Parameters | None = None,
    weekly_truth: bool = False,
    winback_truth: bool = False,
    progress: Callable[[str, float], None] = lambda _what, _share: None,
) -> SimulatedCrm:
    """Simulate a company's CRM: accounts, users, deals with their history, and notes.

    Args:
        n_deals: Number of deals that enter in the period, at least 1.
        seed: Seed of all chance: the same seed gives the same CRM.
        until: Day of the export; deals still open then are censored.
        years: Length of the period in which deals enter, which ends on `until`.
        parameters: The dials of the sales process; the documented defaults where absent.
        weekly_truth: Whether to compute the true win probabilities (see docs/simulation.md). The CRM is the same with
            and without.
        winback_truth: Whether to compute how likely each account is to be won back; likewise.
        progress: Told what is being done, and the share done, 0 to 1.

    Raises:
        ValueError: If there is no deal or no time to simulate.
    """
    if n_deals < 1:
        raise ValueError(f"n_deals must be at least 1, not {n_deals}")
    if years * 365.25 < 14:
        raise ValueError(f"years must be at least two weeks, not {years}")
    dials = parameters or Parameters()
    rng = np.random.default_rng(seed)
    last_day = (until - EPOCH).days
    first_day = last_day - round(years * 365.25)
    users = hire(n_deals, first_day, last_day, rng)
    accounts = found_accounts(max(1, round(n_deals / DEALS_PER_ACCOUNT)), users, rng)
    weight = rng.gamma(0.8, 1.0, len(accounts.name))
    weight = weight / weight.sum()
    account = rng.choice(len(weight), n_deals, p=weight)
    truth = None
    if weekly_truth:
        own = np.random.default_rng([seed, 1])  # apart, so that the CRM is the same without it
        values = fit_values(dials, first_day, last_day, accounts, users, own,
                            lambda share: progress("finding the win probabilities", share))  # fmt: skip
        truth = Truth(values, account, last_day, lambda share: progress("letting the deals run", share), len(weight))
    else:
        progress("letting the deals run", 0.0)
    returning = Returning(n_deals, weight, users, np.random.default_rng([seed, 2]))
    course = run(n_deals, first_day, last_day, accounts, users, account, dials, rng, truth, returning)
    exporter = Exporter(course, accounts, users, returning, rng)
    weekly = None if truth is None else truth.table(exporter.deal_ids)
    winbacks = None
    if winback_truth:
        progress("finding the chances of winning back", 0.0)
        sources = Sources(course, accounts, returning, first_day)
        own = np.random.default_rng([seed, 3])
        winbacks = find_winbacks(dials, first_day, sources, users, exporter.account_ids, own)
    return SimulatedCrm(exporter.tables(), exporter.truth(), weekly, winbacks, seed, until, dials)


def write(crm: SimulatedCrm, folder: Path) -> None:
    """Write a simulated CRM to a folder: a CSV file per table, `mapping.toml` and a README that says what it is.

    Times are ISO 8601 with their offset, amounts decimal with two places. Same CRM, same bytes. The weekly truth, where
    there is one, goes to `truth.parquet`, that of win-backs to `winbacks.parquet`, which the mapping leaves out; the
    rest of the truth is not written. Files of an earlier run in the same folder are overwritten, and its truth is
    removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tables(crm.tables, folder)
    (folder / "mapping.toml").write_text(mapping_text(crm.tables, crm.until), encoding="utf-8")
    text = README.format(n_deals=len(crm.tables["opportunities"]), seed=crm.seed, until=crm.until.isoformat(),
                         difficulty=crm.parameters.difficulty)  # fmt: skip
    for frame, file, told in (
        (crm.weekly_truth, TRUTH_FILE, TRUTH_README),
        (crm.winback_truth, WINBACKS_FILE, WINBACKS_README),
    ):
        if frame is None:
            (folder / file).unlink(missing_ok=True)
        else:
            frame.to_parquet(folder / file, index=False)
            text += told
    (folder / "README.md").write_text(text, encoding="utf-8")
