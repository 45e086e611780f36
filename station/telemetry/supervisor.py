"""Keeps the chDB owner process alive: starts it on an inherited socket, starts it again when it dies, ends it at the end."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Self

import station
from station.metrics import counter
from station.telemetry.client import TelemetryUnavailableError

TOKEN_VARIABLE = "TRUNKLINE_OWNER_TOKEN"  # noqa: S105 - the variable's name, not a token
START_S = 30.0
STOP_S = 10.0
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
BACKLOG = 64

RESTARTS = counter("telemetry_owner_restarts", "How often the chDB owner process had to be started again.")


class OwnerProcess:
    """The embedded telemetry store as a context: inside, `url` answers the ClickHouse HTTP interface.

    The listening socket is ours and is inherited, so the address stays the same for life and requests made
    while the owner starts again wait in its backlog instead of failing.
    """

    def __init__(self, path: Path, *, memory_mb: int = 400) -> None:
        self.path = path
        self.memory_mb = memory_mb
        self.url = ""
        self.pid = 0
        self._token = secrets.token_urlsafe(32)
        self._socket: socket.socket | None = None
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.url = f"http://trunkline:{self._token}@127.0.0.1:{self._socket.getsockname()[1]}"
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        self._watch = asyncio.create_task(self._keep_alive(), name="telemetry owner")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._end()

    async def _start(self) -> None:
        assert self._socket is not None
        listener = self._socket.fileno()
        environment = os.environ | {TOKEN_VARIABLE: self._token, "PYTHONPATH": str(Path(station.__file__).parent.parent)}
        # fmt: off
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "station.telemetry.owner",
            "--path", str(self.path), "--fd", str(listener), "--memory-mb", str(self.memory_mb), "--parent", str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, env=environment, pass_fds=(listener,),
        )
        # fmt: on
        self.pid = self._process.pid
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await self._process.stdout.readline()
        if not line.startswith(b"listening"):
            raise TelemetryUnavailableError(f"the owner of {self.path} did not start: exit {await self._process.wait()}")

    async def _keep_alive(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            assert self._process is not None
            await self._process.wait()
            RESTARTS.inc()
            await asyncio.sleep(delay_s)
            try:
                await self._start()
            except (TelemetryUnavailableError, TimeoutError, OSError):
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            else:
                delay_s = FIRST_DELAY_S

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._socket is not None:
            self._socket.close()
