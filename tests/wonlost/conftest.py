"""A line from export to champion, made once with the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WONLOST = Path(sys.executable).with_name("wonlost")


def wonlost(var: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WONLOST_", "MLFLOW_"))}
    return subprocess.run(
        [WONLOST, *map(str, arguments)], env={**kept, "WONLOST_VAR": str(var), "WONLOST_THREADS": "1"},
        capture_output=True, text=True, check=False, cwd=var,
    )  # fmt: skip


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a simulated CRM was imported and a champion trained."""
    var = tmp_path_factory.mktemp("line")
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
