"""The HTTP server inside the station's loop: it starts and stops with the station, whose signals it leaves alone."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from dashboards.settings import WebSettings

SHUTDOWN_S = 3


class Server(uvicorn.Server):
    """`serve_on(sock)` runs until cancelled; `ready` is set once requests are answered."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def serve_on(self, listener: socket.socket) -> None:
        try:
            await self.serve(sockets=[listener])
        except asyncio.CancelledError:
            self.should_exit = True
            raise


def listener(settings: WebSettings) -> socket.socket:
    """The bound socket of the console; OSError tells why it cannot be had. Bound first, so that the link is true when printed."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=256)
