"""The whole line cannot peek: an export taken in the past, and a later export seen as of then, give the same bytes.

Which also shows that whoever trains twice on the same rows gets the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from crm.tables import CrmData
from features.history import History
from models.bundle import save_bundle
from models.scoring import score_frame, score_open
from tests.training.conftest import CUT, DAY, load_export, quick
from training.run import Trained, train

pytestmark = pytest.mark.slow

TRACKED = ("owner_id", "amount", "competitor", "budget_confirmed", "expected_close_at")
CLOCKS = {"stage_changes": "changed_at", "field_changes": "changed_at", "activities": "occurred_at",
          "contact_roles": "added_at", "deal_products": "added_at", "notes": "written_at"}  # fmt: skip


def export_of_that_day(export: Path, folder: Path) -> None:
    """What the CRM would have exported on DAY, worked out with pandas from the later export's files."""
    read = {path.stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in export.glob("*.csv")}
    cut = pd.Timestamp(DAY, tz="UTC")

    def before(column: pd.Series) -> pd.Series:
        return pd.to_datetime(column, format="ISO8601", utc=True) < cut

    deals = read["opportunities"]
    deals = deals[before(deals["created_at"])].copy()
    closed_then = (deals["closed_at"] != "") & before(deals["closed_at"].where(deals["closed_at"] != "", None))
    still_open = deals["opportunity_id"][~closed_then]
    for name, clock in CLOCKS.items():
        table = read[name]
        read[name] = table[before(table[clock]) & table["opportunity_id"].isin(deals["opportunity_id"])]
    moves = read["stage_changes"].sort_values("changed_at", kind="stable").groupby("opportunity_id")["to_stage"].last()
    deals = deals.set_index("opportunity_id", drop=False)
    open_ids = pd.Index(still_open)
    deals.loc[open_ids, "stage"] = moves.reindex(open_ids).fillna("")
    for column in ("closed_at", "loss_reason", "win_reason", "close_plan_score"):
        deals.loc[open_ids, column] = ""
    changes = read["field_changes"].sort_values("changed_at", kind="stable")
    later = pd.read_csv(export / "field_changes.csv", dtype=str, keep_default_na=False)
    later = later[~before(later["changed_at"])].sort_values("changed_at", kind="stable")
    for field in TRACKED:
        last = changes[changes["field"] == field].groupby("opportunity_id")["new_value"].last()
        first_after = later[later["field"] == field].groupby("opportunity_id")["old_value"].first()
        then = last.reindex(open_ids).fillna(first_after.reindex(open_ids))
        deals.loc[open_ids, field] = then.fillna(deals.loc[open_ids, field])
    read["opportunities"] = deals
    folder.mkdir()
    for name, table in read.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "mapping.toml").write_text((export / "mapping.toml").read_text())


def test_a_past_export_and_a_later_one_give_the_same_model_and_scores(
    crm: CrmData, trained: Trained, export: Path, tmp_path: Path
) -> None:
    export_of_that_day(export, tmp_path / "then")
    then = load_export(tmp_path / "then", tmp_path / "then.db")
    found = {}
    for name, seen, run in (("then", then, train(then, cut=CUT, candidates=quick())), ("now", crm, trained)):
        scores = next(score_open(History(seen), run.model, CUT))
        found[name] = (run.data.data_hash, save_bundle(run.model, tmp_path / f"bundle-{name}"),
                       score_frame(scores, 1), scores.p.tobytes())  # fmt: skip
    assert found["then"][0] == found["now"][0], "training rows differ"
    assert found["then"][1] == found["now"][1], "models differ"
    pd.testing.assert_frame_equal(found["then"][2], found["now"][2])
    assert found["then"][3] == found["now"][3]
    assert len(found["now"][2]) > 20
