"""The house itself: names that are ours, documents in step with the code, nothing private in the tree."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest

from crm.mapping import parse_mapping
from wonlost.reference import DOCS, PAGES

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("crm", "features", "models", "insights", "training", "serving", "wonlost")


@pytest.mark.parametrize("room", ROOMS)
def test_each_package_name_is_ours_alone(room: str) -> None:
    assert set(importlib.metadata.packages_distributions().get(room, [])) <= {"wonlost"}


@pytest.mark.parametrize("page", PAGES)
def test_documents_are_in_step_with_the_code(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "run `python -m wonlost.reference`"


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def test_no_third_party_data_is_kept() -> None:
    kept = [path for path in tracked_files() if path.suffix in {".gz", ".parquet", ".db", ".xlsx", ".zip"}]
    assert kept == []


def test_locks_name_no_registry() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        assert not re.search(r"://|--index-url|--find-links", lock.read_text()), lock.name


def test_only_settings_reads_the_environment() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.environ\b(?!\.setdefault)|os\.getenv|getenv\(", path.read_text())
    ]
    assert readers == []


def test_the_documented_mapping_is_a_mapping() -> None:
    text = (DOCS / "mappings.md").read_text()
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    assert parse_mapping(example[1], "docs/mappings.md").name == "ours"


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
