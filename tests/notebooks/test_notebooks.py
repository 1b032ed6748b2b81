"""Notebooks are executed as a reader would, in a copy of the project, since they write into it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
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
    assert not (ROOT / "features" / "families" / "answering.py").exists()
