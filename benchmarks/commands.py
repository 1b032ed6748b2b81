"""Runs `wonlost` as a user would, on a store and a registry of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """One command that ended.

    Attributes:
        code: Exit code.
        text: What it printed to standard output.
        errors: What it printed to standard error.
        seconds: Wall time.
        cpu_seconds: Processor time.
    """

    code: int
    text: str
    errors: str
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Workplace:
    """A folder in which commands run.

    Attributes:
        folder: Store, registry and files lie in it.
        settings: Settings of the commands, by environment variable.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the commands: everything they write goes into the folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WONLOST_", "MLFLOW_"))}
        return kept | {"WONLOST_VAR": str(self.folder), "OMP_WAIT_POLICY": "passive"} | self.settings

    def run(self, *arguments: str | Path, check: bool = True) -> Ran:
        """Run `wonlost` with arguments; with `check`, an exit code other than 0 is an error."""
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [Path(sys.executable).with_name("wonlost"), *map(str, arguments)],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if check and done.returncode != 0:
            raise RuntimeError(f"wonlost {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return Ran(done.returncode, done.stdout, done.stderr, time.perf_counter() - start, cpu)
