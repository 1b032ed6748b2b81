"""A company's deals and events beside what its other deals tell."""

from __future__ import annotations

from functools import cached_property

from crm.tables import Attribute, CrmData
from features.company import Company
from features.records import Records


class History(Records):
    """Deals and their events, and the company that they belong to: what features are made of.

    Args:
        crm: The tables. Deals may come in any order.
        company: What the company's other deals tell (track records, owners' loads); by default taken from `crm`
            itself. A deal sent to the API brings its own history and borrows the company of the store.
    """

    def __init__(self, crm: CrmData, company: Company | None = None) -> None:
        super().__init__(crm)
        self._company = company
        self.borrows_company = company is not None

    @cached_property
    def sources(self) -> frozenset[str]:
        """What features may be made of (see `Records.sources`): the company's, where that is borrowed."""
        return super().sources if self._company is None else self._company.sources

    @cached_property
    def catalogue(self) -> dict[tuple[str, str], Attribute]:
        """Columns of the company's data by table and name."""
        return super().catalogue if self._company is None else self._company.catalogue

    @cached_property
    def company(self) -> Company:
        """What the company's deals tell about an owner, an account, a segment, a product or a competitor."""
        return Company(self) if self._company is None else self._company
