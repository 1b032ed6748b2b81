"""The mappings of the shared data sets read them, and folders of the same shape."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crm.importing import ImportReport, import_export
from crm.mapping import load_mapping
from crm.schema import Known
from crm.store import Store

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
Rows = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here (../shared/data)")


def take(name: str, store: Store, path: Path | None = None) -> ImportReport:
    return import_export([path or DATA / name], load_mapping(ROOT / f"benchmarks/mappings/{name}.toml"), store)


@pytest.mark.slow
def test_ibm_win_loss(store: Store) -> None:
    report = take("ibm_win_loss", store)
    assert (report.won, report.lost, report.open) == (12993, 49270, 0)
    assert report.files[0].left_out == ()
    data = store.load()
    created = {a.name for a in data.attributes if a.known is Known.CREATED and a.name != "opportunity_id"}
    assert len(created) == 11  # ten entry fields, and the order
    sequence = data.tables["opportunities"]["sequence"]
    assert isinstance(sequence, np.ndarray)
    assert len(np.unique(sequence)) == 62263
    assert data.process.time_basis == "sequence"


def test_ibm_win_loss_without_outcomes_is_open(store: Store, tmp_path: Path, rows: Rows) -> None:
    with gzip.open(DATA / "ibm_win_loss/opportunities.csv.gz", "rt") as file:
        lines = list(csv.reader(file))[:200]
    column = lines[0].index("Opportunity Result")
    with (tmp_path / "opportunities_late.csv").open("w", newline="") as file:
        csv.writer(file).writerows([lines[0], *([*r[:column], "", *r[column + 1 :]] for r in lines[1:])])
    report = take("ibm_win_loss", store, tmp_path)
    assert (report.won, report.lost, report.open) == (0, 0, 199)
    assert {row["competitor_type"] for row in rows()} <= {"Known", "Unknown", "None"}


@pytest.mark.slow
def test_bpi2012(store: Store) -> None:
    report = take("bpi2012", store)
    assert (report.won, report.lost, report.open) == (1530, 3345, 846)
    assert {table.table: table.new for table in report.tables} == {
        "opportunities": 5721, "stage_changes": 26119, "activities": 51457,
    }  # fmt: skip
    data = store.load()
    names = ("amount", "owner_id", "stage", "requested_at", "loss_reason")
    assert [data.known("opportunities", name) for name in names] == [
        "created", "closed", "history", "created", "closed",
    ]  # fmt: skip
    assert data.process.won_stages == ("Closed Won",)
    assert data.process.stages == ("Pre-accepted", "Accepted", "Finalized", "Offer sent", "Offer returned")


def test_salvirt_b2b_keeps_deals_that_equal_others(store: Store) -> None:
    report = take("salvirt_b2b", store)
    assert report.won + report.lost == 448
    assert report.files[0].left_out == ()
    data = store.load()
    created = [a for a in data.attributes if a.known is Known.CREATED and a.name != "opportunity_id"]
    assert len(created) == 22


def test_maven_crm(store: Store) -> None:
    report = take("maven_crm", store)
    assert (report.won, report.lost, report.open, report.without_created_at) == (4238, 2473, 2089, 500)
    assert report.files_left_out == ("products.csv",)
    assert next(f for f in report.files if f.name == "sales_pipeline.csv").ignored == ("close_value",)
    data = store.load()
    names = ("owner_id", "product", "account_id", "stage")
    assert [data.known("opportunities", name) for name in names] == ["created", "created", "created", "closed"]
    assert data.known("accounts", "industry") == Known.CREATED
    assert data.process.snapshots == "entry"
