"""The registry of features: a function under `@feature(...)` in one file of `features/families/` is all it takes.

Discovery, documentation, the sentences of reasons, the matrix and the future-invariance test pick it up from here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from crm.tables import Coded, FloatArray
from features.errors import FeatureError
from features.history import History
from features.moments import Moments

Compute = Callable[[Moments], FloatArray | Coded]
Unit = Literal["days", "count", "currency", "rate", "ratio", "flag", "category", "number", "date"]


@dataclass(frozen=True)
class Feature:
    """One thing that is known about a deal at a moment.

    Attributes:
        name: Its name in the matrix, in reasons and in MLflow.
        family: File of `features/families/` that it lives in.
        unit: Unit of its value; `category` for text.
        label: What it is, in the words of a rep, for reasons: "{label}: {value}; won deals usually {usual}".
        needs: Sources it is made of (`History.sources`); where one is absent, the feature is not computed.
        compute: Gives the values, shape (n_pairs,): float64 with NaN for missing, or a `Coded` for categories.
        doc: Its documentation: meaning, when it is known, and what a missing value means.
        core: Whether it belongs to the few that carry most of what any sales process shows: on few deals, models of
            these alone are tried as well.
    """

    name: str
    family: str
    unit: Unit
    label: str
    needs: tuple[str, ...]
    compute: Compute
    doc: str
    core: bool = False

    @property
    def is_category(self) -> bool:
        """Whether its values are text."""
        return self.unit == "category"


_STATIC: dict[str, Feature] = {}
_PROVIDERS: dict[str, Callable[[History], list[Feature]]] = {}


def feature(
    *, unit: Unit, label: str, needs: Sequence[str] = (), core: bool = False
) -> Callable[[Compute], Compute]:
    """Register a function as a feature; its name is the function's, its family the file's.

    Args:
        unit: Unit of the value.
        label: What it is, in the words of a rep.
        needs: Sources it is made of: `dates`, a table's name, or `table.column` of a column known before the close.
        core: Whether models of few features are tried with it; see `Feature`.
    """

    def register(compute: Compute) -> Compute:
        name, family = compute.__name__, compute.__module__.rsplit(".", 1)[-1]
        doc = inspect.getdoc(compute)
        known = _STATIC.get(name)
        if known is not None and known.compute.__module__ != compute.__module__:
            raise FeatureError(f"feature {name!r} is declared in {known.family} and again in {family}")
        if not doc:
            raise FeatureError(f"feature {name!r} has no docstring; say what it means and when it is known")
        _STATIC[name] = Feature(name, family, unit, label, tuple(needs), compute, doc, core)
        return compute

    return register


def provider(provide: Callable[[History], list[Feature]]) -> Callable[[History], list[Feature]]:
    """Register a function that makes features from what a company's data hold, such as its custom columns."""
    _PROVIDERS[f"{provide.__module__}.{provide.__name__}"] = provide
    return provide


def discover() -> None:
    """Import every file of `features/families/`, which registers its features."""
    from features import families

    for module in pkgutil.iter_modules(families.__path__):
        importlib.import_module(f"{families.__name__}.{module.name}")


def declared() -> list[Feature]:
    """Every feature declared in the families, by family and name, whatever the data hold."""
    discover()
    return sorted(_STATIC.values(), key=lambda item: (item.family, item.name))


def forget(name: str) -> None:
    """Take a feature out of the registry again; for notebooks and tests that try one."""
    _STATIC.pop(name, None)


def features_of(history: History) -> list[Feature]:
    """The features that a company's data allow, by family and name: declared ones and those of custom columns."""
    found = [item for item in declared() if all(need in history.sources for need in item.needs)]
    for provide in _PROVIDERS.values():
        found.extend(provide(history))
    names = [item.name for item in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise FeatureError(f"features declared twice: {sorted(twice)}")
    return sorted(found, key=lambda item: (item.family, item.name))


def absent_of(history: History) -> dict[str, tuple[str, ...]]:
    """Declared features that the data do not allow, each with the sources it lacks; said in the report."""
    return {
        item.name: lacking
        for item in declared()
        if (lacking := tuple(need for need in item.needs if need not in history.sources))
    }
