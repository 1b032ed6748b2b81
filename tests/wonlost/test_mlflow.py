"""MLflow's own tools load and serve the champion, and say what wonlost says."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm.store import Store
from features.history import History
from features.matrix import build_matrix, default_as_of, open_at
from features.registry import features_of
from models.registry import quiet_mlflow
from tests.commands import wonlost


@pytest.fixture(scope="module")
def scored(line: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Feature rows of all open deals, and what `wonlost score` says of them."""
    assert wonlost(line, "score", "--out", "open.parquet").returncode == 0
    with Store.open(f"sqlite:///{line / 'wonlost.db'}") as store:
        crm = store.load()
    history = History(crm)
    pairs = open_at(history, default_as_of(crm))
    scores = pd.read_parquet(line / "open.parquet").set_index("opportunity_id")["win_probability"]
    ids = [history.deal_ids[deal] for deal in pairs.deal]
    return build_matrix(history, features_of(history), pairs).frame(), scores[ids]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_plain_load_model_gives_the_same_numbers(line: Path, scored: tuple[pd.DataFrame, pd.Series]) -> None:
    with quiet_mlflow():
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{line / 'mlflow.db'}")
        champion = mlflow.pyfunc.load_model("models:/wonlost-win@champion")
        found = champion.predict(scored[0][champion.metadata.get_input_schema().input_names()])
    assert np.abs(found - scored[1].to_numpy()).max() < 1e-9


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.slow
def test_mlflow_models_serve_gives_the_same_numbers(line: Path, scored: tuple[pd.DataFrame, pd.Series]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bin_ = Path(sys.executable).parent
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{line / 'mlflow.db'}",
                   "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
    command = [bin_ / "mlflow", "models", "serve", "-m", "models:/wonlost-win@champion", "--env-manager", "local",
               "--port", str(port), "--host", "127.0.0.1"]  # fmt: skip
    server = subprocess.Popen(command, env=environment, cwd=line, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        for _ in range(600):
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(port, "GET", "/ping")
                break
            assert server.poll() is None, "mlflow models serve ended by itself"
            time.sleep(0.2)
        table = json.loads(scored[0].to_json(orient="split", index=False))
        status, body = ask(port, "POST", "/invocations", json.dumps({"dataframe_split": table}))
        assert status == 200, body
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    # JSON carries features with ten decimals, so equal to what those can tell
    assert np.abs(np.array(json.loads(body)["predictions"]) - scored[1].to_numpy()).max() < 1e-6
