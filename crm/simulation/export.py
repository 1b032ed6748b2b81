"""What a CRM would export of the simulated deals: its tables, each column as it stands on the day of the export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm.simulation import company as c
from crm.simulation.activities import activities
from crm.simulation.clock import SECOND
from crm.simulation.company import Accounts, Users
from crm.simulation.course import Course
from crm.simulation.frames import category, identifiers, times
from crm.simulation.notes import LANGUAGES, write_notes
from crm.simulation.parameters import LOST_STAGE, RIVALS, ROLES, SEGMENTS, STAGES, WON_STAGE
from crm.simulation.reasons import (
    LOSS_PICKLIST,
    LOSS_REASONS,
    WIN_PICKLIST,
    WIN_REASONS,
    loss_picks,
    loss_reasons,
    win_picks,
    win_reasons,
)
from crm.simulation.returning import Returning, period_in_words
from crm.tables import DAY, NAT, FloatArray, IntArray

STAGE_NAMES = (*STAGES, WON_STAGE, LOST_STAGE)
NOTE_SHARE = {"loss": 0.88, "win": 0.4}
"""Share of lost and of won deals that have a note."""

_RIVAL_REASONS = ("competitor", "incumbent_or_in_house", "price_value", "feature_gap")
_LANGUAGE = {"Germany": 1, "Austria": 1, "Switzerland": 1, "France": 2, "Spain": 3, "Italy": 4}


@dataclass(frozen=True)
class Ends:
    """Why each deal ended, and what was entered then; one array of shape (n_deals,) per quantity.

    Attributes:
        reason: Place in `LOSS_REASONS` of a lost deal, in `WIN_REASONS` of a won one, -1 of an open one.
        second: A second reason, likewise.
        loss_pick: Place in `LOSS_PICKLIST`, -1 where nothing was picked.
        win_pick: Place in `WIN_PICKLIST`, likewise.
        rival: Place in `RIVALS` of the rival at the end, -1 where there is none.
        named_at_close: Whether the rival was entered only on closing.
        score: The field that is filled only on closing (the planted leak), NaN for open deals.
    """

    reason: IntArray
    second: IntArray
    loss_pick: IntArray
    win_pick: IntArray
    rival: IntArray
    named_at_close: np.ndarray
    score: FloatArray


def end_deals(course: Course, users: Users, lost_for: IntArray, rng: np.random.Generator) -> Ends:
    """Draw why the deals were won, and what their owners entered on closing them.

    Args:
        course: The run.
        users: The sellers.
        lost_for: True reason of each lost deal, as the run drew it, shape (n_deals,).
        rng: Where all chance comes from.
    """
    deals, n = course.deals, len(course.deals.created)
    won = np.flatnonzero(deals.won)
    lost = np.flatnonzero((deals.closed != NAT) & ~deals.won)
    reason, second = np.full(n, -1), np.full(n, -1)
    loss_pick, win_pick = np.full(n, -1), np.full(n, -1)
    state, diligence = course.state.take(lost), users.diligence[deals.owner[lost]]
    reason[lost], second[lost] = lost_for[lost], loss_reasons(state, diligence, rng)
    for target in (reason, second):
        target[won] = win_reasons(course.state.take(won), deals.deal_type[won] > 0, rng)
    loss_pick[lost], win_pick[won] = loss_picks(reason[lost], rng), win_picks(reason[won], rng)

    rival = course.state.rival.copy()
    blamed = np.isin(reason[lost], [LOSS_REASONS.index(name) for name in _RIVAL_REASONS[:1]]) * 0.85
    blamed += np.isin(reason[lost], [LOSS_REASONS.index(name) for name in _RIVAL_REASONS[1:]]) * 0.2
    named = lost[(rival[lost] < 0) & (rng.random(len(lost)) < blamed)]
    rival[named] = rng.integers(0, len(RIVALS), len(named))
    named_at_close = np.zeros(n, dtype=bool)
    named_at_close[named] = True

    score = np.full(n, np.nan)
    score[won], score[lost] = rng.normal(82, 8, len(won)), rng.normal(38, 13, len(lost))
    score[rng.random(n) < 0.02] = np.nan
    return Ends(reason, second, loss_pick, win_pick, rival, named_at_close, np.clip(np.round(score), 0, 100))


class Owners:
    """Who owned a deal at a time, from the first owner and the changes since."""

    def __init__(self, course: Course) -> None:
        """Put the owners of all deals in order of time."""
        deals, changes = course.deals, course.log.columns("owners")
        n = len(deals.created)
        deal = np.concatenate([np.arange(n), changes["deal"]])
        time = np.concatenate([deals.created, changes["time"]])
        owner = np.concatenate([deals.first_owner, changes["new"]])
        key = self._key(deal, time)
        order = np.argsort(key, kind="stable")
        self._keys, self._owner = key[order], owner[order]

    @staticmethod
    def _key(deal: IntArray, time: IntArray) -> IntArray:
        return deal * 2**32 + time // SECOND

    def at(self, deal: IntArray, time: IntArray) -> IntArray:
        """Row of the owner of each deal at each time, in microseconds since 1970."""
        return np.asarray(self._owner[np.searchsorted(self._keys, self._key(deal, time), side="right") - 1])


def _by_time(time: IntArray) -> IntArray:
    return np.argsort(time, kind="stable")


class Exporter:
    """Makes the tables of a run. The identifiers follow the order in which records were entered, and tell no more."""

    def __init__(
        self, course: Course, accounts: Accounts, users: Users, returning: Returning, rng: np.random.Generator
    ) -> None:
        """Number the records of a run, and draw why its deals ended."""
        self.course, self.accounts_, self.users_, self.rng = course, accounts, users, rng
        self.returning = returning
        self.ends = end_deals(course, users, returning.reason, rng)
        self.owners = Owners(course)
        deals = course.deals
        self.is_closed = deals.closed != NAT
        self.deal_ids = identifiers("D", len(deals.created))
        self.account_ids = identifiers("A", len(accounts.name))
        self.user_ids = identifiers("U", len(users.name))
        people = accounts.people
        self.contact_ids = identifiers("C", int(people.sum()))
        self.first_contact = np.concatenate([[0], np.cumsum(people)[:-1]])

    def contact(self, deal: IntArray, ordinal: IntArray) -> IntArray:
        """Row of the contact that is the n-th to join a deal; an account's deals share its people."""
        account = self.course.deals.account[deal]
        return np.asarray(self.first_contact[account] + ordinal % self.accounts_.people[account])

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, with the columns of `crm.schema` and the company's own."""
        return {
            "opportunities": self.opportunities(),
            "accounts": self.accounts(),
            "users": self.users(),
            "stage_changes": self.stage_changes(),
            "field_changes": self.field_changes(),
            "activities": activities(self.course, self.users_, self.owners.at, self.contact,
                                     (self.deal_ids, self.contact_ids, self.user_ids), self.rng),
            "contact_roles": self.contact_roles(),
            "deal_products": self.deal_products(),
            "notes": self.notes(),
        }  # fmt: skip

    def opportunities(self) -> pd.DataFrame:
        """Deals as they stand at the export."""
        deals, ends, state = self.course.deals, self.ends, self.course.state
        stage = np.where(self.is_closed, np.where(deals.won, len(STAGES), len(STAGES) + 1), state.stage)
        region = self.accounts_.region[deals.account]
        pairs = zip(deals.account, deals.product, strict=True)
        names = [f"{self.accounts_.name[account]} - {c.PRODUCTS[product]}" for account, product in pairs]
        return pd.DataFrame({
            "opportunity_id": self.deal_ids,
            "name": pd.Series(names, dtype="str"),
            "created_at": times(deals.created),
            "closed_at": times(deals.closed),
            "account_id": category(deals.account, self.account_ids),
            "owner_id": category(deals.owner, self.user_ids),
            "stage": category(stage, STAGE_NAMES),
            "amount": deals.amount,
            "currency": category(np.zeros(len(stage), dtype=np.int64), ("EUR",)),
            "expected_close_at": times(np.where(self.is_closed, NAT, state.expected_day * DAY)),
            "lead_source": category(deals.source, c.LEAD_SOURCES),
            "deal_type": category(deals.deal_type, c.DEAL_TYPES),
            "product": category(deals.product, c.PRODUCTS),
            "competitor": category(ends.rival, RIVALS),
            "loss_reason": category(ends.loss_pick, LOSS_PICKLIST),
            "win_reason": category(ends.win_pick, WIN_PICKLIST),
            "region": category(region, tuple(c.REGIONS)),
            "partner_involved": deals.partner,
            "budget_confirmed": state.budget,
            "close_plan_score": pd.array(ends.score, dtype="Float64").astype("Int64"),
        })  # fmt: skip

    def accounts(self) -> pd.DataFrame:
        """Accounts as they stand at the export: every one that ever bought is a customer."""
        accounts, deals, rng, n = self.accounts_, self.course.deals, self.rng, len(self.accounts_.name)
        first_deal = np.full(n, self.course.end - DAY)
        np.minimum.at(first_deal, deals.account, deals.created)
        known_before = np.where(rng.random(n) < 0.5, 5 / 1440, rng.exponential(400.0, n))
        created = (first_deal - (known_before * DAY).astype(np.int64)) // SECOND * SECOND
        kind = np.where(rng.random(n) < 0.04, 2, accounts.customer.astype(np.int64))
        kind[deals.account[deals.won]] = 1
        return pd.DataFrame({
            "account_id": self.account_ids,
            "name": pd.Series(accounts.name, dtype="str"),
            "created_at": times(created),
            "industry": category(accounts.industry, tuple(c.INDUSTRIES)),
            "segment": category(accounts.segment, SEGMENTS),
            "country": category(accounts.country, tuple(c.COUNTRIES)),
            "account_type": category(kind, ("Prospect", "Customer", "Partner")),
            "employees": accounts.employees,
            "annual_revenue": accounts.revenue,
        })  # fmt: skip

    def users(self) -> pd.DataFrame:
        """Users with their teams and managers."""
        users = self.users_
        return pd.DataFrame({
            "user_id": self.user_ids,
            "name": pd.Series(users.name, dtype="str"),
            "team": category(users.team, users.teams),
            "manager_id": category(users.manager, self.user_ids),
        })  # fmt: skip

    def stage_changes(self) -> pd.DataFrame:
        """The entry into the first stage, the moves, and the close."""
        deals, moves, n = self.course.deals, self.course.log.columns("moves"), len(self.course.deals.created)
        closed = np.flatnonzero(self.is_closed)
        last = self.course.state.stage
        first = last.copy()
        first[moves["deal"][::-1]] = moves["old"][::-1]  # the earliest move of each deal is written last
        deal = np.concatenate([np.arange(n), moves["deal"], closed])
        time = np.concatenate([deals.created, moves["time"], deals.closed[closed]])
        old = np.concatenate([np.full(n, -1), moves["old"], last[closed]])
        new = np.concatenate([first, moves["new"], len(STAGES) + ~deals.won[closed]])
        order = _by_time(time)
        deal, time = deal[order], time[order]
        return pd.DataFrame({
            "change_id": identifiers("S", len(deal)),
            "opportunity_id": category(deal, self.deal_ids),
            "changed_at": times(time),
            "from_stage": category(old[order], STAGE_NAMES),
            "to_stage": category(new[order], STAGE_NAMES),
            "user_id": category(self.owners.at(deal, time), self.user_ids),
        })  # fmt: skip

    def field_changes(self) -> pd.DataFrame:
        """Changes of amount, owner, expected close, rival and confirmed budget; first values have no old one."""
        deals, log, ends, n = self.course.deals, self.course.log, self.ends, len(self.course.deals.created)
        everyone, entry, none = np.arange(n), deals.created, np.full(n, "", dtype=object)
        parts: list[tuple[str, IntArray, IntArray, np.ndarray, np.ndarray]] = []

        def rendered(name: str, values: np.ndarray) -> np.ndarray:
            if name == "amount":
                return np.array([f"{value:.2f}" for value in values], dtype=object)
            if name == "expected_close_at":
                return np.asarray(np.datetime_as_string(values.astype("M8[D]")).astype(object) + "T00:00:00+00:00")
            if name == "owner_id":
                return np.asarray(self.user_ids[values])
            return np.asarray(np.array([*RIVALS, ""], dtype=object)[values])

        tracked = (
            ("amount", "amounts", deals.first_amount),
            ("owner_id", "owners", deals.first_owner),
            ("expected_close_at", "dates", deals.first_expected),
        )
        for name, kind, first in tracked:
            parts.append((name, everyone, entry, none, rendered(name, first)))
            changes = log.columns(kind)
            new, old = rendered(name, changes["new"]), rendered(name, changes["old"])
            parts.append((name, changes["deal"], changes["time"], old, new))
        rivals, budgets, named = log.columns("rivals"), log.columns("budgets"), np.flatnonzero(ends.named_at_close)
        parts.append(
            (
                "competitor",
                rivals["deal"],
                rivals["time"],
                none[: len(rivals["deal"])],
                rendered("competitor", rivals["new"]),
            )
        )
        parts.append(
            ("competitor", named, deals.closed[named], none[: len(named)], rendered("competitor", ends.rival[named]))
        )
        parts.append(("budget_confirmed", everyone, entry, none, np.full(n, "false", dtype=object)))
        confirmed = len(budgets["deal"])
        parts.append(("budget_confirmed", budgets["deal"], budgets["time"], np.full(confirmed, "false", dtype=object),
                      np.full(confirmed, "true", dtype=object)))  # fmt: skip
        names = tuple(dict.fromkeys(part[0] for part in parts))
        code = np.concatenate([np.full(len(part[1]), names.index(part[0])) for part in parts])
        deal, time, old, new = (np.concatenate([part[k] for part in parts]) for k in (1, 2, 3, 4))
        order = np.lexsort((deal, time))
        deal, time = deal[order], time[order]
        return pd.DataFrame({
            "change_id": identifiers("F", len(deal)),
            "opportunity_id": category(deal, self.deal_ids),
            "changed_at": times(time),
            "field": category(code[order], names),
            "old_value": old[order],
            "new_value": new[order],
            "user_id": category(self.owners.at(deal, time), self.user_ids),
        })  # fmt: skip

    def contact_roles(self) -> pd.DataFrame:
        """Contacts as they joined the deals, with their roles."""
        deals, roles = self.course.deals, self.course.log.columns("roles")
        first = np.flatnonzero(deals.first_contact >= 0)
        deal = np.concatenate([first, roles["deal"]])
        time = np.concatenate([deals.created[first], roles["time"]])
        role = np.concatenate([deals.first_contact[first], roles["role"]])
        ordinal = np.concatenate([np.zeros(len(first), dtype=np.int64), roles["ordinal"]])
        order = _by_time(time)
        return pd.DataFrame({
            "opportunity_id": category(deal[order], self.deal_ids),
            "contact_id": category(self.contact(deal, ordinal)[order], self.contact_ids),
            "role": category(role[order], ROLES),
            "added_at": times(time[order]),
        })  # fmt: skip

    def deal_products(self) -> pd.DataFrame:
        """Products on the deals: the main one from entry, others added on a proposal."""
        deals, rng, n = self.course.deals, self.rng, len(self.course.deals.created)
        moves = self.course.log.columns("moves")
        proposal = np.flatnonzero((moves["new"] >= 3) & (moves["old"] < 3))
        extra = proposal[rng.random(len(proposal)) < 0.45]
        other = (deals.product[moves["deal"][extra]] + rng.integers(1, len(c.PRODUCTS), len(extra))) % len(c.PRODUCTS)
        deal = np.concatenate([np.arange(n), moves["deal"][extra]])
        time = np.concatenate([deals.created, moves["time"][extra]])
        product = np.concatenate([deals.product, other])
        share = np.concatenate([np.ones(n), rng.uniform(0.05, 0.3, len(extra))])
        order = _by_time(time)
        deal = deal[order]
        return pd.DataFrame({
            "line_id": identifiers("L", len(deal)),
            "opportunity_id": category(deal, self.deal_ids),
            "product": category(product[order], c.PRODUCTS),
            "quantity": 1 + rng.geometric(0.25, len(deal)),
            "amount": np.round(deals.first_amount[deal] * share[order], 2),
            "added_at": times(time[order]),
        })  # fmt: skip

    def notes(self) -> pd.DataFrame:
        """Notes on most lost and some won deals, written at or shortly after the close."""
        deals, ends, rng = self.course.deals, self.ends, self.rng
        language = np.array([_LANGUAGE.get(name, 0) for name in c.COUNTRIES])[self.accounts_.country[deals.account]]
        parts = []
        for kind, names, which in (
            ("loss", LOSS_REASONS, self.is_closed & ~deals.won),
            ("win", WIN_REASONS, deals.won),
        ):
            rows = np.flatnonzero(which)
            rows = rows[rng.random(len(rows)) < NOTE_SHARE[kind]]
            own = np.where(rng.random(len(rows)) < 0.35, language[rows], LANGUAGES.index("en"))
            rival = np.array([*RIVALS, ""], dtype=object)[ends.rival[rows]].tolist()
            named = period_in_words(deals.closed[rows], self.returning.ahead[rows], self.rng)
            text = write_notes(kind, names, ends.reason[rows], ends.second[rows], own, rival, named, rng)
            later = np.where(rng.random(len(rows)) < 0.65, 0, rng.exponential(1.5 * DAY, len(rows))).astype(np.int64)
            time = np.minimum(deals.closed[rows] + later // SECOND * SECOND, self.course.end - SECOND)
            parts.append((rows, time, np.full(len(rows), kind == "win"), np.array(text, dtype=object)))
        deal, time, is_win, note = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((deal, time))
        return pd.DataFrame({
            "note_id": identifiers("N", len(deal)),
            "opportunity_id": category(deal[order], self.deal_ids),
            "written_at": times(time[order]),
            "kind": category(is_win[order].astype(np.int64), ("loss", "win")),
            "text": pd.Series(note[order], dtype="str"),
        })  # fmt: skip

    def truth(self) -> pd.DataFrame:
        """What no CRM knows: each deal's hidden quality, its outcome and its true reason."""
        deals, ends, state = self.course.deals, self.ends, self.course.state
        outcome = np.where(self.is_closed, np.where(deals.won, 0, 1), -1)
        reason = np.where(deals.won, len(LOSS_REASONS) + ends.reason, ends.reason)

        def named(codes: IntArray, names: Sequence[str]) -> pd.Categorical:
            return category(codes, tuple(names))

        return pd.DataFrame({
            "opportunity_id": self.deal_ids,
            "quality": state.quality,
            "fit": state.fit,
            "outcome": named(outcome, ("won", "lost")),
            "reason": named(reason, (*LOSS_REASONS, *WIN_REASONS)),
        })  # fmt: skip
