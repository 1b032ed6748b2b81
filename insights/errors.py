"""Every error this room raises, as one tree.

InsightError
├── NothingToTellError  the data, the model, or the scores that were kept do not hold what was asked about
├── PeriodError     a period cannot be read, is over or too far ahead, or the data know no dates to lay it over
└── RatesError      a file of currency rates cannot be used
"""

from __future__ import annotations


class InsightError(Exception):
    """Any error of this room; its text is fit to be shown to the user as it stands."""


class NothingToTellError(InsightError):
    """There is nothing to tell: no such deal, no scores kept, a deal that is still open, nothing to forecast from."""


class PeriodError(InsightError):
    """A period cannot be read, is over or too far ahead, or the data know no dates to lay it over."""


class RatesError(InsightError):
    """A file of currency rates cannot be used (names file, key and value), or is lacking where one is needed."""
