"""What a demo adds to a station: the simulated network, its customers, a ticket system, and 35 days behind it."""

import asyncio
import json
import secrets
import socket
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter

from inventory.services import import_customers
from simulator import poison
from simulator.build import build
from simulator.customers import customers
from simulator.world import World
from station.assembly import Station
from station.config import StationSettings
from station.demo_history import HistoryWriter, Past
from station.echo import Echo
from station.lifecycle import Child
from station.scope import STATION, Role
from station.simulation import Simulation, router

log = structlog.get_logger("demo")

SEED: Final = 1
SEED_ADDRESS: Final = "127.64.1.1"
AGENTS_PORT: Final = 16100
GNMI_PORT: Final = 16030
USER: Final = "demo"
TICKETS: Final = "Demo ticket system"
START_WITHIN_S: Final = 20.0
USEFUL_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class SimulatedNetwork:
    """The simulator as it said it is ready."""

    child: Child
    ready: dict[str, Any]
    token: str


async def start_network(folder: Path, size: int, settings: StationSettings, *, script: bool, poisoned: bool) -> SimulatedNetwork:
    """Start the simulator as a child; TimeoutError or OSError when it does not become ready."""
    token_file = folder / "simulator.token"
    token = secrets.token_urlsafe(32)
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    arguments = ["simulator", "--size", str(size), "--seed", str(SEED), "--data", str(folder / "simulator")]
    arguments += [
        "--port",
        str(free_port(SEED_ADDRESS, AGENTS_PORT)),
        "--gnmi-port",
        str(free_port(SEED_ADDRESS, GNMI_PORT, socket.SOCK_STREAM)),
    ]
    arguments += ["--trap", f"127.0.0.1:{settings.traps.port}", "--syslog", f"127.0.0.1:{settings.syslog.udp_port}"]
    arguments += ["--control-token-file", str(token_file)]
    arguments += [] if script else ["--no-script"]
    arguments += ["--poisoned"] if poisoned else []
    child = Child("simulator", arguments)
    process = await child.start()
    assert process.stdout is not None
    async with asyncio.timeout(START_WITHIN_S):
        line = await process.stdout.readline()
    if not line:
        raise OSError(f"the simulated network did not start: exit {await process.wait()}")
    return SimulatedNetwork(child, json.loads(line), token)


def with_free_ports(settings: StationSettings) -> StationSettings:
    """The settings with receivers' ports that nobody else has: two demos may run on one machine."""
    values = settings.model_dump()
    values["traps"] |= {"port": free_port(settings.traps.address, settings.traps.port)}
    values["syslog"] |= {"udp_port": free_port(settings.syslog.address, settings.syslog.udp_port)}
    return StationSettings.model_validate(values)


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


def demo_settings(settings: StationSettings, world: World, network: dict[str, Any], tickets_url: str) -> StationSettings:
    """The settings of a demo: look at the simulated addresses only, poll often, stream from the gNMI targets."""
    values = settings.model_dump()
    values["notify"] |= {"allow": (*settings.notify.allow, urlsplit(tickets_url).netloc)}
    values["traps"] |= {"communities": [network["community"]]}
    values["inventory"] |= {"ranges": ranges([device.address for device in world.devices]), "port": network["port"]}
    values["snmp"] |= {"interval_s": 15.0 if len(world.devices) <= 240 else 60.0}
    gnmi = network.get("gnmi") or {"addresses": [], "port": 1, "ca_file": ""}
    values["gnmi"] |= {"targets": [{"address": address, "port": gnmi["port"], "ca_file": gnmi["ca_file"]} for address in gnmi["addresses"]]}
    return StationSettings.model_validate(values)


def ranges(addresses: Sequence[str]) -> list[str]:
    """The smallest networks, one within each /24, that hold the addresses."""
    groups: dict[IPv4Network, list[IPv4Address]] = {}
    for text in addresses:
        groups.setdefault(IPv4Network(f"{text}/24", strict=False), []).append(IPv4Address(text))
    found = [_around(min(group), max(group)) for group in groups.values()]
    return [str(network) for network in collapse_addresses(found)]


def _around(first: IPv4Address, last: IPv4Address) -> IPv4Network:
    prefix = 32 - (int(first) ^ int(last)).bit_length()
    network = IPv4Network(f"{first}/{prefix}", strict=False)
    # A device that has the network's own or its broadcast address would not be looked at.
    return network if first != network.network_address and last != network.broadcast_address else network.supernet()


def world_of(size: int, *, poisoned: bool) -> World:
    """The world that the simulator was started with."""
    world = build(SEED, size)
    return poison.poisoned(world) if poisoned else world


class Demo:
    """The guest of a demo station."""

    def __init__(self, network: SimulatedNetwork, echo: Echo, tickets_url: str, world: World, *, history: bool) -> None:
        self._network, self._echo, self._tickets_url, self._world, self._history = network, echo, tickets_url, world, history
        self._station: Station | None = None
        self._simulation: Simulation | None = None

    async def enter(self, station: Station) -> None:
        ground = station.ground
        self._station = station
        self._simulation = Simulation(self._network.ready["control_port"], self._network.token, ground.picture.current, ground.hub)
        await import_customers(ground.state, STATION, customers(self._world), ground.clock.now_ns())
        await ground.picture.reload()
        if all(hook.name != TICKETS for hook in await station.notifier.webhooks()):
            await station.notifier.add_webhook(STATION, TICKETS, self._tickets_url)

    def routers(self) -> Sequence[APIRouter]:
        assert self._simulation is not None
        return [router(self._simulation, lambda: list(self._echo.received))]

    def work(self) -> Sequence[Coroutine[Any, Any, None]]:
        assert self._simulation is not None
        return [self._simulation.run(), *([self._write_history()] if self._history else [])]

    async def link(self, base_url: str) -> str:
        """A one-time link that signs in as the demo's engineer; its password is random and known to nobody."""
        assert self._station is not None
        security = self._station.ground.security
        if not await security.has_users():
            await security.add_user(STATION, USER, secrets.token_urlsafe(24), Role.ADMIN)
        return await security.make_login_link(base_url, USER)

    async def _write_history(self) -> None:
        """Once everything was seen, in the background of the live station."""
        station = self._station
        assert station is not None
        while len(station.ground.picture.current().devices) < len(self._world.devices) or not station.ground.picture.current().links:  # noqa: ASYNC110 - once per demo
            await asyncio.sleep(USEFUL_EVERY_S)
        past = Past.of(self._world, self._network.ready["now_ns"], station.ground.clock.now_ns())
        writer = HistoryWriter(past, station.pipeline, station.meter, station.biller, station.ground.picture.current, station.ground.hub)
        try:
            await writer.write()
        except Exception:  # the past is a background of the demo: without it the live station still works
            log.exception("the simulated past could not be written")
            station.ground.hub.publish(
                "progress", {"id": "history", "title": "History", "done": 100, "total": 100, "text": "failed; see the log"}
            )
