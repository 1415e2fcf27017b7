"""The server of a review: one address, one token, until SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from osteolens.errors import ConfigError
from pipeline.review.review import Review

MOST_CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens; port 0 is a free one."""

    host: str = "127.0.0.1"
    port: int = 0

    @property
    def is_loopback(self) -> bool:
        """Whether other machines cannot reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def serve(review: Review, address: Address, announce: Callable[[str], None]) -> None:
    """Answer until a signal ends it. Logs hold no requests.

    Args:
        review: what the server holds.
        address: to listen on.
        announce: is told the link, with its token, once the server listens.

    Raises:
        MissingExtra: FastAPI or uvicorn is not installed.
        ConfigError: the address cannot be listened on.
    """
    from osteolens.extras import require

    require("review", "fastapi", "uvicorn", extra="review")
    import uvicorn

    from pipeline.review.server.app import create_app
    from pipeline.review.server.guard import host_check

    listening = _listening(address)
    with listening:
        port = int(listening.getsockname()[1])
        token = secrets.token_urlsafe(32)
        app = create_app(review, token, f"osteolens-review-{port}", host_check(address.host, port))
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            ws="none",
            proxy_headers=False,
            lifespan="off",
        )
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # its tracebacks would name files
        announce(f"http://{_in_link(address.host)}:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])


def _listening(address: Address) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: no such address, or the port is taken.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen()
    except OSError as error:
        raise ConfigError(
            f"--host {address.host} --port {address.port}: cannot listen ({error.strerror or error}); choose another"
        ) from error
    return listening


def _in_link(host: str) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
