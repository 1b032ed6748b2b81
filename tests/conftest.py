"""Settings of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import Postgres, server

# The same examples in every run, and no stopwatch: a busy machine is no failure.
settings.register_profile(
    "wonlost", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("wonlost")


ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what one of several workers runs as a whole (`--dist loadgroup`): a file, of slow tests a folder of them.

    Slow tests of a folder share what takes long to make, such as a trained model.
    """
    for item in items:
        place = item.path.relative_to(ROOT)
        slow = item.get_closest_marker("slow") is not None
        item.add_marker(pytest.mark.xdist_group(place.parts[0] if slow else place.as_posix()))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started when the first test asks for it."""
    with server() as running:
        yield running
