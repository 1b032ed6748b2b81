"""An app behind a real socket, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import httpx
from fastapi import FastAPI

from serving.server import listen, server_of

PATIENCE = 30.0


@contextmanager
def running(app: FastAPI, *, ready: bool = True) -> Iterator[httpx.Client]:
    """Serve an app and give a client for it.

    Args:
        app: The app.
        ready: Whether to wait until it says that it is ready.
    """
    listener = listen("127.0.0.1", 0)
    address: list[str] = []
    up = Event()
    server = server_of(app, listener, lambda url: (address.append(url), up.set())[0])
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert up.wait(PATIENCE)
    with httpx.Client(base_url=address[0], timeout=PATIENCE) as client:
        try:
            if ready:
                wait_for(lambda: client.get("/readyz").status_code == 200)
            yield client
        finally:
            server.should_exit = True
            client.close()
            thread.join(PATIENCE)
            listener.close()
            assert not thread.is_alive()


def wait_for(happened: Callable[[], Any]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
