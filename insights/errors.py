"""Every error this room raises, as one tree.

InsightError
├── PeriodError   a period that cannot be read, or that lies before the moment of a forecast
├── RatesError    a table of exchange rates is wrong, or lacks a currency: names file and row
└── NothingToForecastError  there are no deals to tell anything from
"""

from __future__ import annotations


class InsightError(Exception):
    """Any error about decisions; its text is fit to be shown to the user as it stands."""


class PeriodError(InsightError):
    """A period that is none, or that is over."""


class RatesError(InsightError):
    """A table of exchange rates that cannot be used."""


class NothingToForecastError(InsightError):
    """No deal had been entered by then, or the export has no dates."""
