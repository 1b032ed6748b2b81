"""Almost fifty features of the registry in pandas, as a good data scientist writes them: the reference.

For each table of events: sort by time once, count and sum within the deal (`cumcount`, `cumsum`), and look the state up
with `merge_asof`, strictly before as_of. Windows are differences of two such lookups. No Python loops over rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm.tables import DAY, Coded, CrmData, IntArray

STRENGTH = 20.0
STRENGTH_OF_ACCOUNT = 3.0
LEAST_CLOSINGS = 20


@dataclass(frozen=True)
class Frames:
    """The tables as a data scientist holds them: text as categories, times in microseconds, deals by number."""

    deals: pd.DataFrame
    accounts: pd.DataFrame
    activities: pd.DataFrame
    stages: pd.DataFrame
    changes: pd.DataFrame
    roles: pd.DataFrame
    lines: pd.DataFrame


def frames(crm: CrmData) -> Frames:
    """Tables of a CRM as frames; not part of what is timed."""

    def frame(table: str) -> pd.DataFrame:
        data: dict[str, object] = {}
        for name, values in crm.tables[table].items():
            if name == "opportunity_id":
                assert isinstance(values, Coded)
                data["deal"] = values.codes.astype(np.int64)
            elif isinstance(values, Coded):
                data[name] = pd.Categorical.from_codes(values.codes, categories=pd.Index(list(values.levels)))
            else:
                data[name] = values
        return pd.DataFrame(data)

    names = (
        "opportunities",
        "accounts",
        "activities",
        "stage_changes",
        "field_changes",
        "contact_roles",
        "deal_products",
    )
    return Frames(*(frame(name) for name in names))


def features(tables: Frames, deal: IntArray, as_of: IntArray) -> pd.DataFrame:
    """Features of pairs, in the order of the pairs.

    Args:
        tables: See `frames`.
        deal: Number of each pair's deal, shape (n_pairs,).
        as_of: Microseconds, shape (n_pairs,).
    """
    pairs = pd.DataFrame({"deal": deal, "as_of": as_of, "row": np.arange(len(deal))}).sort_values("as_of")
    parts = [
        _of_deal(tables, pairs), _of_lines(tables, pairs), _of_stages(tables, pairs), _of_changes(tables, pairs),
        _of_activities(tables, pairs), _of_roles(tables, pairs), _of_records(tables, pairs),
    ]  # fmt: skip
    matrix = pd.concat(parts, axis=1)
    return matrix.set_axis(pairs["row"].to_numpy()).sort_index()


def _lookup(pairs: pd.DataFrame, events: pd.DataFrame, by: str = "deal", days: int = 0) -> pd.DataFrame:
    """State of each pair's group just before as_of, or `days` days earlier; events in order of time."""
    left = pairs[[by, "as_of"]].assign(as_of=pairs["as_of"] - days * DAY) if days else pairs[[by, "as_of"]]
    return pd.merge_asof(left, events, left_on="as_of", right_on="time", by=by, allow_exact_matches=False)


def _distinct(events: pd.DataFrame, column: str, by: str = "deal") -> pd.Series:
    new = ~events.duplicated([by, column]) & events[column].notna()
    return new.groupby(events[by]).cumsum()


def _days(pairs: pd.DataFrame, time: pd.Series) -> np.ndarray:
    days: np.ndarray = (pairs["as_of"].to_numpy() - time.to_numpy()) / DAY
    return days


def _as_of_field(pairs: pd.DataFrame, tables: Frames, name: str) -> pd.Series:
    """A tracked text column as it stood: last new value, else the first old one, else today's."""
    changes = tables.changes[tables.changes["field"] == name]
    events = changes[["deal", "changed_at", "new_value"]].rename(columns={"changed_at": "time"})
    new = _lookup(pairs, events)["new_value"].astype(object)
    old = pairs["deal"].map(changes.drop_duplicates("deal").set_index("deal")["old_value"].astype(object))
    now = pairs["deal"].map(tables.deals.set_index("deal")[name].astype(object))
    return pd.Series(new.to_numpy()).fillna(pd.Series(old.to_numpy())).fillna(pd.Series(now.to_numpy()))


