"""What every request passes first: the host check, the count, the bound on its body, the catch for the unforeseen."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import NotJsonError, TooLargeError, error_answer
from serving.measures import Measures

log = logging.getLogger(__name__)

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""Of pages: they show what people typed into a CRM, or are files from MLflow; no script shall run there."""


def error_response(status: int, code: str, message: str) -> Response:
    """An error in the one shape of all."""
    body = error_answer(code, message).model_dump_json(exclude_none=True)
    return Response(body, status, media_type="application/json")


class Front:
    """The outermost layer of the app.

    Only names of this machine are accepted as host: a web page elsewhere whose name was bent to point here (DNS
    rebinding) gets no answer.

    Args:
        app: The app.
        measures: Where requests are counted.
        hosts: Accepted hosts, without ports.
    """

    def __init__(self, app: ASGIApp, measures: Measures, hosts: Collection[str]) -> None:
        self.app = app
        self.measures = measures
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500
        begun = False

        async def watched(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        try:
            if host_of(Headers(scope=scope).get("host", "")) not in self.hosts:
                refusal = error_response(400, "unknown_host", "this server answers to names of its own machine only")
                await refusal(scope, receive, watched)
            else:
                await self.app(scope, receive, watched)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                raise
            await error_response(500, "internal", "something went wrong here; the server's log has it")(
                scope, receive, watched
            )
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self.measures.requests.labels(route, scope["method"], str(status)).inc()
            self.measures.seconds.labels(route).observe(time.perf_counter() - start)


def host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


async def bounded_body(request: Request, most: int) -> bytes:
    """The body of a request, read no further than allowed.

    Args:
        request: The request.
        most: Bytes.

    Raises:
        TooLargeError: It is larger.
        NotJsonError: It does not say that it is JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise NotJsonError("send the body as Content-Type: application/json")
    message = f"a body may have {most} bytes at most; send fewer deals at once"
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise TooLargeError(message)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLargeError(message)
        parts.append(part)
    return b"".join(parts)
