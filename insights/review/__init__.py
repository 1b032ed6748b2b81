"""The win-loss review of a month, a quarter or a year: what was won and lost, why, and what changed beyond chance.

For people it is written by `insights.review.page`, which needs a second to be imported.
"""

from __future__ import annotations

from insights.review.closed import DIMENSIONS, Dimension
from insights.review.making import Review, review, to_json

__all__ = ["DIMENSIONS", "Dimension", "Review", "review", "to_json"]
