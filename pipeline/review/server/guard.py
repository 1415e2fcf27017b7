"""What stands before every route: who may ask, from where, and how much he may send."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from secrets import compare_digest
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 256 * 2**10
"""Largest body of a request; corrections of one study have some kilobytes."""

SAFE_METHODS = ("GET", "HEAD")

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Of every answer; pictures of patients stay in no cache of the browser."""


class Guard:
    """An application behind a token, for some hosts and no other origin."""

    def __init__(self, app: ASGIApp, token: str, cookie: str, is_host: Callable[[str], bool]) -> None:
        """Guard an application.

        Args:
            app: the application.
            token: that the printed link holds; it becomes a cookie.
            cookie: name of that cookie.
            is_host: whether a Host header is one of this server.
        """
        self._app, self._token, self._cookie, self._is_host = app, token, cookie, is_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on with the headers of `HEADERS` on its answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        guarded, headers = _with_headers(send), _headers(scope)
        token = _query_token(scope)
        refusal = self._refusal(scope, headers, token)
        if refusal is None and token is not None:
            cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(guarded, HTTPStatus.SEE_OTHER, "", (("location", "/"), ("set-cookie", cookie)))
            return
        if refusal is None and scope["method"] not in SAFE_METHODS:
            body = await _body(headers, receive)
            receive = _replayed(body or b"", receive)
            if body is None:
                text = f"the request is too large; expected at most {MOST_BODY_BYTES:,} bytes"
                refusal = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text
        if refusal is not None:
            await _answer(guarded, *refusal)
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: dict[str, list[str]], token: str | None) -> tuple[HTTPStatus, str] | None:
        """Why a request is not answered, by what stands before its body, or None."""
        if (problem := self._problem(scope, headers)) is not None:
            return HTTPStatus.FORBIDDEN, problem
        given = _cookies(headers, self._cookie) if token is None else [token]
        if not any(_same(value, self._token) for value in given):
            return HTTPStatus.FORBIDDEN, "the token is missing or wrong; open the link that `osteolens review` printed"
        kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
        if scope["method"] not in SAFE_METHODS and kind != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json"
        return None

    def _problem(self, scope: Scope, headers: dict[str, list[str]]) -> str | None:
        """Why a request is none of this page's, or None."""
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or not self._is_host(hosts[0]):
            return "this is no name of the server; open the link that `osteolens review` printed"
        if scope["method"] not in (*SAFE_METHODS, "POST"):
            return "expected GET or POST"
        if any(origin.lower() != f"http://{hosts[0]}".lower() for origin in origins):
            return "the request comes from another page"
        if scope["method"] not in SAFE_METHODS and len(origins) != 1:
            return "the request does not say which page it comes from"
        if scope["path"] != "/" and headers.get("sec-fetch-site", ["none"])[0] not in ("same-origin", "none"):
            return "the request comes from another page"
        return None


def host_check(host: str, port: int) -> Callable[[str], bool]:
    """Which Host headers are of a server.

    A name that a stranger's DNS gives this address (DNS rebinding) is none. A server on all addresses is known by any
    address as a number.

    Args:
        host: that the server listens on.
        port: that the server listens on.
    """
    names = {"127.0.0.1", "localhost", "[::1]"} if _is_loopback(host) or _is_any(host) else set()
    names.add(f"[{host}]" if ":" in host else host.lower())

    def is_host(header: str) -> bool:
        name, separator, told = header.lower().rpartition(":")
        if not separator or not told.isascii() or not told.isdigit():
            name, told = header.lower(), "80"
        if int(told[:6]) != port:
            return False
        return name in names or (_is_any(host) and _is_address(name.strip("[]")))

    return is_host


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_any(host: str) -> bool:
    return _is_address(host) and ip_address(host).is_unspecified


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _cookies(headers: dict[str, list[str]], name: str) -> list[str]:
    pairs = (part.strip().partition("=") for line in headers.get("cookie", []) for part in line.split(";"))
    return [value for key, _, value in pairs if key == name]


def _query_token(scope: Scope) -> str | None:
    """The token of the printed link, which opens the page alone."""
    if scope["path"] != "/" or scope["method"] != "GET":
        return None
    values = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return values[0] if values else None


def _same(given: str, token: str) -> bool:
    return compare_digest(given.encode("utf-8", "replace"), token.encode("utf-8"))


async def _body(headers: dict[str, list[str]], receive: Receive) -> bytes | None:
    """The whole body, None where it is too large."""
    told = headers.get("content-length", ["0"])[0]
    if not told.isdigit() or int(told[:20]) > MOST_BODY_BYTES:
        return None
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BODY_BYTES:
            return None
    return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            theirs = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in dict(ours)]
            message = {**message, "headers": [*theirs, *ours]}
        await send(message)

    return guarded


async def _answer(send: Send, status: HTTPStatus, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
    body = json.dumps({"error": text}).encode()
    plain = (("content-type", "application/json"), ("content-length", str(len(body))), *headers)
    await send(
        {
            "type": "http.response.start",
            "status": int(status),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in plain],
        }
    )
    await send({"type": "http.response.body", "body": body})
