"""Listening: on loopback only, until sign-in exists."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from serving.errors import ListenError, PortTakenError


def loopback_address(host: str) -> str:
    """The address to listen on for a host.

    Args:
        host: `localhost`, or an address of 127.0.0.0/8 or ::1.

    Raises:
        ListenError: It is no loopback address.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ListenError(
            f"refusing to listen on {host!r}: there is no sign-in yet, so only this machine may connect; "
            "use 127.0.0.1, ::1 or localhost"
        )
    return str(address)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on loopback.

    Args:
        host: See `loopback_address`.
        port: TCP port; 0 for a free one.

    Raises:
        ListenError: No loopback address, or the port is taken.
    """
    address = loopback_address(host)
    # The protocol is named, because asyncio switches off the delay of small packets only where it sees that it is TCP.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port} of {address} is taken by another program; choose another port") from None
        raise ListenError(f"cannot listen on {address}, port {port}: {error}") from None
    return listener


class _Server(uvicorn.Server):
    """Uvicorn, that says when it listens."""

    listening: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.listening()


def server_of(app: FastAPI, listener: socket.socket, listening: Callable[[str], None]) -> uvicorn.Server:
    """A server for an app on a socket, ready to `run(sockets=[listener])`.

    Args:
        app: The app.
        listener: From `listen`.
        listening: Told the address, such as `http://127.0.0.1:8000`, once requests are taken.
    """
    address, port = listener.getsockname()[:2]
    url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", server_header=False,
                                    timeout_graceful_shutdown=5))  # fmt: skip
    server.listening = lambda: listening(url)
    return server


def serve(app: FastAPI, host: str, port: int, listening: Callable[[str], None] = lambda _: None) -> None:
    """Serve an app until the process is told to stop.

    Args:
        app: The app.
        host: See `loopback_address`.
        port: TCP port; 0 for a free one.
        listening: Told the address, such as `http://127.0.0.1:8000`, once requests are taken.

    Raises:
        ListenError: No loopback address, or the port is taken.
    """
    listener = listen(host, port)
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        server_of(app, listener, listening).run(sockets=[listener])
