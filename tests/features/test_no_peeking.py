"""No peeking: for every feature there is, no future changes the row of today."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from features.history import History
from features.registry import absent_of, declared, features_of
from tests.features.invariance import assert_blind_to_the_future
from tests.features.strategies import FUTURES, PASTS, STYLES
from tests.features.worlds import CUSTOM, CUSTOM_OF_ACCOUNTS, Known, Happening, Style, export, past_deals


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(past=PASTS, one=FUTURES, other=FUTURES, style=STYLES)
def test_no_feature_sees_the_future(
    past: list[Happening], one: list[Happening], other: list[Happening], style: Style
) -> None:
    assert_blind_to_the_future(past, one, other, style)


def test_no_feature_is_left_out() -> None:
    history = History(export(past_deals(), Style()))
    assert absent_of(history) == {}
    names = {item.name for item in features_of(history)}
    assert {item.name for item in declared()} <= names
    own = {f"custom.{name}" for name, (_, known) in CUSTOM.items() if known is not Known.CLOSED}
    own |= {f"account.{name}" for name in CUSTOM_OF_ACCOUNTS}
    assert {name for name in names if "." in name} == own
