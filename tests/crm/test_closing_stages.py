"""Which stages close a deal is never guessed from outcomes: those of later days would change what a past move meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crm.store import Store


def test_stages_where_only_won_or_only_lost_deals_stand_today_stay_open_ones(
    importer: Callable[..., Any], store: Store
) -> None:
    deals, moves = "", ""
    for number in range(20):
        day, lost = 10 + number % 9, number % 2
        outcome, stage = ("lost", "Demo") if lost else ("won", "Signed")
        deals += f"{number},2024-01-01,2024-02-{day},{outcome},{stage}\n"
        moves += f"{number},2024-01-10,,Demo\n"
        moves += "" if lost else f"{number},2024-02-{day},Demo,Signed\n"
    importer({
        "opportunities.csv": "opportunity_id,created_at,closed_at,outcome,stage\n" + deals,
        "stage_changes.csv": "opportunity_id,changed_at,from_stage,to_stage\n" + moves,
    })  # fmt: skip
    process = store.load().process
    assert (process.won_stages, process.lost_stages) == ((), ())
