"""Real nats-server processes for tests: one alone, or three as a cluster; started, killed and started again."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from station.bus.link import Login
from tests.ports import TCP, free_port


class Server:
    """One server on a port and a folder of its own."""

    def __init__(self, folder: Path, name: str = "one", routes: dict[str, int] | None = None) -> None:
        self.port, self._folder, self._name = free_port(TCP), folder, name
        self._routes = routes or {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def login(self) -> Login:
        return Login(f"nats://127.0.0.1:{self.port}", "station")

    def start(self) -> Self:
        store = {"store_dir": str(self._folder / self._name)}
        config: dict[str, Any] = {
            "server_name": self._name,
            "host": "127.0.0.1",
            "port": self.port,
            "jetstream": store,
            "max_payload": 8 << 20,
        }
        if self._routes:
            routes = [f"nats://127.0.0.1:{port}" for name, port in self._routes.items() if name != self._name]
            config["cluster"] = {"name": "c", "host": "127.0.0.1", "port": self._routes[self._name], "routes": routes}
        path = self._folder / f"{self._name}.conf"
        path.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in config.items()))
        self.process = subprocess.Popen(["nats-server", "--config", str(path)], stderr=subprocess.DEVNULL)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.kill()


def cluster(folder: Path) -> list[Server]:
    """Three servers that know each other; not started."""
    routes = {name: free_port(TCP) for name in ("a", "b", "c")}
    return [Server(folder, name, routes) for name in routes]


async def until(holds: Any, within_s: float = 60.0) -> None:
    """Wait until `holds()` is true."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.02)
