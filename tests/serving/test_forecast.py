from __future__ import annotations

import httpx
import pytest

from tests.serving.conftest import World


def test_scores_say_when_and_never_contradict_themselves(served: httpx.Client) -> None:
    for item in served.get("/v1/deals?limit=20").json()["deals"]:
        score = item["score"]
        within = [score[f"won_within_{days}"] for days in (30, 60, 90, 180)]
        assert 0 < within[0] <= within[1] <= within[2] <= within[3] <= score["win_probability"]


def test_a_forecast_with_its_lists(served: httpx.Client, world: World) -> None:
    answer = served.get("/v1/forecast?until=2025Q3&target=900000&limit=3").json()
    assert (answer["period"], answer["start"], answer["end"]) == (
        "2025Q3", "2025-07-01T00:00:00Z", "2025-10-01T00:00:00Z",
    )  # fmt: skip
    assert answer["model_version"] == 1
    assert answer["simulated"] is True
    (money,) = answer["money"]
    assert money["currency"] == "EUR"
    assert money["expected"] == pytest.approx(money["so_far"] + money["expected_open"] + money["expected_new"])
    assert money["low"] < money["middle"] < money["high"]
    assert answer["wins"]["low"] < answer["wins"]["high"]
    assert answer["coverage"]["gap"] == 900000 - money["so_far"]
    (changed,) = answer["changes"]
    steps = sum(round(100 * step["amount"]) for step in changed["steps"])
    assert round(100 * changed["before"]) + steps == round(100 * changed["after"])
    assert len(changed["deals"]) <= 3
    by_name = {item["name"]: item for item in answer["health"]}
    assert set(by_name) == {"stale", "no_next_step", "pushed", "overdue", "single_threaded", "no_decision_maker",
                            "no_amount", "no_close_date"}  # fmt: skip
    single = by_name["single_threaded"]
    assert single["total"] >= len(single["deals"]) == 3
    amounts = [deal["amount"] for deal in single["deals"]]
    assert amounts == sorted(amounts, reverse=True)
    assert {deal["currency"] for deal in single["deals"]} == {"EUR"}


def test_more_deals_of_the_same_forecast_change_no_figure(served: httpx.Client) -> None:
    few, many = (served.get(f"/v1/forecast?until=2025Q3&limit={limit}").json() for limit in (0, 50))
    assert few["money"] == many["money"]
    assert all(not item["deals"] for item in few["health"])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("until=soon", "neither a day nor a period"),
        ("until=2024Q1", "is over"),
        ("as_of=2001-01-01", "no deal had been entered before 2001-01-01"),
        ("since=2025-07-05", "it must lie before as_of"),
        ("target=-1", "greater than or equal to 0"),
        ("quarter=2025Q3", "quarter"),
    ],
)
def test_what_cannot_be_forecast_is_said_in_one_sentence(served: httpx.Client, query: str, words: str) -> None:
    answer = served.get(f"/v1/forecast?{query}")
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]
