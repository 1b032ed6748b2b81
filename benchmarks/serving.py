"""One deal, and one note, over HTTP: the deal beside the bare booster, and beside `mlflow models serve`."""

from __future__ import annotations

import contextlib
import csv
import http.client
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.commands import Workplace
from benchmarks.results import markdown, shared
from crm.store import Store
from crm.tables import CrmData, moment
from features.history import History
from features.matrix import build_matrix, default_as_of, open_at
from features.registry import features_of
from models.registry import Registry
from models.trees import Trees
from models.win import WinModel
from training.recipes import recipes
from training.run import train
from training.tracking import Tracker

ROUNDS = 300
CONNECTIONS = 8
SECONDS = 8.0


def serving() -> str:
    """Latency of one connection and throughput of eight, of a champion made of trees."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        place.run("simulate", "--deals", "3000", "--seed", "7", "--no-truth", "--out", place.folder / "export")
        place.run("import", place.folder / "export")
        with Store.open(f"sqlite:///{folder}/wonlost.db") as store:
            crm = store.load()
        registry = Registry(f"sqlite:///{folder}/mlflow.db", Path(folder) / "models")
        trees = [item for item in recipes(3000) if item.name in ("stage x age", "trees, middle")]
        version = Tracker(registry, Path(folder) / "mlartifacts").record(train(crm, threads=2, candidates=trees))
        model = registry.load(version)
        bodies, row = _bodies(crm, model)
        port = _free_port()
        with _running(_serve(port), place, port, "/readyz"):
            post = _latencies(port, "/v1/score", bodies)
            health = _latencies(port, "/healthz", None)
            rate = _throughput(port, "/v1/score", bodies)
        bare = _bare(model, row)
        port = _free_port()
        command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve"]
        command += ["-m", f"models:/{registry.name}/{version.number}", "--env-manager", "local"]
        command += ["--port", str(port), "--host", "127.0.0.1"]
        invocation = _invocation(crm, model)
        with _running(command, place, port, "/ping"):
            theirs = _latencies(port, "/invocations", [invocation])
            their_rate = _throughput(port, "/invocations", [invocation])
    goal = 2 * bare + 3
    rows: list[list[object]] = [
        ["bare `Booster.predict` + `pred_contrib` of the row", f"{bare:.2f} ms", ""],
        ["`POST /v1/score`, history in, features, score and all reasons out", f"{post:.2f} ms", f"{rate:.0f}/s"],
        ["`GET /healthz` (what HTTP itself costs)", f"{health:.2f} ms", ""],
        ["`mlflow models serve`, ready-made features in, probability out", f"{theirs:.2f} ms", f"{their_rate:.0f}/s"],
    ]
    table = markdown(["", "p50, one connection", f"{CONNECTIONS} connections"], rows)
    return f"Champion: {model.recipe}, {len(model.features)} features. Goal 2 x bare + 3 ms = {goal:.2f} ms.\n\n{table}"


def reasons_http() -> str:
    """Latency of one connection that sends real complaints, one at a time, to a model of loss reasons."""
    with (shared("data/airline_reasons") / "train.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in itertools.islice(csv.DictReader(file), ROUNDS)]
    bodies = [json.dumps({"text": text}).encode() for text in texts]
    rows: list[list[object]] = []
    for variant, wanted in {"core": False, "extra": True}.items():
        with tempfile.TemporaryDirectory() as folder:
            place = Workplace(Path(folder), {"WONLOST_MULTILINGUAL": str(wanted).lower()})
            place.run("simulate", "--deals", "2000", "--seed", "7", "--no-truth", "--out", place.folder / "export")
            place.run("import", place.folder / "export")
            place.run("train")
            port = _free_port()
            with _running(_serve(port), place, port, "/readyz"):
                post = _latencies(port, "/v1/loss-reasons/classify", bodies)
                health = _latencies(port, "/healthz", None)
        rows.append([variant, f"{post:.2f} ms", f"{health:.2f} ms"])
    head = ["", "`POST /v1/loss-reasons/classify`, p50", "`GET /healthz` (what HTTP itself costs)"]
    return f"{len(texts)} complaints, one at a time, one connection. Goal: at most 10 ms.\n\n{markdown(head, rows)}"


def _serve(port: int) -> list[str]:
    return [str(Path(sys.executable).with_name("wonlost")), "serve", "--port", str(port)]


def _bodies(crm: CrmData, model: WinModel) -> tuple[list[bytes], np.ndarray]:
    """Open deals as JSON with their histories, and the encoded feature row of the first."""
    from tests.serving.as_json import deal_as_json

    as_of = default_as_of(crm)
    history = History(crm)
    pairs = open_at(history, as_of)
    ids = [history.deal_ids[deal] for deal in pairs.deal[:50]]
    when = f"{moment(as_of):%Y-%m-%dT%H:%M:%S+00:00}"
    bodies = [json.dumps(deal_as_json(crm, deal, when, account=False)).encode() for deal in ids]
    matrix = build_matrix(history, model.needed(features_of(history)), pairs.take(np.arange(1)))
    assert isinstance(model.estimator, Trees)
    return bodies, model.estimator.encoding.encode(matrix)


def _invocation(crm: CrmData, model: WinModel) -> bytes:
    history = History(crm)
    pairs = open_at(history, default_as_of(crm)).take(np.arange(1))
    frame = build_matrix(history, model.needed(features_of(history)), pairs).frame()  # MLflow's schema has them all
    return json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split", index=False))}).encode()


def _bare(model: WinModel, row: np.ndarray) -> float:
    """Median milliseconds of both predictions of one row."""
    assert isinstance(model.estimator, Trees)
    booster = model.estimator.booster
    assert booster is not None
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        booster.predict(row, num_threads=1)
        booster.predict(row, num_threads=1, pred_contrib=True)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


@contextlib.contextmanager
def _running(command: list[str], place: Workplace, port: int, ready: str) -> Iterator[None]:
    """A server while it is measured; its process group is ended by id."""
    environment = place.environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{place.folder}/mlflow.db"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True)  # fmt: skip
    try:
        for _ in range(600):
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", ready)
                if connection.getresponse().status == 200:
                    break
            if server.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {server.returncode}")
            time.sleep(0.2)
        else:
            raise RuntimeError(f"{command[0]} was not ready in two minutes")
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _ask(connection: http.client.HTTPConnection, path: str, body: bytes | None) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")


def _latencies(port: int, path: str, bodies: list[bytes] | None) -> float:
    """Median milliseconds of one request after another over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    taken = []
    for turn in range(ROUNDS + 30):
        start = time.perf_counter()
        _ask(connection, path, bodies[turn % len(bodies)] if bodies else None)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken[30:])


def _throughput(port: int, path: str, bodies: list[bytes]) -> float:
    """Requests per second over several connections at once."""
    counts = [0] * CONNECTIONS
    until = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.perf_counter() < until:
            _ask(connection, path, bodies[(number + counts[number]) % len(bodies)])
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / SECONDS


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
