"""`benchmarks/RESULTS.md`: one section per case, each with the command that made it and the machine it ran on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
HEAD = """# Measured

Each section was written by the command in it. Times come from small shared machines: read ratios, not seconds.
"""


class DataAbsent(Exception):
    """The data of a case are not on this machine."""


def shared(part: str) -> Path:
    """A folder or file of the shared data.

    Raises:
        DataAbsent: It is not there.
    """
    path = SHARED / part
    if not path.exists():
        raise DataAbsent(f"../shared/{part} is not on this machine")
    return path


def markdown(columns: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def write_section(case: str, title: str, body: str) -> None:
    """Put a section into the results, in place of the one that the case wrote before."""
    text = RESULTS.read_text() if RESULTS.exists() else HEAD
    cpu = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    section = (
        f"<!-- {case} -->\n## {title}\n`python -m benchmarks {case}` ({cpu})\n\n{body.strip()}\n<!-- /{case} -->\n"
    )
    pattern = re.compile(rf"<!-- {re.escape(case)} -->.*?<!-- /{re.escape(case)} -->\n", re.DOTALL)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    RESULTS.write_text(text)
