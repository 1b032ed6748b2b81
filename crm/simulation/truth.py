"""The true win probabilities of a simulated run, week by week: by all of a deal's state, and by what the CRM shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from crm.simulation.analyst import Analyst
from crm.simulation.frames import times
from crm.simulation.hazards import State
from crm.simulation.value import Values
from crm.simulation.watching import Passed
from crm.tables import DAY, FloatArray, IntArray


class Truth:
    """Watches a run and notes the probabilities of every open deal on every Monday."""

    def __init__(self, values: Values, account: IntArray, last_day: int,
                 progress: Callable[[float], None] = lambda _share: None, n_accounts: int = 0) -> None:  # fmt: skip
        """Begin with nothing seen.

        Args:
            values: Win probability of every state.
            account: Row of each deal's account, shape (n_deals,).
            last_day: Day of the export, in days since 1970.
            progress: Called with the share of the run that has passed, 0 to 1.
            n_accounts: Number of accounts; see `Analyst`.
        """
        self._last_day, self._progress = last_day, progress
        self.values, self.analyst = values, Analyst(account, values.parameters, n_accounts)
        self._noted: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []

    def at(self, day: int, rows: IntArray, state: State) -> None:
        """Note the probabilities of the open deals on a Monday."""
        self._progress((day - self.values.first) / (self._last_day - self.values.first))
        latent = self.values.win_probability(state, day)
        observable = self.analyst.win_probability(self.values, state, day)
        self._noted.append((rows, np.full(len(rows), day), latent, observable))

    def passed(self, passed: Passed) -> None:
        """Let the analyst learn from a week."""
        self.analyst.passed(passed)

    def table(self, deal_ids: np.ndarray) -> pd.DataFrame:
        """One row per deal and Monday on which it was open, in order of deal and Monday."""
        row, day, latent, observable = (np.concatenate(part) for part in zip(*self._noted, strict=True))
        order = np.lexsort((day, row))
        return pd.DataFrame({
            "opportunity_id": deal_ids[row[order]],
            "as_of": times(day[order] * DAY),
            "p_latent": latent[order],
            "p_observable": observable[order],
        })  # fmt: skip
