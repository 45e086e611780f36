"""The simulated network of a demo as a child process. It boots while the station is still being loaded."""

import asyncio
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from station.lifecycle import Child

SEED: Final = 1
LOOPBACK: Final = "127.0.0.1"
SEED_ADDRESS: Final = "127.64.1.1"
AGENTS_PORT: Final = 16_100
GNMI_PORT: Final = 16_030
TRAPS_PORT: Final = 16_200
SYSLOG_PORT: Final = 16_514
START_WITHIN_S: Final = 30.0  # 2,000 devices need a while


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one demo: the usual ones for the first on a machine, where they are free; any for another."""

    agents: int
    gnmi: int
    traps: int
    syslog: int

    @classmethod
    def free(cls, *, usual: bool) -> "Ports":
        return cls(
            free_port(SEED_ADDRESS, AGENTS_PORT if usual else 0),
            free_port(SEED_ADDRESS, GNMI_PORT if usual else 0, socket.SOCK_STREAM),
            free_port(LOOPBACK, TRAPS_PORT if usual else 0),
            free_port(LOOPBACK, SYSLOG_PORT if usual else 0),
        )


class SimulatedNetwork:
    """`start` it, load what else is to be loaded, then wait until it is `ready`."""

    def __init__(self, folder: Path, size: int, *, script: bool, poisoned: bool, hostile: str = "") -> None:
        self._first = first_demo()
        self.size, self.poisoned, self.ports = size, poisoned, Ports.free(usual=self._first is not None)
        self.token = secrets.token_urlsafe(32)
        self._token_file = folder / "simulator.token"
        arguments = ["simulator", "--size", str(size), "--seed", str(SEED), "--data", str(folder / "simulator")]
        arguments += ["--port", str(self.ports.agents), "--gnmi-port", str(self.ports.gnmi)]
        arguments += ["--trap", f"{LOOPBACK}:{self.ports.traps}", "--syslog", f"{LOOPBACK}:{self.ports.syslog}"]
        arguments += ["--control-token-file", str(self._token_file)]
        arguments += [] if script else ["--no-script"]
        arguments += ["--poisoned"] if poisoned else []
        arguments += ["--hostile", hostile] if hostile else []
        self._child = Child("simulator", arguments)

    async def start(self) -> None:
        self._token_file.touch(mode=0o600)
        self._token_file.write_text(self.token)
        await self._child.start()

    async def ready(self) -> dict[str, Any]:
        """What it says of itself once every agent answers; TimeoutError or OSError when it does not get so far."""
        process = self._child.process
        assert process is not None
        assert process.stdout is not None
        async with asyncio.timeout(START_WITHIN_S):
            line = await process.stdout.readline()
        if not line:
            raise OSError(f"the simulated network did not start: exit {await process.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said

    async def stop(self) -> None:
        await self._child.stop()
        if self._first is not None:
            self._first.close()


def first_demo() -> socket.socket | None:
    """What only one demo of a machine has while it lives, None for the others: two that begin at once would both find ports free."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind("\0trunkline demo")
    except OSError:
        claim.close()
        return None
    return claim


def free_port(address: str, wanted: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """`wanted` when it can be had at this address, else any free one."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port at {address}")
