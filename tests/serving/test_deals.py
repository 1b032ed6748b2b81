from __future__ import annotations

import httpx
import numpy as np
import pytest

from crm.tables import micros
from features.history import History
from features.matrix import default_as_of, open_at
from models.scoring import score_open
from tests.serving.conftest import World


def test_lists_every_open_deal_with_the_numbers_of_the_command_line(served: httpx.Client, world: World) -> None:
    answer = served.get("/v1/deals", params={"limit": 500}).json()
    scores = next(score_open(History(world.crm), world.models[1], default_as_of(world.crm)))
    assert answer["total"] == len(answer["deals"]) == len(scores) > 10
    assert answer["simulated"] is True
    assert answer["note"] is None
    found = {item["deal"]["id"]: item["score"] for item in answer["deals"]}
    for row, deal in enumerate(scores.deal_ids):
        assert found[deal]["win_probability"] == pytest.approx(float(scores.p[row]), abs=1e-12)
        assert found[deal]["band"] == scores.band.strings()[row]
        assert len(found[deal]["reasons"]) == 3


def test_most_likely_first_and_the_other_way_round(served: httpx.Client) -> None:
    down = [item["score"]["win_probability"] for item in served.get("/v1/deals").json()["deals"]]
    up = [item["score"]["win_probability"] for item in
          served.get("/v1/deals", params={"sort": "win_probability"}).json()["deals"]]  # fmt: skip
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)


def test_pages_meet_without_gap_or_overlap(served: httpx.Client) -> None:
    whole = [item["deal"]["id"] for item in served.get("/v1/deals", params={"limit": 500}).json()["deals"]]
    pages = []
    for offset in range(0, len(whole), 7):
        pages += [item["deal"]["id"] for item in
                  served.get("/v1/deals", params={"limit": 7, "offset": offset}).json()["deals"]]  # fmt: skip
    assert pages == whole
    beyond = served.get("/v1/deals", params={"offset": 10_000}).json()
    assert beyond["deals"] == []
    assert beyond["total"] == len(whole)


def test_filters_by_band_owner_and_stage(served: httpx.Client) -> None:
    everything = served.get("/v1/deals", params={"limit": 500}).json()["deals"]
    first = everything[0]
    for name, value, of in (
        ("band", first["score"]["band"], lambda item: item["score"]["band"]),
        ("owner_id", first["deal"]["owner_id"], lambda item: item["deal"]["owner_id"]),
        ("stage", first["deal"]["stage"], lambda item: item["deal"]["stage"]),
    ):
        got = served.get("/v1/deals", params={name: value, "limit": 500}).json()
        expected = [item for item in everything if of(item) == value]
        assert got["deals"] == expected
        assert 0 < got["total"] == len(expected) < len(everything)


def test_a_past_day_shows_who_was_open_then(served: httpx.Client, world: World) -> None:
    history = History(world.crm)
    day = "2024-12-02"
    got = served.get("/v1/deals", params={"as_of": day, "limit": 500}).json()
    expected = {history.deal_ids[deal] for deal in open_at(history, micros(day)).deal}
    assert {item["deal"]["id"] for item in got["deals"]} == expected
    assert got["as_of"] == "2024-12-02T00:00:00Z"
    assert all(item["score"]["in_sample"] for item in got["deals"])
    assert all(item["deal"]["stage"] not in (None, *world.crm.process.won_stages) for item in got["deals"])


def test_one_open_deal_with_reasons_that_add_up(served: httpx.Client) -> None:
    for item in served.get("/v1/deals", params={"limit": 10}).json()["deals"]:
        answer = served.get(f"/v1/deals/{item['deal']['id']}").json()
        score = answer["score"]
        added = score["base_rate"] + score["step_to_reference"] + sum(reason["points"] for reason in score["reasons"])
        assert added == pytest.approx(score["win_probability"], abs=1e-9)
        assert score["win_probability"] == pytest.approx(item["score"]["win_probability"], abs=1e-12)
        for one, other in zip(score["reasons"], item["score"]["reasons"], strict=False):
            assert one["points"] == pytest.approx(other["points"], abs=1e-12)
            assert one["sentence"] == other["sentence"]
        assert answer["deal"] == item["deal"]
        assert (answer["status"], answer["outcome"], answer["note"]) == ("open", None, None)


def test_a_closed_deal_has_a_state_and_no_score(served: httpx.Client, world: World) -> None:
    history = History(world.crm)
    code = int(np.flatnonzero(history.won == 1)[0])
    answer = served.get(f"/v1/deals/{history.deal_ids[code]}").json()
    assert (answer["status"], answer["outcome"], answer["score"]) == ("won", "won", None)
    assert answer["note"] == "the deal was won before as_of"
    assert answer["closed_at"] is not None
    created = answer["deal"]["created_at"]
    before = served.get(f"/v1/deals/{history.deal_ids[code]}", params={"as_of": created}).json()
    assert (before["status"], before["score"], before["closed_at"]) == ("not_entered", None, None)


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        ("/v1/deals/nobody", 404, "unknown_deal", "'nobody'"),
        ("/v1/deals?as_of=2025-07-11", 422, "invalid_request", "future"),
        ("/v1/deals/D00001?as_of=2999-01-01T00:00:00Z", 422, "invalid_request", "future"),
        ("/v1/deals?as_of=yesterday", 422, "invalid_request", "2025-07-01"),
        ("/v1/deals?as_of=2025-02-30", 422, "invalid_request", "calendar"),
        ("/v1/deals?limit=501", 422, "invalid_request", "query.limit"),
        ("/v1/deals?offset=-1", 422, "invalid_request", "query.offset"),
        ("/v1/deals?band=best", 422, "invalid_request", "query.band"),
        ("/v1/deals?sort=name", 422, "invalid_request", "query.sort"),
        ("/v1/deals?ownerid=U1", 422, "invalid_request", "query.ownerid"),
        ("/v1/nothing", 404, "no_such_route", "Not Found"),
    ],
)
def test_errors_have_one_shape(served: httpx.Client, path: str, status: int, code: str, words: str) -> None:
    answer = served.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert set(error) <= {"code", "message", "details"}
