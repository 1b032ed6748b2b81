"""Large simulated CRMs: where the time of `train` goes, and how fast open deals are scored with their reasons."""

from __future__ import annotations

import cProfile
import dataclasses
import io
import pstats
import re
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.commands import Workplace
from benchmarks.results import ROOT, markdown
from crm.tables import CrmData
from models.scoring import BATCH
from models.win import WinModel

DEALS = 100_000


def _simulated(place: Workplace, deals: int) -> None:
    place.run("simulate", "--deals", str(deals), "--seed", "1", "--no-truth", "--out", place.folder / "export")
    place.run("import", place.folder / "export")


def train() -> str:
    """`wonlost train` on 100,000 simulated deals: the fits against everything else, the process start included."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        _simulated(place, DEALS)
        done = place.run("train")
    parts = {
        name: float(value) for name, value in re.findall(r" ([a-z ]+) ([\d.]+)(?:,|$)", _line(done.text, "seconds:"))
    }
    fits = parts["fits at origins"] + parts["refit"] + parts["uncertainty"]
    rows: list[list[object]] = [[name, f"{value:.1f}", f"{value / done.seconds:.0%}"] for name, value in parts.items()]
    rest = done.seconds - fits
    rows += [["start of the process and all else", f"{done.seconds - sum(parts.values()):.1f}", ""],
             ["**whole command**", f"{done.seconds:.1f}", ""]]  # fmt: skip
    told = f"Fits (origins, refit, resamples) {fits:.0f} s, all else {rest:.0f} s: {rest / fits:.2f} of the fits."
    return f"{_line(done.text, 'promoted:')}\n\n{told}\n\n{markdown(['part', 'seconds', 'share'], rows)}"


def score() -> str:
    """`score_open` of 100,000 open deals with reasons, written to a file, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.large"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def many_open(folder: Path, deals: int = DEALS) -> tuple[CrmData, WinModel]:
    """Simulated deals, all of them made open, and a model trained on 4,000 others."""
    from crm.store import Store
    from crm.tables import NAT, Coded
    from training.run import train as run_training

    place, few = Workplace(folder), Workplace(folder / "few")
    _simulated(place, deals)
    with Store.open(f"sqlite:///{folder}/wonlost.db") as store:
        crm = store.load()
    few.folder.mkdir()
    _simulated(few, 4_000)
    with Store.open(f"sqlite:///{few.folder}/wonlost.db") as store:
        model = run_training(store.load(), threads=2).model
    opened = dict(crm.tables["opportunities"])
    opened["outcome"] = Coded(np.full(deals, -1, dtype=np.int32), ())
    opened["closed_at"] = np.full(deals, NAT, dtype=np.int64)
    return dataclasses.replace(crm, tables={**crm.tables, "opportunities": opened}), model


def _score_here() -> None:
    from features.history import History
    from features.matrix import default_as_of
    from models.scoring import score_open
    from wonlost.scores_file import write_scores

    with tempfile.TemporaryDirectory() as folder:
        all_open, model = many_open(Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, cpu = time.perf_counter(), time.process_time()
        history, when = History(all_open), default_as_of(all_open)
        n, _ = write_scores(score_open(history, model, when), 1, Path(folder) / "s.parquet", 5, timed=True)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        profile = cProfile.Profile()
        profile.enable()
        write_scores(islice(score_open(history, model, when), 1), 1, Path(folder) / "first.parquet", 5, timed=True)
        profile.disable()
    print(
        f"{n:,} open deals ({model.recipe}): histories sorted, features, probabilities, SHAP values, three reasons in "
        f"words each, written to Parquet in {seconds:.0f} s ({cpu:.0f} s of CPU): {n / seconds:,.0f} deals per second. "
        f"Peak memory {peak / 1e6:.2f} GB, of which {before / 1e6:.2f} GB before scoring (the loaded store).\n"
    )
    print(_where(profile))


def _where(profile: cProfile.Profile) -> str:
    """Where the time goes: cumulative seconds of the functions that are the parts, for one batch, under a profiler."""
    parts = {
        "build_matrix": "features",
        "explain": "probabilities and SHAP values",
        "score_frame": "reasons in words, and the table",
        "write_table": "writing",
    }
    stats = pstats.Stats(profile, stream=io.StringIO()).stats  # type: ignore[attr-defined]
    seconds = dict.fromkeys(parts, 0.0)
    for (_, _, function), (_, _, _, cumulative, _) in stats.items():
        if function in seconds:
            seconds[function] = max(seconds[function], cumulative)
    whole = sum(seconds.values())
    rows: list[list[object]] = [
        [label, f"`{name}`", f"{seconds[name]:.1f}", f"{seconds[name] / whole:.0%}"] for name, label in parts.items()
    ]
    return markdown([f"part, of the first {BATCH:,} deals", "function", "seconds", "share"], rows)


if __name__ == "__main__":
    _score_here()
