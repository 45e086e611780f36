"""A small network, and a fault service over it, for the tests of `fault`."""

from collections.abc import Sequence
from pathlib import Path

from fault.alarms import Place
from fault.correlation.contract import AlarmChange, IncidentChange
from fault.service import FaultService
from fault.settings import FaultSettings
from fault.verify import Verify
from inventory.topology import Customer, Device, Entity, Link, Service, Site, Topology
from station.batch import Event
from station.clock import NS_PER_S, VirtualClock
from station.hub import Hub
from station.state import State

LINK_DOWN = "communications.link_down"
T0 = 1_700_000_000 * NS_PER_S


def at(seconds: float) -> int:
    return T0 + int(seconds * NS_PER_S)


def network() -> Topology:
    """r1 ge-0/0/1 -- ge-0/0/1 r2, r2 ge-0/0/2 -- ge-0/0/1 r3; two sites; acme's service on r3 ge-0/0/9."""
    sites = {"s1": Site("s1", "Hamburg", "north"), "s2": Site("s2", "Berlin", "east")}
    devices = {no: Device(no, f"dev-r{no}", f"r{no}", "s1" if no == 1 else "s2", f"127.64.0.{no}", role="core") for no in (1, 2, 3)}
    ports = {1: (1, 2), 2: (1, 2), 3: (1, 9)}
    entities = {
        no << 16 | port: Entity(
            no << 16 | port, f"if-r{no}-{port}", "interface", f"ge-0/0/{port}", descr=f"GigabitEthernet0/0/{port}", if_index=100 + port
        )
        for no, of in ports.items()
        for port in of
    }
    links = {"l12": Link("l12", 1 << 16 | 1, 2 << 16 | 1, duct="d1"), "l23": Link("l23", 2 << 16 | 2, 3 << 16 | 1)}
    customers = {"c1": Customer("c1", "K-1", "Acme"), "c2": Customer("c2", "K-2", "Globex")}
    services = {
        "v1": Service("v1", "S-1", "acme-internet", "c1", access=(3 << 16 | 9,), path=(1 << 16 | 1, 2 << 16 | 1, 2 << 16 | 2, 3 << 16 | 1)),
        "v2": Service("v2", "S-2", "globex-internet", "c2", access=(1 << 16 | 2,)),
    }
    addresses = {f"127.64.0.{no}": no for no in devices}
    return Topology(1, sites, devices, entities, links, customers, services, addresses, station_devices=(1,))


NETWORK = network()


class Alone:
    """Groups nothing: the service then makes an incident of each alarm."""

    def __init__(self) -> None:
        self.fed: list[AlarmChange] = []

    def topology_changed(self, topology: Topology) -> None:
        self.topology = topology

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        self.fed += changes
        return ()


def event(
    resource: str,
    severity: str,
    t: float = 0,
    alarm_type: str = LINK_DOWN,
    *,
    qualifier: str = "",
    text: str = "link down",
    authenticated: bool = True,
) -> Event:
    return Event(at(t), resource, alarm_type, severity, text, qualifier, "test", authenticated=authenticated)


def down(resource: str = "if-r1-1", t: float = 0, *, qualifier: str = "", text: str = "link down", authenticated: bool = True) -> Event:
    return event(resource, "major", t, qualifier=qualifier, text=text, authenticated=authenticated)


def up(resource: str = "if-r1-1", t: float = 0, *, authenticated: bool = True) -> Event:
    return event(resource, "cleared", t, authenticated=authenticated)


def somewhere(_resource: str) -> Place:
    return Place("interface", "dev-r1", "r1", "ge-0/0/1", "Hamburg", "north")


async def store_at(folder: Path) -> State:
    state = State(f"sqlite+aiosqlite:///{folder}/state.db")
    await state.create_all()
    return state


async def service_on(
    state: State,
    clock: VirtualClock,
    *,
    settings: FaultSettings | None = None,
    correlator: object = None,
    topology: Topology = NETWORK,
    verify: Verify | None = None,
    **other: object,
) -> FaultService:
    service = FaultService(
        state,
        lambda: topology,
        Hub(),
        clock,
        settings or FaultSettings(lone_after_s=0, announce_after_s=0),
        correlator or Alone(),  # type: ignore[arg-type]
        verify=verify,
        **other,  # type: ignore[arg-type]
    )
    await service.load()
    return service