def _numbers(values: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(values.cat.categories.to_series(), errors="coerce")
    return np.append(numbers.to_numpy(), np.nan)[values.cat.codes]


def _times(values: pd.Series) -> np.ndarray:
    used = values.cat.remove_unused_categories()
    times = pd.to_datetime(used.cat.categories, format="ISO8601", utc=True).as_unit("us").asi8
    return np.append(times.astype(float), np.nan)[used.cat.codes]


def _of_deal(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    deals = tables.deals.set_index("deal").loc[pairs["deal"]].reset_index(drop=True)
    as_of = pd.to_datetime(pairs["as_of"].to_numpy(), unit="us")
    quarter_end = as_of.to_period("Q").end_time.floor("D") + pd.Timedelta(days=1)
    changes = tables.changes[tables.changes["field"] == "amount"]
    amounts = changes[["deal"]].assign(time=changes["changed_at"], new=(_numbers(changes["new_value"]) * 100).round())
    first_old = pd.Series((_numbers(changes["old_value"]) * 100).round(), index=changes["deal"])
    first_old = first_old[~first_old.index.duplicated()]
    amount = _lookup(pairs, amounts)["new"]
    amount = amount.fillna(pd.Series(pairs["deal"].map(first_old).to_numpy())).fillna(deals["amount"])
    changes = tables.changes[tables.changes["field"] == "expected_close_at"]
    closes = changes[["deal"]].assign(time=changes["changed_at"], new=_times(changes["new_value"]))
    industry = tables.accounts.set_index("account_id")["industry"]
    return pd.DataFrame({
        "amount": amount / 100,
        "age_days": _days(pairs, deals["created_at"]),
        "days_to_quarter_end": (quarter_end - as_of) / pd.Timedelta(days=1),
        "days_to_expected_close": -_days(pairs, _lookup(pairs, closes)["new"]),
        "lead_source": deals["lead_source"], "product": deals["product"], "segment": deals["segment"],
        "competitor": _as_of_field(pairs, tables, "competitor"),
        "industry": industry.reindex(deals["account_id"]).reset_index(drop=True),
    })  # fmt: skip


def _of_lines(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    lines = tables.lines.rename(columns={"added_at": "time"})
    lines = lines.assign(n=_distinct(lines, "product"), total=lines.groupby("deal")["amount"].cumsum())
    seen = _lookup(pairs, lines[["deal", "time", "n", "total"]])
    return pd.DataFrame(
        {"products_on_deal": seen["n"].fillna(0), "product_lines_amount": seen["total"].fillna(0) / 100}
    )


def _of_stages(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    moves = tables.stages.rename(columns={"changed_at": "time"})
    came, left = moves["to_stage"].cat.codes, moves["from_stage"].cat.codes
    deal = moves["deal"]
    moves = moves.assign(
        last=moves["time"], n=moves.groupby("deal").cumcount() + 1, different=_distinct(moves, "to_stage"),
        back=((came < left) & (left >= 0)).groupby(deal).cumsum(),
        skipped=((came - left > 1) & (left >= 0)).groupby(deal).cumsum(),
    )  # fmt: skip
    columns = ["deal", "time", "last", "n", "different", "back", "skipped", "to_stage"]
    seen, month_ago = _lookup(pairs, moves[columns]), _lookup(pairs, moves[["deal", "time", "n"]], days=30)
    n = seen["n"].fillna(0)
    return pd.DataFrame({
        "stage": seen["to_stage"], "days_in_stage": _days(pairs, seen["last"]), "stage_changes": n,
        "stage_changes_30d": n - month_ago["n"].fillna(0), "stages_seen": seen["different"].fillna(0),
        "steps_back": seen["back"].fillna(0), "stages_skipped": seen["skipped"].fillna(0),
    })  # fmt: skip


def _of_changes(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    changes = tables.changes.rename(columns={"changed_at": "time"})
    edits = changes[["deal", "time"]].assign(n=changes.groupby("deal").cumcount() + 1, last=changes["time"])
    edited, month_ago = _lookup(pairs, edits), _lookup(pairs, edits[["deal", "time", "n"]], days=30)
    closes = changes[changes["field"] == "expected_close_at"]
    moved = (_times(closes["new_value"]) - _times(closes["old_value"])) / DAY
    later = pd.Series(moved > 0, index=closes.index)
    closes = closes[["deal", "time"]].assign(
        pushes=later.groupby(closes["deal"]).cumsum(),
        days=pd.Series(np.trunc(moved), index=closes.index).groupby(closes["deal"]).cumsum(),
        last=closes["time"].where(later).groupby(closes["deal"]).ffill(),
    )
    pushed = _lookup(pairs, closes)
    amounts = changes[changes["field"] == "amount"]
    up = pd.Series(_numbers(amounts["new_value"]) > _numbers(amounts["old_value"]), index=amounts.index)
    raised = _lookup(pairs, amounts[["deal", "time"]].assign(n=up.groupby(amounts["deal"]).cumsum()))
    return pd.DataFrame({
        "edits_30d": edited["n"].fillna(0) - month_ago["n"].fillna(0), "days_since_edit": _days(pairs, edited["last"]),
        "pushes": pushed["pushes"].fillna(0), "days_pushed": pushed["days"].fillna(0),
        "days_since_push": _days(pairs, pushed["last"]), "amount_raised": raised["n"].fillna(0),
    })  # fmt: skip


def _of_activities(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    events = tables.activities.rename(columns={"occurred_at": "time"})
    by_deal = events["deal"]
    events = events.assign(
        n=events.groupby("deal").cumcount() + 1, last=events["time"], contacts=_distinct(events, "contact_id"),
        users=_distinct(events, "user_id"),
        **{kind: (events["type"] == kind).groupby(by_deal).cumsum() for kind in ("email", "call", "meeting")},
        **{way: (events["direction"] == way).groupby(by_deal).cumsum() for way in ("inbound", "outbound")},
        last_meeting=events["time"].where(events["type"] == "meeting").groupby(by_deal).ffill(),
    )  # fmt: skip
    counts = ["n", "email", "call", "meeting", "inbound", "outbound", "contacts", "users"]
    seen = _lookup(pairs, events[["deal", "time", "type", "last", "last_meeting", *counts]])
    seen[counts] = seen[counts].fillna(0)
    week_ago = _lookup(pairs, events[["deal", "time", "n"]], days=7)["n"].fillna(0)
    month_ago = _lookup(pairs, events[["deal", "time", "n", "meeting", "inbound"]], days=30).fillna(0)
    directed = seen["inbound"] + seen["outbound"]
    return pd.DataFrame({
        "activities": seen["n"], "activities_7d": seen["n"] - week_ago, "activities_30d": seen["n"] - month_ago["n"],
        "days_silent": _days(pairs, seen["last"]), "emails": seen["email"], "calls": seen["call"],
        "meetings": seen["meeting"], "meetings_30d": seen["meeting"] - month_ago["meeting"],
        "days_since_meeting": _days(pairs, seen["last_meeting"]), "inbound": seen["inbound"],
        "inbound_30d": seen["inbound"] - month_ago["inbound"],
        "inbound_share": seen["inbound"] / directed.where(directed > 0), "last_activity": seen["type"],
        "active_contacts": seen["contacts"], "active_users": seen["users"],
    })  # fmt: skip


def _of_roles(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    roles = tables.roles.rename(columns={"added_at": "time"})
    roles = roles.assign(
        n=_distinct(roles, "contact_id"), deciders=(roles["role"] == "Decision maker").groupby(roles["deal"]).cumsum()
    )
    seen = _lookup(pairs, roles[["deal", "time", "n", "deciders"]])
    return pd.DataFrame({"contacts": seen["n"].fillna(0), "decision_makers": seen["deciders"].fillna(0)})


def _of_records(tables: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    closed = tables.deals[tables.deals["outcome"].notna()].sort_values("closed_at", kind="stable")
    closings = pd.DataFrame({
        "deal": closed["deal"], "as_of": closed["closed_at"], "account": closed["account_id"].cat.codes,
        "won": (closed["outcome"] == "won").astype(float),
    }).reset_index(drop=True)  # fmt: skip
    closings["owner"] = _as_of_field(closings, tables, "owner_id")
    industry = tables.accounts.set_index("account_id")["industry"].cat.codes
    closings["industry"] = industry.reindex(closed["account_id"]).to_numpy()
    account = tables.deals.set_index("deal")["account_id"].loc[pairs["deal"]]
    asked = pairs[["as_of"]].assign(
        account=account.cat.codes.to_numpy(), owner=_as_of_field(pairs, tables, "owner_id").to_numpy(),
        industry=industry.reindex(account).to_numpy(), all=0,
    )  # fmt: skip
    closings["all"] = 0

    def record(by: str, days: int = 0) -> pd.DataFrame:
        rows = closings[closings["industry"] >= 0] if by == "industry" else closings
        groups = rows.groupby(by)
        state = pd.DataFrame({
            by: rows[by], "time": rows["as_of"], "last": rows["as_of"], "n": groups.cumcount() + 1,
            "wins": groups["won"].cumsum(),
        })  # fmt: skip
        seen = _lookup(asked, state, by=by, days=days)
        return seen.fillna({"n": 0, "wins": 0})

    whole, owner, account_, trade = record("all"), record("owner"), record("account"), record("industry")
    overall = whole["wins"] / whole["n"].where(whole["n"] >= LEAST_CLOSINGS)
    before = record("all", days=90)
    recent_n, recent_wins = whole["n"] - before["n"], whole["wins"] - before["wins"]
    return pd.DataFrame({
        "owner_win_rate": (owner["wins"] + STRENGTH * overall) / (owner["n"] + STRENGTH),
        "owner_closed_deals": owner["n"],
        "account_win_rate": (account_["wins"] + STRENGTH_OF_ACCOUNT * overall) / (account_["n"] + STRENGTH_OF_ACCOUNT),
        "account_won_deals": account_["wins"],
        "days_since_account_closing": _days(pairs, account_["last"]),
        "industry_win_rate": (trade["wins"] + STRENGTH * overall) / (trade["n"] + STRENGTH),
        "recent_win_rate": (recent_wins + STRENGTH * overall) / (recent_n + STRENGTH),
    })  # fmt: skip
