"""The past of a deal over HTTP: kept scores with what moved them, and post-mortems."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest

from crm.ledger import Keeping, Made, runs
from crm.store import Store
from crm.tables import micros
from features.history import History
from features.matrix import default_as_of, open_at
from insights.changes import Said
from insights.postmortem import post_mortem
from models.kept import facts_of, kept_rows
from models.scoring import WinVersion, score_open
from serving.app import create_app
from tests.serving.conftest import NOW, World
from tests.serving.running import running

DAYS = (("2025-06-02", 2), ("2025-06-09", 2), ("2025-06-16", 1), ("2025-06-23", 1))


@pytest.fixture(scope="module")
def kept(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Store]]:
    """A server of version 1 on a store with four kept runs, two of them by version 2."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copy(world.store_url.removeprefix("sqlite:///"), folder / "store.db")
    url = f"sqlite:///{folder / 'store.db'}"
    registry = world.registry(folder, 1)
    digests = {version.number: version.digest for version in registry.versions()}
    history = History(world.crm)
    with Store.open(url) as store:
        for day, number in DAYS:
            keeping = Keeping(store, Made(micros(day), world.crm.imported_at, number, digests[number], True))
            for scores in score_open(history, world.models[number], micros(day)):
                keeping.add(kept_rows(scores), facts_of(scores))
            keeping.finish()
        app = create_app(url, registry, refresh_seconds=3600, now=lambda: NOW)
        with running(app) as client:
            yield client, store


def open_throughout(world: World) -> list[str]:
    history = History(world.crm)
    codes = set.intersection(*(set(open_at(history, micros(day)).deal.tolist()) for day, _ in DAYS))
    return [history.deal_ids[code] for code in sorted(codes)]


def test_kept_scores_with_what_moved_them_adding_up(kept: tuple[httpx.Client, Store], world: World) -> None:
    client, _ = kept
    deals = open_throughout(world)
    assert deals
    for deal in deals[:5]:
        answer = client.get(f"/v1/deals/{deal}/history", params={"inputs": 3}).json()
        scores = answer["scores"]
        assert (answer["deal_id"], answer["note"], answer["simulated"]) == (deal, None, True)
        assert [(item["as_of"][:10], item["model_version"]) for item in scores] == list(DAYS)
        assert scores[0]["change"] is None
        for before, after in pairwise(scores):
            change = after["change"]
            assert change["points"] == pytest.approx(after["win_probability"] - before["win_probability"], abs=1e-12)
            assert len(change["inputs"]) <= 3
            told = sum(item["points"] for item in change["inputs"]) + change["other_points"]
            told += change["model"]["points"] if change["model"] else 0.0
            assert told == pytest.approx(change["points"], abs=1e-12)
        models = [item["change"]["model"] for item in scores[1:]]
        assert (models[0], models[2]) == (None, None)
        assert models[1]["apart"]


def test_scores_worked_out_for_answers_are_not_kept(kept: tuple[httpx.Client, Store], world: World) -> None:
    client, store = kept
    before = runs(store)
    deal = open_throughout(world)[0]
    for path in (f"/v1/deals/{deal}", "/v1/deals", f"/v1/deals/{deal}/history"):
        assert client.get(path).status_code == 200
    assert runs(store) == before
    assert len(before) == len(DAYS)


def test_since_until_and_the_newest(kept: tuple[httpx.Client, Store], world: World) -> None:
    client, _ = kept
    deal = open_throughout(world)[0]

    def days(**query: str | int) -> list[str]:
        scores = client.get(f"/v1/deals/{deal}/history", params=query).json()["scores"]
        assert not scores or scores[0]["change"] is None
        return [item["as_of"][:10] for item in scores]

    assert days(since="2025-06-09", until="2025-06-16") == ["2025-06-09", "2025-06-16"]
    assert days(limit=2) == ["2025-06-16", "2025-06-23"]
    assert days(since="2025-06-24") == []


def test_a_deal_never_kept_has_a_note_and_an_unknown_one_is_not_found(
    kept: tuple[httpx.Client, Store], served: httpx.Client, world: World
) -> None:
    client, _ = kept
    deal = open_throughout(world)[0]
    answer = served.get(f"/v1/deals/{deal}/history").json()
    assert answer["scores"] == []
    assert answer["note"].startswith("no score of this deal was kept")
    for path in ("history", "postmortem"):
        missing = client.get(f"/v1/deals/nobody/{path}")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_deal")
        odd = client.get(f"/v1/deals/a%00b/{path}")
        assert odd.status_code == 404
    wrong = client.get(f"/v1/deals/{deal}/history", params={"limit": 0})
    assert (wrong.status_code, wrong.json()["error"]["details"][0]["where"]) == (422, "query.limit")


def test_a_post_mortem_is_that_of_the_command_line(kept: tuple[httpx.Client, Store], world: World) -> None:
    client, _ = kept
    history = History(world.crm)
    late = (history.closed > micros("2025-06-03")) & (history.closed < default_as_of(world.crm))
    code = int(np.flatnonzero(late & (history.created < micros("2025-05-01")))[0])
    deal = history.deal_ids[code]
    answer = client.get(f"/v1/deals/{deal}/postmortem", params={"inputs": 1000})
    assert answer.status_code == 200
    found = answer.json()
    expected = post_mortem(history, WinVersion(1, "d", world.models[1]), deal)
    assert [item["words"] for item in found["timeline"]] == [item.words for item in expected.timeline]
    assert [item["win_probability"] for item in found["steps"]] == pytest.approx([s.said.p for s in expected.steps])
    assert [item["deal_id"] for item in found["similar"]] == [item.deal_id for item in expected.similar]
    assert found["outcome"] == expected.outcome
    assert found["learned_from"] is True
    assert [item["as_of"][:10] for item in found["kept"]][:1] == ["2025-06-02"]
    assert {item["model_version"] for item in found["kept"]} <= {1, 2}


def test_an_open_deal_has_no_post_mortem(kept: tuple[httpx.Client, Store], world: World) -> None:
    client, _ = kept
    history = History(world.crm)
    deal = history.deal_ids[int(np.flatnonzero(np.isnan(history.won))[0])]
    answer = client.get(f"/v1/deals/{deal}/postmortem")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "deal_open")
    assert f"deal '{deal}' is still open" in answer.json()["error"]["message"]


def test_a_server_without_a_model_still_tells_the_past(world: World, tmp_path: Path) -> None:
    shutil.copy(world.store_url.removeprefix("sqlite:///"), tmp_path / "store.db")
    app = create_app(f"sqlite:///{tmp_path / 'store.db'}", world.registry(tmp_path, None), refresh_seconds=3600,
                     now=lambda: NOW)  # fmt: skip
    history = History(world.crm)
    deal = history.deal_ids[int(np.flatnonzero(history.won == 0)[0])]
    with running(app) as client:
        found = client.get(f"/v1/deals/{deal}/postmortem").json()
    assert found["steps"] == found["similar"] == []
    assert found["timeline"]
    assert "no model yet" in found["notes"][0]


def test_kept_runs_tell_of_themselves(kept: tuple[httpx.Client, Store]) -> None:
    from crm.ledger import rows_of

    _, store = kept
    run = runs(store)[0]
    (part,) = rows_of(store, run)
    said = Said.kept(run, part, 0)
    p = said.calibration(np.array([said.reference + sum(said.contributions.values())]))[0]
    assert p == pytest.approx(said.p, abs=1e-6)
