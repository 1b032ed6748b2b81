"""What a company may set about its queue; every default is stated here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

HORIZONS = (6, 12, 18)
"""Months after a landmark for which win-backs are followed."""
CUSTOMER_BUSINESS = (
    r"renew|expan|up-?\s?sell|cross-?\s?sell|add-?\s?on|existing|verl[aä]nger|erweiter|renouvel|renov|rinnov|"
    r"estensione"
)
"""Deal types that are business with customers: renewals and expansions are kept apart from win-backs."""


@dataclass(frozen=True)
class Options:
    """How the queue is made.

    Attributes:
        horizon: Months in which a deal must be won to count, one of `HORIZONS`.
        least_days: Days after the loss within which a deal is left out.
        least_winbacks: Fewest accounts won back in the history for a model of the company's own; below it the prior.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
        customer_business: Pattern of deal types that are business with customers, matched anywhere, whatever the case.
        opt_out: Custom columns of opportunities or accounts that say not to be called (true, yes, 1, or any text that
            is not a no); by default every column whose name says so.
        contract_end: Custom column of opportunities with the end of the rival's contract: a time, or a number of months
            from the loss; "" where there is none.
    """

    horizon: int = 12
    least_days: int = 30
    least_winbacks: int = 40
    fiscal_year_start: int = 1
    customer_business: str = CUSTOMER_BUSINESS
    opt_out: tuple[str, ...] = ()
    contract_end: str = ""

    def __post_init__(self) -> None:
        if self.horizon not in HORIZONS:
            raise ValueError(f"horizon must be one of {HORIZONS} months, not {self.horizon}")

    @cached_property
    def customers(self) -> re.Pattern[str]:
        """The pattern of deal types, compiled."""
        return re.compile(self.customer_business, re.IGNORECASE)
