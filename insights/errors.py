"""Every error this room raises, as one tree.

InsightError
└── NothingToTellError  the data, or the scores that were kept, do not hold what was asked about
"""

from __future__ import annotations


class InsightError(Exception):
    """Any error about what people decide from; its text is fit to be shown to the user as it stands."""


class NothingToTellError(InsightError):
    """There is nothing to tell: no such deal, no scores kept, a deal that is still open."""
