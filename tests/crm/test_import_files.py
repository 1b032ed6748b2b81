"""The kinds of files that an import reads."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crm.importing import ImportReport, import_export
from crm.mapping import load_mapping
from crm.store import Store

Importer = Callable[..., ImportReport]
Rows = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_every_kind_of_file_reads_the_same(ending: str, store: Store, tmp_path: Path, rows: Rows) -> None:
    frame = pd.DataFrame(
        {
            "opportunity_id": ["a", "b"],
            "created_at": pd.to_datetime(["2024-01-01T10:00", "2024-01-02T10:00"], utc=True),
            "closed_at": pd.to_datetime(pd.Series(["2024-03-01", None]), utc=True),
            "stage": ["Closed Won", "Demo"],
            "amount": [1234.5, None],
        }
    )
    path = tmp_path / f"opportunities{ending}"
    if ending == ".parquet":
        frame.to_parquet(path)
    else:
        text = frame.to_csv(index=False).encode()
        path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    import_export([path], load_mapping("wonlost"), store)
    assert rows() == [
        {
            "opportunity_id": "a", "created_at": "2024-01-01T10:00:00+00:00", "closed_at": "2024-03-01T00:00:00+00:00",
            "outcome": "won", "stage": "Closed Won", "amount": 1234.5,
        },
        {"opportunity_id": "b", "created_at": "2024-01-02T10:00:00+00:00", "stage": "Demo"},
    ]  # fmt: skip


def test_a_quoted_separator_and_line_break_belong_to_the_cell(importer: Importer, rows: Rows) -> None:
    text = 'opportunity_id;created_at;closed_at;stage;name\na;2024-01-01;;Demo;"one;\ntwo"\n\nb;2024-01-01;;Demo;x\n'
    importer({"opportunities.csv": "\ufeff" + text})
    assert [row["name"] for row in rows()] == ["one;\ntwo", "x"]
