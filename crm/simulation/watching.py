"""What a run shows to somebody who watches it week by week, beside what it logs for the export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from crm.simulation.dynamics import Happened
from crm.simulation.hazards import State, Week
from crm.tables import FloatArray, IntArray


@dataclass(frozen=True)
class Passed:
    """A week, or the part of it in which they were open, that passed over n deals; arrays of shape (n,).

    Attributes:
        week: The calendar.
        rows: Numbers of the deals.
        before: Their state at its start, or at their entry.
        span: Part of the week for which they would have been open if they had not closed, in weeks.
        happened: What happened.
        outbound: Activities of the seller.
        inbound: Activities of the customer.
        open_span: Part of the week until they closed, or else its end: the time in which the activities fell, in weeks.
        diligence: Factor of each deal's owner on the outbound activities.
    """

    week: Week
    rows: IntArray
    before: State
    span: FloatArray
    happened: Happened
    outbound: IntArray
    inbound: IntArray
    open_span: FloatArray
    diligence: FloatArray


class Watcher(Protocol):
    """Follows a run without touching it: it must neither change what it is shown nor draw from the run's chance."""

    def at(self, day: int, rows: IntArray, state: State) -> None:
        """See the deals that are open at 00:00 UTC of a Monday (days since 1970), in ascending order of row."""

    def passed(self, passed: Passed) -> None:
        """See what the week that then began did to them, and to those that entered within it."""
