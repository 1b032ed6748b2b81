from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest

from features.history import History
from features.matrix import Snapshots, build_matrix, default_as_of
from features.registry import features_of
from serving.requests import EXAMPLE
from tests.serving.as_json import deal_as_json
from tests.serving.conftest import World

TODAY = "2025-06-30"
PAST = "2025-03-10"
CLOCKS = {"stage_changes": "changed_at", "activities": "occurred_at", "contact_roles": "added_at",
          "deal_products": "added_at"}  # fmt: skip


def _open(served: httpx.Client, as_of: str) -> list[str]:
    page = served.get("/v1/deals", params={"as_of": as_of, "limit": 500}).json()
    return [item["deal"]["id"] for item in page["deals"]]


@pytest.mark.parametrize("account", [True, False])
@pytest.mark.parametrize("as_of", [TODAY, PAST])
def test_a_deal_sent_scores_like_the_same_deal_in_the_store(
    served: httpx.Client, world: World, as_of: str, account: bool
) -> None:
    for deal in _open(served, as_of)[::5]:
        sent = served.post("/v1/score", json=deal_as_json(world.crm, deal, as_of, account=account)).json()
        kept = served.get(f"/v1/deals/{deal}", params={"as_of": as_of}).json()
        assert sent["opportunity_id"] == deal
        assert sent["as_of"] == kept["as_of"]
        assert sent["score"] == kept["score"]  # every bit of it, reasons and all


def test_a_list_is_answered_in_its_order_by_the_same_numbers(served: httpx.Client, world: World) -> None:
    deals = _open(served, TODAY)[:4]
    bodies = [deal_as_json(world.crm, deal, TODAY, account=False) for deal in reversed(deals)]
    bodies.append(bodies[0] | {"as_of": PAST})  # the same deal twice, at two moments
    together = served.post("/v1/score", json=bodies).json()
    alone = [served.post("/v1/score", json=body).json() for body in bodies]
    assert [item["opportunity_id"] for item in together] == [*reversed(deals), deals[-1]]
    for one, other in zip(together, alone, strict=True):
        assert (one["score"] is None) == (other["score"] is None)
        assert one["note"] == other["note"]
        if one["score"]:
            assert one["score"]["win_probability"] == pytest.approx(other["score"]["win_probability"], abs=1e-12)


def test_two_deals_may_tell_one_account_in_two_ways(served: httpx.Client, world: World) -> None:
    deal = _open(served, TODAY)[0]
    first = deal_as_json(world.crm, deal, TODAY, account=True)
    second = json.loads(json.dumps(first))
    second["opportunity"]["opportunity_id"] = "another"
    for table in (*CLOCKS, "field_changes"):
        for row in second[table]:
            del row["opportunity_id"]
    second["account"]["employees"] = 123_456
    answers = served.post("/v1/score", json=[first, second]).json()
    told = [{reason["feature"]: reason["value"] for reason in answer["score"]["reasons"]} for answer in answers]
    assert told[1]["employees"] == 123_456
    assert told[0]["employees"] == first["account"]["employees"]


def test_what_happens_at_or_after_as_of_is_not_looked_at(served: httpx.Client, world: World) -> None:
    for deal in _open(served, PAST)[:3]:
        body = deal_as_json(world.crm, deal, PAST, account=False)
        invented = json.loads(json.dumps(body))
        for table, clock in CLOCKS.items():
            body[table] = [row for row in body[table] if row[clock] < PAST]
        body["opportunity"].pop("outcome", None)
        body["opportunity"].pop("closed_at", None)
        at, later = f"{PAST}T00:00:00Z", f"{PAST}T08:00:00Z"
        invented["activities"].append({"occurred_at": at, "type": "meeting", "direction": "inbound", "contact_id": "c"})
        invented["stage_changes"].append({"changed_at": at, "to_stage": "Negotiation"})
        invented["contact_roles"].append({"added_at": later, "contact_id": "c", "role": "Decision Maker"})
        invented["deal_products"].append({"added_at": later, "product": "p", "amount": 9e6})
        # what a field was before its first change is told by that change, so the later ones are kept
        body["field_changes"] = invented["field_changes"]
        one, other = (served.post("/v1/score", json=item).json()["score"] for item in (body, invented))
        assert one == other


