"""Custom attributes: a company's own columns of deals and accounts, as its mapping says when they are known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from crm.schema import Kind, Known
from crm.tables import DAY, Attribute, Coded, FloatArray
from features.history import History
from features.moments import Moments
from features.registry import Feature, Unit, provider

_UNITS: dict[Kind, Unit] = {
    Kind.CATEGORY: "category", Kind.MONEY: "currency", Kind.NUMBER: "number", Kind.INTEGER: "number",
    Kind.BOOLEAN: "flag", Kind.TIME: "days",
}  # fmt: skip


def _category(at: Moments, source: str) -> Coded:
    return at.category(source)


def _number(at: Moments, source: str) -> FloatArray:
    return at.number(source)


def _money(at: Moments, source: str) -> FloatArray:
    return at.number(source) / 100


def _days_since(at: Moments, source: str) -> FloatArray:
    return (at.as_of - at.number(source)) / DAY


@provider
def custom_attributes(history: History) -> list[Feature]:
    """A feature for each custom column that is known at entry or from its history; free text and ids make none."""
    found = []
    for attribute in history.crm.attributes:
        dated = attribute.kind is not Kind.TIME or "dates" in history.sources
        usable = dated and attribute.known in (Known.CREATED, Known.HISTORY) and attribute.kind in _UNITS
        if attribute.custom and usable and f"{attribute.table}.{attribute.name}" in history.sources:
            found.append(_feature(attribute))
    return found


def _feature(attribute: Attribute) -> Feature:
    source = f"{attribute.table}.{attribute.name}"
    special: dict[Kind, Callable[..., FloatArray | Coded]]
    special = {Kind.CATEGORY: _category, Kind.MONEY: _money, Kind.TIME: _days_since}
    compute = special.get(attribute.kind, _number)
    told = "as it stood" if attribute.known is Known.HISTORY else "as entered"
    label = attribute.source or attribute.name.replace("_", " ")
    if attribute.kind is Kind.TIME:
        label = f"time since {label}"
    return Feature(
        name=f"{'account' if attribute.table == 'accounts' else 'custom'}.{attribute.name}",
        family="custom",
        unit=_UNITS[attribute.kind],
        label=label,
        needs=(source, "dates") if attribute.kind is Kind.TIME else (source,),
        compute=partial(compute, source=source),
        doc=f"Custom column {attribute.name!r} of {attribute.table}, {told}.",
    )
