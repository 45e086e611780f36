"""A station and collectors as processes of their own, and a way between them that a test can cut."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from station.apart.identity import enrol
from station.clock import SystemClock
from station.migrate import migrate
from station.scope import STATION
from station.scope import Role as Role_
from station.security import Security
from station.state import State
from tests.ports import TCP, UDP, free_port
from tests.stories.demo_process import ROOT, wait_for

WITHIN_S = 60.0


def trunkline(*words: str, data: Path) -> str:
    """What a command of the station says."""
    command = [sys.executable, "-m", "station.cli", *words, "--data", str(data)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=WITHIN_S).stdout.strip()


class Role:
    """One `trunkline ... run` process with its own data and settings."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.data, self._words = folder, words
        self.process: subprocess.Popen[str] | None = None
        folder.mkdir(exist_ok=True)

    def start(self) -> Self:
        with (self.data.parent / f"{self.data.name}.log").open("a") as log:
            command = [sys.executable, "-m", "station.cli", *self._words, "run", "--data", str(self.data)]
            environment = os.environ | {"PYTHONUNBUFFERED": "1"}
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert self.process.stdout is not None and self.process.stdout.readline(), f"it does not start: see {self.data}.log"
        return self

    def kill(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


class StationRole(Role):
    """A station with a bus of its own, asked with a token."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        super().__init__(folder)
        self.port, self.bus_port = free_port(TCP), free_port(TCP)
        (folder / "station.toml").write_text(
            f'[web]\nport = {self.port}\n[bus]\nlisten = "127.0.0.1"\nport = {self.bus_port}\nblind_after_s = 10\n'
            f"[perf]\nflush_ms = 100\n[traps]\nport = {free_port(UDP)}\n[syslog]\nudp_port = {free_port(UDP)}\n{settings}"
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def start(self) -> Self:
        if "Authorization" not in self.client.headers:
            self.client.headers["Authorization"] = f"Bearer {asyncio.run(_token(self.data))}"
        return super().start()

    def invite(self, name: str, **values: Any) -> str:
        """The invitation of a new collector."""
        answer = self.client.post("/api/v1/collectors", json={"name": name, **values})
        assert answer.status_code == 201, answer.text[:300]
        return str(answer.json()["invitation"])

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(path, params=params)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def kill_bus(self) -> None:
        """kill -9 of its nats-server; the station starts it again."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            if child.name() == "nats-server":
                child.kill()


async def _token(folder: Path) -> str:
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    await migrate(state)
    token = await Security(state, SystemClock()).make_token(STATION, "test", Role_.ADMIN, 2)
    await state.close()
    return token


class CollectorRole(Role):
    """A collector that looks at one range for agents on one port, and hears traps."""

    def __init__(self, folder: Path, agent_port: int) -> None:
        super().__init__(folder, "collector")
        self.trap_port = free_port(UDP)
        (folder / "station.toml").write_text(
            f"[inventory]\nport = {agent_port}\nrediscover_s = 60\n[snmp]\ninterval_s = 1\nfirst_spread_s = 0\n"
            f'[traps]\naddress = "127.0.0.1"\nport = {self.trap_port}\n[syslog]\nudp_port = 0\n[spool]\nflush_ms = 200\n'
        )

    def enrol(self, invitation: str) -> Self:
        asyncio.run(enrol(self.data, invitation))
        return self

    def goes_by(self, port: int) -> None:
        """Reach the bus at another port of this machine."""
        path = self.data / "collector.json"
        values = json.loads(path.read_text())
        path.write_text(json.dumps(values | {"url": f"tls://127.0.0.1:{port}"}))


class Way:
    """A way to a port of this machine: carries octets until it is cut, and again once it is mended."""

    def __init__(self, to: int) -> None:
        self.port, self._to, self._open = free_port(TCP), to, True
        self._streams: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        return self

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
            await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        self._open = False
        for writer in self._streams:
            writer.transport.abort()

    def mend(self) -> None:
        self._open = True

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self._open:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
            both = {writer, there_writer}
            self._streams |= both
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
            self._streams -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while octets := await reader.read(65_536):
            writer.write(octets)
            await writer.drain()
    writer.close()


@contextmanager
def agents(folder: Path, names: dict[str, int], address: str = "127.0.0.1") -> Iterator[None]:
    """One net-snmp agent a name, each on its own port of the same address."""
    running = []
    try:
        for name, port in names.items():
            place = folder / name
            place.mkdir()
            lines = [f"agentaddress udp:{address}:{port}", "rocommunity public", f"sysName {name}", "sysServices 76"]
            (place / "snmpd.conf").write_text("\n".join([*lines, ""]))
            command = ["/usr/sbin/snmpd", "-f", "-Lf", str(place / "log"), "-C", "-c", str(place / "snmpd.conf"), "-I", "-smux"]
            environment = {"SNMP_PERSISTENT_DIR": str(place / "state"), "PATH": "/usr/bin"}
            running.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        yield
    finally:
        for agent in running:
            agent.kill()
            agent.wait()


__all__ = ["CollectorRole", "StationRole", "Way", "agents", "trunkline", "wait_for"]
