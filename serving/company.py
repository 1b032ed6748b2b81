"""A company's imported CRM, loaded and sorted once, and what the API shows of it: states of deals, stage rates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from crm.notes import PICKLISTS, Note, closed_notes
from crm.schema import TABLES, Kind, Known
from crm.tables import DAY, NAT, Attribute, Coded, Columns, CrmData, FloatArray, IntArray, moment
from features.asof_once import look_back
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix, default_as_of, grid, pair_of
from features.records import NEVER
from features.registry import Feature, features_of
from models.stage_age import StageAgeTable
from serving.answers import DealState, StageRate

Status = Literal["open", "won", "lost", "not_entered"]
Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The last few answers of a slow question, so that pages of one list are worked out once; safe between threads.

    Args:
        size: How many to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = Lock()
        self._working = Lock()

    def get(self, key: Key, work: Callable[[], Value]) -> Value:
        """The answer, worked out if it is not at hand; one at a time, so that two askers do not both do the work."""
        found = self._peek(key)
        if found is not None:
            return found
        with self._working:
            found = self._peek(key)
            if found is None:
                found = work()
                with self._lock:
                    self._kept[key] = found
                    while len(self._kept) > self._size:
                        self._kept.popitem(last=False)
        return found

    def _peek(self, key: Key) -> Value | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)


@dataclass(frozen=True)
class StageRates:
    """Win rates by stage, shown while there is no model.

    Attributes:
        table: The fitted table.
        rates: The same, to show.
    """

    table: StageAgeTable
    rates: list[StageRate]

    def of(self, matrix: FeatureMatrix) -> FloatArray:
        """Rate of each row's stage, shape (n_rows,); NaN where no deal has closed yet."""
        if not self.rates:
            return np.full(matrix.n_rows, np.nan)
        return 1 / (1 + np.exp(-self.table.margin(matrix)))


