"""Settings of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.postgres import Postgres, server

# The same examples in every run, and no stopwatch: a busy machine is no failure.
settings.register_profile(
    "wonlost", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("wonlost")


ROOT = Path(__file__).parent


LONGEST = ("notebooks", "wonlost", "crm", "training")
"""Folders whose slow tests take longest, longest first, so that no worker is left alone with one at the end."""
ALONE = {"test_notebooks.py", "test_postgres.py", "test_reasons_cli.py", "test_reengage_cli.py"}
"""Files whose slow tests share nothing that takes long to make with the rest of their folder."""


class Sharing(LoadScopeScheduling):
    """Gives each worker whole files, of slow tests whole folders: they share what takes long to make.

    A scheduler of our own since xdist's `loadgroup` (3.8) marks tests by a name that pytest (9.2) no longer reads, and
    then says nothing and gives out single tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        _, folder, *rest = path.split("/")
        if folder == "notebooks":
            return nodeid
        slow = self.config.option.markexpr == "slow"
        return folder if slow and rest[-1] not in ALONE else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """How tests are spread over workers."""
    return Sharing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests of the folders that take longest first."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT).parts[0]
        return LONGEST.index(folder) if item.get_closest_marker("slow") and folder in LONGEST else len(LONGEST)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started when the first test asks for it."""
    with server() as running:
        yield running
