"""Pages for people: one HTML file each, made of sections, that needs no other file and no network."""

from __future__ import annotations

from insights.pages.page import SIMULATED, render

__all__ = ["SIMULATED", "render"]