def test_the_documented_example_is_scored(served: httpx.Client) -> None:
    answer = served.post("/v1/score", json=EXAMPLE)
    assert answer.status_code == 200
    score = answer.json()["score"]
    assert 0 < score["lower"] < score["win_probability"] < score["upper"] < 1


def test_as_of_is_now_by_default(served: httpx.Client) -> None:
    body = {"opportunity": {"opportunity_id": "x", "created_at": "2025-07-01"}}
    assert served.post("/v1/score", json=body).json()["as_of"] == "2025-07-10T00:00:00Z"


@pytest.mark.parametrize(
    ("deal", "note"),
    [
        ({"created_at": "2025-06-30"}, "not entered before as_of"),
        ({"created_at": "2025-01-01", "closed_at": "2025-02-01", "outcome": "lost"}, "was lost before as_of"),
    ],
)
def test_a_deal_that_is_not_open_gets_a_note(served: httpx.Client, deal: dict[str, Any], note: str) -> None:
    answer = served.post("/v1/score", json={"opportunity": {"opportunity_id": "x", **deal}, "as_of": TODAY}).json()
    assert answer["score"] is None
    assert note in answer["note"]


GOOD = {"opportunity_id": "x", "created_at": "2025-06-01"}


@pytest.mark.parametrize(
    ("body", "where", "words"),
    [
        ({}, "opportunity", "needed"),
        ([], "body", "at least 1"),
        ("text", "body", ""),
        ({"opportunity": {}}, "opportunity.opportunity_id", "needed"),
        ({"opportunity": {**GOOD, "opportunity_id": 7}}, "opportunity.opportunity_id", "string"),
        ({"opportunity": {**GOOD, "amount": "12,000"}}, "opportunity.amount", "number"),
        ({"opportunity": {**GOOD, "amount": True}}, "opportunity.amount", "number"),
        ({"opportunity": {**GOOD, "amuont": 1}}, "opportunity.amuont", "no such field"),
        ({"opportunity": {**GOOD, "outcome": "maybe"}}, "opportunity.outcome", "won"),
        ({"opportunity": {**GOOD, "created_at": "01.06.2025"}}, "opportunity.created_at", "2025-07-01"),
        ({"opportunity": {**GOOD, "created_at": 1748736000}}, "opportunity.created_at", "2025-07-01"),
        ({"opportunity": {**GOOD, "created_at": "2025-02-30"}}, "opportunity.created_at", "calendar"),
        ({"opportunity": {"opportunity_id": "x"}}, "opportunity.created_at", "needed"),
        ({"opportunity": {**GOOD, "closed_at": "2025-06-02"}}, "opportunity.closed_at", "expected_close_at"),
        ({"opportunity": {**GOOD, "outcome": "won"}}, "opportunity.closed_at", "needed"),
        ({"opportunity": {**GOOD, "outcome": "won", "closed_at": "2025-05-01"}}, "opportunity.closed_at", "before"),
        ({"opportunity": {**GOOD, "custom": {"shoe_size": 43}}}, "opportunity.custom.shoe_size", "no such column"),
        ({"opportunity": {**GOOD, "custom": {"region": 43}}}, "opportunity.custom.region", "not a category"),
        ({"opportunity": {**GOOD, "custom": {"partner_involved": 1}}}, "opportunity.custom.partner_involved", "bool"),
        ({"opportunity": {**GOOD, "custom": {"region": [1]}}}, "opportunity.custom.region", "a text"),
        ({"opportunity": {**GOOD, "account_id": "a"}, "account": {"account_id": "b"}}, "account.account_id", "'a'"),
        ({"opportunity": GOOD, "account": {}}, "account.account_id", "needed"),
        ({"opportunity": GOOD, "activities": [{"type": "call"}]}, "activities.0.occurred_at", "needed"),
        ({"opportunity": GOOD, "activities": [{"type": "fax", "occurred_at": TODAY}]}, "activities.0.type", "email"),
        ({"opportunity": GOOD, "stage_changes": [{"opportunity_id": "y", "changed_at": TODAY, "to_stage": "Demo"}]},
         "stage_changes.0.opportunity_id", "another deal"),
        ({"opportunity": GOOD, "field_changes": [{"changed_at": TODAY, "field": "amount", "new_value": "lots"}]},
         "field_changes.0.new_value", "money"),
        ({"opportunity": GOOD, "as_of": "2025-07-11"}, "as_of", "future"),
        ([{"opportunity": GOOD}, {"opportunity": {**GOOD, "amount": "x"}}], "1.opportunity.amount", "number"),
        ([{"opportunity": GOOD}, {"opportunity": GOOD, "as_of": "2999-01-01"}], "1.as_of", "future"),
    ],
)  # fmt: skip
def test_bad_bodies_are_refused_where_they_are_wrong(served: httpx.Client, body: Any, where: str, words: str) -> None:
    answer = served.post("/v1/score", json=body)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "invalid_request"
    assert any(detail["where"] == where and words in detail["message"] for detail in error["details"]), error


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ['"amount": {}', '"custom": {{"region": {}}}', '"sequence": {}'])
def test_numbers_that_json_does_not_have_are_refused(served: httpx.Client, number: str, place: str) -> None:
    body = '{"opportunity": {"opportunity_id": "x", "created_at": "2025-06-01", ' + place.format(number) + "}}"
    answer = served.post("/v1/score", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "NaN and Infinity" in answer.json()["error"]["message"]


def test_broken_json_and_other_content_types_are_refused(served: httpx.Client) -> None:
    broken = served.post("/v1/score", content='{"opportunity":', headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "invalid_request")
    other = served.post("/v1/score", content="{}", headers={"content-type": "text/plain"})
    assert (other.status_code, other.json()["error"]["code"]) == (415, "not_json")


def test_too_many_deals_and_too_large_bodies_are_refused(served: httpx.Client) -> None:
    many = served.post("/v1/score", json=[{"opportunity": GOOD}] * 6)
    assert (many.status_code, many.json()["error"]["code"]) == (413, "too_large")
    assert "5 deals" in many.json()["error"]["message"]
    large = json.dumps({"opportunity": {**GOOD, "name": "x" * 300_000}})
    told = served.post("/v1/score", content=large, headers={"content-type": "application/json"})
    assert told.status_code == 413
    assert "200000 bytes" in told.json()["error"]["message"]


def test_a_body_of_untold_length_is_read_no_further_than_allowed(served: httpx.Client) -> None:
    def parts() -> Any:
        for _ in range(30):
            yield b" " * 10_000

    answer = served.post("/v1/score", content=parts(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_mlflow_gives_the_numbers_of_the_api(served: httpx.Client, world: World) -> None:
    from models.registry import quiet_mlflow

    with quiet_mlflow():
        import mlflow

        loaded = mlflow.pyfunc.load_model(str(world.folder / "mlflow1"))
    history, model = History(world.crm), world.models[1]
    deals = _open(served, TODAY)[:20]
    codes = np.array(sorted(history.code(deal) or 0 for deal in deals), dtype=np.int64)
    pairs = Snapshots(codes, np.full(len(codes), default_as_of(world.crm), dtype=np.int64))
    told = loaded.predict(build_matrix(history, model.needed(features_of(history)), pairs).frame())
    for row, code in enumerate(codes):
        answer = served.get(f"/v1/deals/{history.deal_ids[code]}").json()
        assert answer["score"]["win_probability"] == pytest.approx(float(told[row]), abs=1e-9)
