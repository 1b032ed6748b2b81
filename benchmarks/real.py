"""Cases on real data, each beside its reference script in the same run: BPI 2012, the IBM sample, Maven, Salvirt."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import tempfile
from datetime import date, timedelta
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


def bpi2012(cut: str = "2011-12-12", until: str = "2012-01-03") -> str:
    """Train on what was known at a cut, score every Monday after it, beside the reference on the same rows."""
    data = shared("data/bpi2012")
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        place.run("import", data, "--mapping", MAPPINGS / "bpi2012.toml")
        trained = place.run("train", "--as-of", cut)
        parts = []
        for monday in mondays_after(date.fromisoformat(cut), date.fromisoformat(until)):
            out = Path(folder) / f"{monday}.csv"
            place.run("score", "--as-of", str(monday), "--out", out)
            parts.append(pd.read_csv(out))
        scores = Path(folder) / "scores.csv"
        pd.concat(parts)[["opportunity_id", "as_of", "win_probability"]].to_csv(scores, index=False)
        found = reference("bpi2012.py", cut, until, data, "--scores", scores)
    return f"Cut {cut}, Mondays to {until}. {_last_line(trained.text)}\n\n{_figures(found)}"


def ibm_win_loss() -> str:
    """Ten entry fields, first 80 % in order to learn from, the last fifth imported without outcomes and scored."""
    file = shared("data/ibm_win_loss/opportunities.csv.gz")
    whole = pd.read_csv(file, dtype=str, keep_default_na=False)
    whole = whole.iloc[whole["Opportunity Number"].astype(int).argsort(kind="stable")]
    whole.iloc[int(len(whole) * 0.8) :, whole.columns.get_loc("Opportunity Result")] = ""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        export = Path(folder) / "export"
        export.mkdir()
        with gzip.open(export / "opportunities.csv.gz", "wt", newline="") as out:
            whole.to_csv(out, index=False)
        place.run("import", export, "--mapping", MAPPINGS / "ibm_win_loss.toml")
        trained = place.run("train")
        scores = Path(folder) / "scores.csv"
        place.run("score", "--out", scores)
        found = reference("ibm_win_loss.py", file, "--scores", scores)
    return f"Ordered 80/20. {_last_line(trained.text)}\n\n{_figures(found)}"


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


def salvirt_b2b() -> str:
    """Small data without dates or order: 448 deals, random folds."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        place.run("import", shared("data/salvirt_b2b"), "--mapping", MAPPINGS / "salvirt_b2b.toml")
        trained = place.run("train", check=False)
    table = trained.text.split("by stage")[0].strip()
    return f"Exit code {trained.code}: `{_last_line(trained.text)}`\n\n```\n{table}\n```"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
