"""The error this room raises."""

from __future__ import annotations


class FeatureError(Exception):
    """A feature is declared twice, or without documentation."""
