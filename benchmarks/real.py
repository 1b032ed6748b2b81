"""Cases on real data, each beside its reference script in the same run: BPI 2012, the IBM sample, Maven, Salvirt."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd

from benchmarks.commands import Workplace
from benchmarks.results import ROOT, markdown, shared

MAPPINGS = ROOT / "benchmarks" / "mappings"
FIGURES = re.compile(r"^(.+?)\s+AUC ([\d.]+)\s+log-loss ([\d.]+)\s+Brier ([\d.]+)\s+ECE ([\d.]+)$", re.MULTILINE)


def reference(script: str, *arguments: str | Path) -> dict[str, tuple[float, float, float, float]]:
    """Figures that a reference script prints, by name: AUC, log-loss, Brier, ECE."""
    path = shared(f"reference/{script}")
    done = subprocess.run([sys.executable, path, *map(str, arguments)], capture_output=True, text=True, check=True)
    found = {name.strip(): tuple(map(float, rest)) for name, *rest in FIGURES.findall(done.stdout)}
    missing = re.search(r"rows without a score: (\d+)", done.stdout)
    if missing and int(missing[1]):
        raise RuntimeError(f"{missing[1]} rows without a score")
    return found  # type: ignore[return-value]


def _figures(found: dict[str, tuple[float, float, float, float]]) -> str:
    best = min(loss for name, (_, loss, _, _) in found.items() if name != "wonlost")
    rows: list[list[object]] = [
        [name, f"{loss:.4f}", f"{loss / best:.3f}", f"{area:.4f}", f"{brier:.4f}", f"{ece:.3f}"]
        for name, (area, loss, brier, ece) in found.items()
    ]
    return markdown(["", "log-loss", "of the best reference", "AUC", "Brier", "ECE"], rows)


def mondays_after(cut: date, until: date) -> list[date]:
    """Mondays later than a cut, up to and with `until`."""
    first = cut + timedelta(days=(7 - cut.weekday()) % 7 or 7)
    return [first + timedelta(weeks=week) for week in range((until - first).days // 7 + 1)]


BPI_CUTS = (("2011-12-12", "2012-01-03"), ("2011-12-05", "2011-12-27"), ("2011-11-28", "2011-12-20"))
"""Cuts and last days; what was chosen by hand was chosen on origins before the earliest of the later days."""


def bpi2012() -> str:
    """Train on what was known at a cut, score every Monday after it, beside the reference on the same rows."""
    data = shared("data/bpi2012")
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for cut, until in BPI_CUTS:
            place = Workplace(Path(folder) / cut)
            place.folder.mkdir()
            parts.append(_bpi_cut(place, data, cut, until))
    return "\n\n".join(parts)


def _bpi_cut(place: Workplace, data: Path, cut: str, until: str) -> str:
    place.run("import", data, "--mapping", MAPPINGS / "bpi2012.toml")
    trained = place.run("train", "--as-of", cut)
    parts = []
    for monday in mondays_after(date.fromisoformat(cut), date.fromisoformat(until)):
        out = place.folder / f"{monday}.csv"
        place.run("score", "--as-of", str(monday), "--out", out)
        parts.append(pd.read_csv(out))
    scores = place.folder / "scores.csv"
    pd.concat(parts)[["opportunity_id", "as_of", "win_probability"]].to_csv(scores, index=False)
    found = reference("bpi2012.py", cut, until, data, "--scores", scores)
    return f"Cut {cut}, Mondays to {until}. {_last_line(trained.text)}\n\n{_figures(found)}"


def ibm_win_loss() -> str:
    """Ten entry fields, first 80 % in order to learn from, the last fifth imported without outcomes and scored."""
    table = _ibm()
    edge = int(len(table) * 0.8)
    text, found = _ibm_split(table.iloc[:edge], table.iloc[edge:])
    return f"Ordered 80/20. {text}\n\n{_figures(found)}"


def ibm_fifths() -> str:
    """The same on rolling fifths: each fifth but the first scored by what was learnt from all before it."""
    table = _ibm()
    edges = [len(table) * part // 5 for part in range(6)]
    ratios, rows = [], []
    for start, stop in pairwise(edges[1:]):
        _, found = _ibm_split(table.iloc[:start], table.iloc[start:stop])
        others = [figures for name, figures in found.items() if name != "wonlost"]
        best, area = min(loss for _, loss, _, _ in others), max(area for area, _, _, _ in others)
        mine = found["wonlost"]
        ratios.append(mine[1] / best)
        rows.append([f"{start:,} to {stop:,}", f"{mine[1]:.4f}", f"{best:.4f}", f"{ratios[-1]:.3f}",
                     f"{mine[0]:.4f}", f"{area:.4f}"])  # fmt: skip
    head = ["rows scored", "log-loss", "best reference", "ratio", "AUC", "best reference's AUC"]
    return f"{markdown(head, rows)}\n\nMean ratio of the log-losses: {sum(ratios) / len(ratios):.3f}."


def _ibm() -> pd.DataFrame:
    table = pd.read_csv(shared("data/ibm_win_loss/opportunities.csv.gz"), dtype=str, keep_default_na=False)
    return table.iloc[table["Opportunity Number"].astype(int).argsort(kind="stable")]


def _ibm_split(learn: pd.DataFrame, test: pd.DataFrame) -> tuple[str, dict[str, tuple[float, float, float, float]]]:
    """What training said last, and everybody's figures on the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        place, export = Workplace(Path(folder)), Path(folder) / "export"
        export.mkdir()
        pd.concat([learn, test.assign(**{"Opportunity Result": ""})]).to_csv(
            export / "opportunities.csv.gz", index=False
        )
        place.run("import", export, "--mapping", MAPPINGS / "ibm_win_loss.toml")
        trained = place.run("train")
        files = [Path(folder) / name for name in ("learn.csv.gz", "test.csv.gz", "scores.csv")]
        learn.to_csv(files[0], index=False)
        test.to_csv(files[1], index=False)
        place.run("score", "--out", files[2])
        return _last_line(trained.text), reference("ibm_win_loss.py", files[0], files[1], "--scores", files[2])


def maven_crm() -> str:
    """The negative control: at entry time the data hold nothing, so nothing may be promoted."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        place.run("import", shared("data/maven_crm"), "--mapping", MAPPINGS / "maven_crm.toml")
        trained = place.run("train", check=False)
        versions = place.run("models").text
    if trained.code != 3 or "champion" in versions:
        raise RuntimeError(f"Maven was not refused: exit code {trained.code}\n{trained.text}")
    return f"Exit code {trained.code}: `{_last_line(trained.text)}`"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