class CompanyData:
    """What one import left in the store, in memory.

    Args:
        crm: The store's tables.
        import_id: Number of the newest import.

    Attributes:
        history: All deals.
        features: What the data allow.
        cut: The day by which everything imported is known, in microseconds: the default as_of.
        dated: Whether the export has dates.
        simulated: Whether the data come from the simulator.
    """

    def __init__(self, crm: CrmData, import_id: int) -> None:
        self.crm = crm
        self.import_id = import_id
        self.history = History(crm)
        self.features: list[Feature] = features_of(self.history)
        self.cut = default_as_of(crm)
        self.dated = crm.process.time_basis == "dates"
        self.simulated = crm.process.simulated
        self._rates: Recent[int, StageRates] = Recent(4)
        self._stages = [item for item in self.features if item.name == "stage"]

    @cached_property
    def notes(self) -> dict[str, list[Note]]:
        """Notes on closed deals by deal, the newest of each last."""
        found: dict[str, list[Note]] = {}
        for note in closed_notes(self.crm):
            found.setdefault(note.key.opportunity_id, []).append(note)
        return found

    def picked(self, deal_id: str, kind: str) -> str:
        """The reason picked in the CRM; "" where none was."""
        column, row = self.crm.tables["opportunities"].get(PICKLISTS[kind]), self._row_of.get(deal_id)
        if not isinstance(column, Coded) or row is None or column.codes[row] < 0:
            return ""
        return str(column.levels[column.codes[row]])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        ids = self.crm.tables["opportunities"]["opportunity_id"]
        return {id: row for row, id in enumerate(ids.strings())} if isinstance(ids, Coded) else {}

    @cached_property
    def kinds(self) -> dict[str, dict[str, Kind]]:
        """What each column of each table holds, the company's own among them."""
        found = {name: {column: described.kind for column, described in table.columns().items()}
                 for name, table in TABLES.items()}  # fmt: skip
        for item in self.crm.attributes:
            found[item.table][item.name] = item.kind
        return found

    @cached_property
    def own_columns(self) -> dict[str, dict[str, Attribute]]:
        """The company's own columns by table."""
        found: dict[str, dict[str, Attribute]] = {name: {} for name in TABLES}
        for item in self.crm.attributes:
            if item.custom:
                found[item.table][item.name] = item
        return found

    @cached_property
    def account_rows(self) -> dict[str, int]:
        """Row of each account in its table."""
        return _rows_by_id(self.crm.tables.get("accounts", {}), "account_id")

    @cached_property
    def _user_rows(self) -> dict[str, int]:
        return _rows_by_id(self.crm.tables.get("users", {}), "user_id")

    @cached_property
    def _deal_rows(self) -> dict[str, int]:
        return _rows_by_id(self.crm.tables["opportunities"], "opportunity_id")

    def when(self, as_of: int) -> datetime | None:
        """A moment to show; None for an export without dates."""
        return moment(as_of) if self.dated else None

    def pair(self, deal: int, as_of: int) -> Snapshots:
        """One deal at a moment, as features want it (see `open_at`)."""
        return pair_of(self.history, deal, as_of)

    def status(self, deal: int, as_of: int) -> tuple[Status, int | None]:
        """What a deal was at a moment, and when it had closed before that, in microseconds."""
        history = self.history
        closed, won = int(history.closed[deal]), history.won[deal]
        at = np.array([deal], dtype=np.int64), np.array([as_of], dtype=np.int64)
        if self.dated:
            if history.created[deal] == NAT or history.created[deal] >= as_of:
                return "not_entered", None
            if history.is_open(*at)[0]:
                return "open", None
            if closed >= as_of:  # closed once, and reopened after as_of
                seen = look_back(history.lapses, *at)
                return "won" if seen.last("won")[0] == 1 else "lost", int(seen.last_time()[0])
        elif closed == NEVER:
            return "open", None
        return "won" if won == 1 else "lost", closed if self.dated else None

    # -- stage rates -------------------------------------------------------------------------------------------------

    def stages(self, pairs: Snapshots) -> FeatureMatrix:
        """The stage of deals at moments; no column where the data have no stage history."""
        return self.stages_of(self.history, pairs)

    def stages_of(self, history: History, pairs: Snapshots) -> FeatureMatrix:
        """The same, of deals that may not be in the store."""
        return build_matrix(history, self._stages, pairs)

    def stage_rates(self, as_of: int) -> StageRates:
        """Win rates by stage of deals closed before a moment, seen on the Mondays of their open lives."""
        as_of = min(as_of, self.cut)
        return self._rates.get(as_of, lambda: self._fit_rates(as_of))

    def _fit_rates(self, as_of: int) -> StageRates:
        history = self.history
        rows = grid(history, as_of)
        closed = history.closed[rows.deal]
        known = ~np.isnan(history.won[rows.deal]) & ((closed < as_of) if self.dated else (closed != NEVER))
        rows = rows.take(known)
        table = StageAgeTable(use_age=False)
        if not len(rows):
            return StageRates(table, [])
        table.fit(self.stages(rows), history.won[rows.deal])
        rates = [StageRate(stage=stage, win_rate=float(rate))
                 for stage, rate in zip((*table.stages, None), table.cell_rate[:, 0], strict=True)]  # fmt: skip
        return StageRates(table, rates)

    # -- state -------------------------------------------------------------------------------------------------------

    def owners(self, deals: IntArray, as_of: int) -> list[str | None]:
        """Owner of each deal as it stood at a moment; None where unknown."""
        return self._texts("owner_id", deals, as_of)

    def stage_names(self, deals: IntArray, as_of: int) -> list[str | None]:
        """Stage of each deal at a moment, from its stage changes where there are any; None where unknown."""
        shown = self._texts("stage", deals, as_of)
        if not self._stages:
            return shown
        times = np.full(len(deals), as_of, dtype=np.int64)
        found = self.stages(Snapshots(deals, times)).columns["stage"]
        assert isinstance(found, Coded)
        told = found.strings()
        return [str(told[row]) or (shown[row] if as_of >= self.cut else None) for row in range(len(deals))]

    def _stands(self, name: str, deals: IntArray, as_of: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where a column's value at a moment is known: it never changes, its changes are known, or it still stands."""
        known = self.crm.known("opportunities", name)
        if known in (Known.CREATED, Known.HISTORY):
            return np.ones(len(deals), dtype=bool)
        closed = self.history.closed[deals]
        return np.asarray((closed == NEVER) | (closed < as_of) | (not self.dated), dtype=bool)

    def _texts(self, name: str, deals: IntArray, as_of: int) -> list[str | None]:
        if self.crm.known("opportunities", name) is None:
            return [None] * len(deals)
        field = self.history.field(f"opportunities.{name}")
        codes = field.codes(deals, np.full(len(deals), as_of, dtype=np.int64))
        stands = self._stands(name, deals, as_of)
        return [field.levels[code] if code >= 0 and ok else None for code, ok in zip(codes, stands, strict=True)]

    def _amount(self, deals: IntArray, as_of: int) -> list[float | None]:
        if self.crm.known("opportunities", "amount") is None:
            return [None] * len(deals)
        values = self.history.field("opportunities.amount").numbers(deals, np.full(len(deals), as_of, dtype=np.int64))
        stands = self._stands("amount", deals, as_of)
        return [float(value) / 100 if ok and value == value else None for value, ok in zip(values, stands, strict=True)]

    def states(self, deals: IntArray, as_of: int) -> list[DealState]:
        """Deals as they stood at a moment.

        Args:
            deals: Codes, shape (n_deals,).
            as_of: Microseconds.
        """
        tables = self.crm.tables
        owners, stages = self.owners(deals, as_of), self.stage_names(deals, as_of)
        amounts = self._amount(deals, as_of)
        found = []
        for place, deal in enumerate(deals):
            key = self.history.deal_ids[deal]
            row = self._deal_rows[key]
            account = _cell(tables["opportunities"], "account_id", row)
            owner = owners[place]
            created = int(self.history.created[deal])
            dated = self.dated and created != NAT
            found.append(DealState(
                id=key, name=_cell(tables["opportunities"], "name", row), account_id=account,
                account=_cell(tables.get("accounts", {}), "name", self.account_rows.get(account or "")),
                owner_id=owner, owner=_cell(tables.get("users", {}), "name", self._user_rows.get(owner or "")),
                stage=stages[place], amount=amounts[place],
                currency=_cell(tables["opportunities"], "currency", row),
                created_at=moment(created) if dated else None,
                age_days=max(0.0, (as_of - created) / DAY) if dated else None,
            ))  # fmt: skip
        return found


def _rows_by_id(columns: Columns, key: str) -> dict[str, int]:
    ids = columns.get(key)
    if not isinstance(ids, Coded):
        return {}
    return {name: row for row, name in enumerate(ids.strings())}


def _cell(columns: Columns, name: str, row: int | None) -> str | None:
    values = columns.get(name)
    if row is None or not isinstance(values, Coded) or values.codes[row] < 0:
        return None
    return str(values.levels[values.codes[row]])
