"""Small companies for tests of the queue."""

from __future__ import annotations

from collections.abc import Mapping

from crm.schema import Kind, Known
from crm.tables import CrmData, micros
from features.history import History
from insights.money import Rates
from insights.reengagement.options import Options
from insights.reengagement.queue import Queue, make_queue
from models.taxonomy import default_taxonomy
from tests.features.small import crm_of

TAXONOMY = default_taxonomy("loss")
DEALS = """
opportunity_id | created_at | closed_at  | outcome | account_id | owner_id | amount | currency | loss_reason | deal_type
lost           | 2025-01-10 | 2025-03-01 | lost    | A          | U1       | 5000   | EUR      | Price       | new
"""


def company(deals: str = DEALS, *, known: Mapping[str, Known] | None = None,
            kinds: Mapping[str, Kind] | None = None, **tables: str) -> CrmData:  # fmt: skip
    """A company of a few deals, with what else it exports."""
    return crm_of({"opportunities": deals, **tables}, known=known, kinds=kinds)


def queue(crm: CrmData, as_of: str = "2025-09-01", rates: Rates | None = None, **options: object) -> Queue:
    """The queue of a day."""
    chosen = Options(**options)  # type: ignore[arg-type]
    return make_queue(History(crm), micros(as_of), chosen, TAXONOMY, rates=rates)


def ids(found: Queue) -> list[str]:
    """Deals of a queue in its order."""
    return [row.id for row in found.rows]
