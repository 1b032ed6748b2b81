"""The report of a training run: one HTML file that needs nothing else, for a manager first and for an analyst after."""

from __future__ import annotations

from training.report.page import render

__all__ = ["render"]
