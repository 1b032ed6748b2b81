"""Track record: how deals of the same owner, account, product, ... closed before this moment.

Rates count only deals closed strictly before as_of, and are drawn towards the company's overall rate at that moment, so
that three lucky deals do not make a record.
"""

from __future__ import annotations

import numpy as np

from crm.tables import FloatArray
from features.asof import smoothed_rate
from features.moments import Moments
from features.registry import feature


def _rate(at: Moments, source: str) -> FloatArray:
    seen = at.track_record(source)
    return smoothed_rate(seen.total("won"), seen.count(), at.overall_rate)


@feature(unit="ratio", label="win rate of the owner", needs=["opportunities.owner_id", "dates"], core=True)
def owner_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of the owner's deals closed before as_of."""
    return _rate(at, "opportunities.owner_id")


@feature(unit="count", label="deals the owner has closed", needs=["opportunities.owner_id", "dates"])
def owner_closed_deals(at: Moments) -> FloatArray:
    """Deals of the owner closed before as_of, won or lost."""
    return at.track_record("opportunities.owner_id").count()


@feature(unit="ratio", label="win rate with the account", needs=["opportunities.account_id", "dates"], core=True)
def account_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of the account's deals closed before as_of."""
    seen = at.track_record("opportunities.account_id")
    return smoothed_rate(seen.total("won"), seen.count(), at.overall_rate, strength=3.0)


@feature(unit="count", label="deals won with the account", needs=["opportunities.account_id", "dates"])
def account_won_deals(at: Moments) -> FloatArray:
    """Deals with the account won before as_of."""
    return at.track_record("opportunities.account_id").total("won")


@feature(unit="count", label="deals lost with the account", needs=["opportunities.account_id", "dates"])
def account_lost_deals(at: Moments) -> FloatArray:
    """Deals with the account lost before as_of."""
    seen = at.track_record("opportunities.account_id")
    return seen.count() - seen.total("won")


@feature(unit="days", label="time since the account's last decision", needs=["opportunities.account_id", "dates"])
def days_since_account_closing(at: Moments) -> FloatArray:
    """Days since a deal with the account last closed. Missing: none yet."""
    return at.track_record("opportunities.account_id").days_since_last()


@feature(unit="ratio", label="win rate of the product", needs=["opportunities.product", "dates"])
def product_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of deals with the same main product closed before as_of."""
    return _rate(at, "opportunities.product")


@feature(unit="ratio", label="win rate of the segment", needs=["opportunities.segment", "dates"])
def segment_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of deals in the same segment closed before as_of."""
    return _rate(at, "opportunities.segment")


@feature(unit="ratio", label="win rate in the account's segment", needs=["accounts.segment", "dates"])
def account_segment_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of deals with accounts of the same segment closed before as_of."""
    return _rate(at, "accounts.segment")


@feature(unit="ratio", label="win rate in the industry", needs=["accounts.industry", "dates"])
def industry_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of deals with accounts of the same industry closed before as_of."""
    return _rate(at, "accounts.industry")


@feature(unit="ratio", label="win rate of the lead source", needs=["opportunities.lead_source", "dates"])
def lead_source_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of deals from the same source closed before as_of."""
    return _rate(at, "opportunities.lead_source")


@feature(unit="ratio", label="win rate against the competitor", needs=["opportunities.competitor", "dates"])
def competitor_win_rate(at: Moments) -> FloatArray:
    """Smoothed win rate of deals closed before as_of in which the same competitor was named at the close."""
    return _rate(at, "opportunities.competitor")


@feature(unit="ratio", label="recent win rate of the company", needs=["dates"])
def recent_win_rate(at: Moments) -> FloatArray:
    """Smoothed share won of all deals closed in the 90 days before as_of."""
    wins, closed = at.closings_overall(90)
    return smoothed_rate(wins, closed, at.overall_rate)


@feature(unit="rate", label="closings of the company per week, last 28 days", needs=["dates"])
def recent_closings(at: Moments) -> FloatArray:
    """Deals closed per week in the 28 days before as_of."""
    return np.asarray(at.closings_overall(28)[1] / 4)
