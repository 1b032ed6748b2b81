"""Notebooks are executed as a reader would, in a copy of the project, since they write into it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("crm", "features", "models", "training", "notebooks")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Jupyter's own, about event loops and paths
@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))])
def test_notebook_runs_from_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    notebook = nbformat.read(tmp_path / "notebooks" / name, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3",
                   resources={"metadata": {"path": os.fspath(tmp_path / "notebooks")}}).execute()  # fmt: skip
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    if name == "add_a_feature.ipynb":
        assert "('answering', 'answering_30d'" in printed
        assert "champion is now version" in printed
        assert len(pictures) == 2
        assert (tmp_path / "features" / "families" / "answering.py").exists()
    if name == "how_honest.ipynb":
        assert "leak alarm: alone, custom.close_plan_score" in printed
        assert len(pictures) == 4
        _check_claims(pd.read_csv(tmp_path / "var" / "notebook" / "how_honest.csv"))
    assert not (ROOT / "features" / "families" / "answering.py").exists()


def _check_claims(table: pd.DataFrame) -> None:
    """Each bad practice claims more than is true, and each good one comes nearer to the truth."""
    table["flattery"] = (table["it claims"] - table["true"]).where(
        table["figure"] != "log-loss", table["true"] - table["it claims"]
    )
    bad, good = (
        table[table["practice"].str.startswith(kind)].set_index(["habit", "figure"]) for kind in ("bad", "good")
    )
    assert sorted(bad.index) == sorted(good.index)
    assert set(bad.index.get_level_values("habit").str[0]) == set("12345")
    assert (bad["flattery"] > 0).all()
    assert (good["flattery"].abs() < bad["flattery"]).loc[["1 split", "2 leak", "3 as of", "5 calibration"]].all()
    # the weights of habit 4 err as well, on either side, but flatter less
    assert (good["flattery"] < bad["flattery"]).all()
    better = [("1 split", "log-loss"), ("2 leak", "log-loss"), ("3 as of", "log-loss")]
    assert (good["true"] < bad["true"]).loc[better].all()
