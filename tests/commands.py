"""The command line as a user calls it: a process of its own for each call, forked from one that has the libraries."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_LIBRARIES = ["lightgbm", "matplotlib.figure", "mlflow.tracking", "mlflow.pyfunc", "pandas", "pyarrow.parquet",
              "pydantic_settings", "scipy.stats", "sklearn.linear_model", "sqlalchemy", "typer", "uvicorn"]  # fmt: skip
"""What takes seconds to load. None of the project's own code, so that each call loads that anew."""

_CLEAN = multiprocessing.get_context("forkserver")
_CLEAN.set_forkserver_preload(_LIBRARIES)


def wonlost(var: Path, *arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Call the command line in a folder, which is also where it keeps everything, with what is typed in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WONLOST_", "MLFLOW_"))}
    environment = {**kept, "WONLOST_VAR": str(var), "WONLOST_THREADS": "1"}
    told = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as folder:
        into, out, err = (Path(folder) / name for name in ("in", "out", "err"))
        into.write_text(typed, encoding="utf-8")
        child = _CLEAN.Process(target=_main, args=(told, environment, var, into, out, err))
        child.start()
        child.join()
        assert child.exitcode is not None
        said = (file.read_text(encoding="utf-8") if file.exists() else "" for file in (out, err))
        return subprocess.CompletedProcess(["wonlost", *told], child.exitcode, *said)


def _main(arguments: list[str], environment: Mapping[str, str], cwd: Path, into: Path, out: Path, err: Path) -> None:
    """In the new process: run the command as its script does, with files for what it reads and says."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = into.open()
    os.dup2(sys.stdin.fileno(), 0)
    for number, file in ((1, out), (2, err)):
        with file.open("w") as opened:
            os.dup2(opened.fileno(), number)
    sys.argv = ["wonlost", *arguments]

    from wonlost.cli.app import main

    main()
