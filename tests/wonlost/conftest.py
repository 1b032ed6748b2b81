"""A line from export to champion, made once with the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands import wonlost


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a simulated CRM was imported and a champion trained; to be copied before it is changed."""
    var = tmp_path_factory.mktemp("trained")
    for arguments in (
        ("simulate", "--deals", "600", "--seed", "3", "--difficulty", "0.5", "--no-truth", "--out", "export"),
        ("import", "export"),
        ("train",),
    ):
        done = wonlost(var, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "promoted: version 1 of wonlost-win" in done.stdout
    assert "base rate" in done.stdout
    assert "simulated data" in done.stderr
    return var


@pytest.fixture(scope="session")
def twice(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of it with a second version, trained half a year before the end, and what that run printed."""
    var = Path(shutil.copytree(trained, tmp_path_factory.mktemp("twice") / "var"))
    arguments = ("--no-reasons", "--tune", "1", "--as-of", "2026-03-30", "--force", "for a test")
    done = wonlost(var, "train", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return var, done.stdout


@pytest.fixture(scope="module")
def line(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it for one file of tests."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("line") / "var"))
