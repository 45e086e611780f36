"""What a demo adds to a station: the simulated network, its customers, a ticket system, and 35 days behind it."""

import asyncio
import os
from collections.abc import Coroutine, Sequence
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
from station.assembly import Plan, Station, run_station
from station.clock import SystemClock
from station.commands.context import say, settings_in_force
from station.commands.demo_network import LOOPBACK, SEED, Ports, SimulatedNetwork
from station.commands.run import changed
from station.config import StationSettings
from station.demo_history import HistoryWriter, Past
from station.echo import Echo
from station.logs import set_up
from station.scope import STATION, Role
from station.simulation import Simulation, router

log = structlog.get_logger("demo")

USER: Final = "demo"
TICKETS: Final = "Demo ticket system"
USEFUL_EVERY_S: Final = 0.5
SMALL: Final = 240  # devices that are polled often, and at once when found


async def run_demo(network: SimulatedNetwork, folder: Path, *, port: int | None, history: bool) -> None:
    """A station on the simulated network until a signal comes."""
    set_up()
    settings, clock, world = settings_in_force(None, folder), SystemClock(), world_of(network.size, poisoned=network.poisoned)
    if port is not None:
        settings = changed(settings, "web", "port", port)
    echo = Echo(clock)
    tickets_url = await echo.open()
    try:
        ready = await network.ready()
        guest = Demo(network, ready, echo, tickets_url, world, history=history)
        chosen = demo_settings(settings, world, ready, network.ports, tickets_url)
        plan = Plan(settings=chosen, folder=folder, environ=os.environ, simulated=True, clock=clock, guest=guest)
        await run_station(plan, lambda link: say(f"SIMULATED NETWORK of {network.size} devices. Open {link}"))
    finally:
        await echo.close()


def world_of(size: int, *, poisoned: bool) -> World:
    """The world that the simulator was started with."""
    world = build(SEED, size)
    return poison.poisoned(world) if poisoned else world


def demo_settings(settings: StationSettings, world: World, ready: dict[str, Any], ports: Ports, tickets_url: str) -> StationSettings:
    """The settings of a demo: look at the simulated addresses only, hear its messages, poll often, stream from the gNMI targets."""
    values = settings.model_dump()
    values["notify"] |= {"allow": (*settings.notify.allow, urlsplit(tickets_url).netloc)}
    values["traps"] |= {"address": LOOPBACK, "port": ports.traps, "communities": [ready["community"]]}
    values["syslog"] |= {"address": LOOPBACK, "udp_port": ports.syslog}
    values["flow"] |= {"netflow_port": 0}  # simulated devices meter no flows
    values["inventory"] |= {"ranges": ranges([device.address for device in world.devices]), "port": ready["port"]}
    values["bss"] |= {"operator_country": "DE", "operator_tax_id": "DE000000000"}  # electronic invoices want both
    small = len(world.devices) <= SMALL
    values["snmp"] |= {"interval_s": 15.0 if small else 60.0, "first_spread_s": 5.0 if small else 60.0}
    gnmi = ready.get("gnmi") or {"addresses": [], "port": 1, "ca_file": ""}
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


class Demo:
    """The guest of a demo station."""

    def __init__(
        self, network: SimulatedNetwork, ready: dict[str, Any], echo: Echo, tickets_url: str, world: World, *, history: bool
    ) -> None:
        self._network, self._ready, self._echo, self._tickets_url = network, ready, echo, tickets_url
        self._world, self._history = world, history
        self._station: Station | None = None
        self._simulation: Simulation | None = None

    async def enter(self, station: Station) -> None:
        ground = station.ground
        self._station = station
        self._simulation = Simulation(self._ready["control_port"], self._network.token, ground.picture.current, ground.hub)
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
        """A one-time link that signs in as the demo's engineer, who has no password."""
        assert self._station is not None
        security = self._station.ground.security
        if not await security.has_users():
            await security.add_user(STATION, USER, None, Role.ADMIN)
        return await security.make_login_link(base_url, USER)

    async def _write_history(self) -> None:
        """Once everything was seen, in the background of the live station."""
        station = self._station
        assert station is not None
        while len(station.ground.picture.current().devices) < len(self._world.devices) or not station.ground.picture.current().links:  # noqa: ASYNC110 - once per demo
            await asyncio.sleep(USEFUL_EVERY_S)
        past = Past.of(self._world, self._ready["now_ns"], station.ground.clock.now_ns())
        writer = HistoryWriter(past, station.pipeline, station.meter, station.biller, station.ground.picture.current, station.ground.hub)
        try:
            await writer.write()
        except Exception:  # the past is a background of the demo: without it the live station still works
            log.exception("the simulated past could not be written")
            station.ground.hub.publish(
                "progress", {"id": "history", "title": "History", "done": 100, "total": 100, "text": "failed; see the log"}
            )
