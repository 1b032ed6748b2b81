"""The deal itself: what it is, how big, how old, and where in the calendar."""

from __future__ import annotations

from crm.tables import DAY, Coded, FloatArray
from features.moments import Moments
from features.registry import feature


@feature(unit="currency", label="amount", needs=["opportunities.amount"], core=True)
def amount(at: Moments) -> FloatArray:
    """Amount of the deal as it stood, in currency units. Missing: none was entered yet."""
    return at.number("opportunities.amount") / 100


@feature(unit="days", label="age of the deal", needs=["dates"], core=True)
def age_days(at: Moments) -> FloatArray:
    """Days since the deal was entered. Known from entry on."""
    return at.age_days


@feature(unit="days", label="time left to the end of the quarter", needs=["dates"])
def days_to_quarter_end(at: Moments) -> FloatArray:
    """Days from as_of to the end of its calendar quarter. Always known."""
    return at.days_to_quarter_end


@feature(unit="days", label="time to the expected close", needs=["opportunities.expected_close_at", "dates"], core=True)
def days_to_expected_close(at: Moments) -> FloatArray:
    """Days from as_of to the expected close as it stood, negative when overdue. Missing: none recorded by then."""
    return (at.number("opportunities.expected_close_at") - at.as_of) / DAY


@feature(unit="category", label="lead source", needs=["opportunities.lead_source"], core=True)
def lead_source(at: Moments) -> Coded:
    """Where the deal came from, as it stood."""
    return at.category("opportunities.lead_source")


@feature(unit="category", label="type of deal", needs=["opportunities.deal_type"], core=True)
def deal_type(at: Moments) -> Coded:
    """New business, renewal or expansion, as it stood."""
    return at.category("opportunities.deal_type")


@feature(unit="category", label="product", needs=["opportunities.product"])
def product(at: Moments) -> Coded:
    """Main product of the deal, as it stood."""
    return at.category("opportunities.product")


@feature(unit="category", label="segment", needs=["opportunities.segment"], core=True)
def segment(at: Moments) -> Coded:
    """Market segment of the deal, as it stood."""
    return at.category("opportunities.segment")


@feature(unit="category", label="competitor", needs=["opportunities.competitor"])
def competitor(at: Moments) -> Coded:
    """Main competitor known by then. Missing: none was named yet."""
    return at.category("opportunities.competitor")


@feature(unit="category", label="industry", needs=["accounts.industry"])
def industry(at: Moments) -> Coded:
    """Industry of the account. Known at entry, where the mapping says so."""
    return at.category("accounts.industry")


@feature(unit="category", label="segment of the account", needs=["accounts.segment"], core=True)
def account_segment(at: Moments) -> Coded:
    """Size class of the account. Known at entry, where the mapping says so."""
    return at.category("accounts.segment")


@feature(unit="category", label="country", needs=["accounts.country"])
def country(at: Moments) -> Coded:
    """Country of the account. Known at entry, where the mapping says so."""
    return at.category("accounts.country")


@feature(unit="count", label="employees of the account", needs=["accounts.employees"])
def employees(at: Moments) -> FloatArray:
    """Number of employees of the account. Known at entry, where the mapping says so."""
    return at.number("accounts.employees")


@feature(unit="currency", label="revenue of the account", needs=["accounts.annual_revenue"])
def annual_revenue(at: Moments) -> FloatArray:
    """Yearly revenue of the account in currency units. Known at entry, where the mapping says so."""
    return at.number("accounts.annual_revenue") / 100


@feature(unit="count", label="products on the deal", needs=["deal_products.added_at"])
def products_on_deal(at: Moments) -> FloatArray:
    """Different products entered on the deal so far."""
    return at.deal_products.distinct("product")


@feature(unit="currency", label="value of the product lines", needs=["deal_products.added_at", "deal_products.amount"])
def product_lines_amount(at: Moments) -> FloatArray:
    """Sum of the amounts of product lines entered so far, in currency units."""
    return at.deal_products.total("amount") / 100
