"""The win-loss review of a month, a quarter or a year: what was won and lost, why, and what changed beyond chance."""

from __future__ import annotations

from insights.review.closed import DIMENSIONS, Dimension
from insights.review.making import Review, review, to_json
from insights.review.page import to_html, to_markdown

__all__ = ["DIMENSIONS", "Dimension", "Review", "review", "to_html", "to_json", "to_markdown"]
