"""The command line of the simulator. Exit codes: 0 ended by a signal, 1 could not start, 2 wrong use."""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from pathlib import Path

from simulator.agents import PORT, Agents
from simulator.build import build
from simulator.network import Network
from simulator.traffic import Boots

LOOPBACK = ip_network("127.0.0.0/8")
PR_SET_PDEATHSIG = 1
COMMUNITY = "public"


@dataclass(frozen=True, slots=True)
class Address:
    """A host on loopback and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`127.0.0.1:16162`; argparse turns the error into exit code 2."""
        host, _, port = text.rpartition(":")
        try:
            address, number = IPv4Address(host), int(port)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text} is not an IPv4 address and a port") from error
        if address not in LOOPBACK or not 0 < number < 65536:
            raise argparse.ArgumentTypeError(f"{text}: the simulator sends to {LOOPBACK} only")
        return cls(host, number)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m simulator", description="A simulated network on loopback.")
    result.add_argument("--size", type=int, default=60, help="how many devices (at least 24)")
    result.add_argument("--seed", type=int, default=1)
    result.add_argument("--port", type=int, default=PORT, help="UDP port of every SNMP agent")
    result.add_argument("--data", type=Path, help="folder for certificates")
    result.add_argument("--trap", type=Address.parse, default=Address("127.0.0.1", 16162), help="where traps go")
    result.add_argument("--syslog", type=Address.parse, default=Address("127.0.0.1", 16514), help="where syslog lines go")
    return result


def die_with_parent() -> None:
    """Ask the kernel to end this process with its parent (Linux; elsewhere the parent has to)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(0)


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    die_with_parent()
    try:
        asyncio.run(run(options))
    except OSError as error:
        print(f"simulator: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on stderr
        return 1
    return 0


async def run(options: argparse.Namespace) -> None:
    """Start everything, say `ready` in one JSON line on stdout, and serve until a signal comes."""
    now_ns = time.time_ns()
    world = build(options.seed, options.size)
    network = Network(world, Boots.of(world, now_ns, {}), now_ns)
    agents = Agents(network, COMMUNITY, time.time_ns, options.port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agents.open()
    ready = {"ready": True, "devices": len(world.devices), "cidr": world.cidr, "port": options.port, "community": COMMUNITY}
    print(json.dumps(ready), flush=True)  # noqa: T201 - the parent reads this line
    await stop.wait()
    agents.close()
