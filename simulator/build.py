"""Build a world from a seed: a core ring across three regions, aggregation rings in each, access spurs below."""

from dataclasses import dataclass, field
from itertools import pairwise

from simulator.chance import key_of, pick
from simulator.customers import TARIFFS, customer_names
from simulator.places import REGIONS, Region
from simulator.world import ENTERPRISE, MIN_SIZE, Device, Interface, InterfaceKind, Link, Port, Role, Service, Site, World

GIGABIT = 10**9
PER_RING = 18
AGGREGATION_PER_RING = 4
CUSTOMER_PORTS = 4
BLOCK = 250  # devices in one 127.64.<n>.0/24
NOWHERE = -2
LARGE = 300  # from this size on the core runs at 800 Gb/s

_MODELS: dict[Role, tuple[int, str, str]] = {
    "core": (1, "Nordlicht Networks", "NL-9600"),
    "aggregation": (2, "Nordlicht Networks", "NL-5400"),
    "access": (3, "Hansa Systems", "HX-210"),
}
_STREAMS = ("Haven", "Quay", "Mill", "Garden", "Station", "Market", "Bridge", "Tower")


@dataclass(slots=True)
class _Draft:
    name: str
    role: Role
    site: Site
    address: str
    ports: list[tuple[str, InterfaceKind, int, str, str]] = field(default_factory=list)  # name, kind, speed, alias, address

    def add(self, prefix: str, kind: InterfaceKind, speed_bps: int, alias: str, address: str = "") -> int:
        """A new port `<prefix><n>`; its position on the device."""
        n = sum(1 for port in self.ports if port[0].startswith(prefix))
        self.ports.append((f"{prefix}{n}", kind, speed_bps, alias, address))
        return len(self.ports) - 1


@dataclass(slots=True)
class _Plan:
    """Devices and links as they are drawn up; ports by (draft number, position)."""

    seed: int
    size: int
    drafts: list[_Draft] = field(default_factory=list)
    links: list[tuple[tuple[int, int], tuple[int, int], str, bool]] = field(default_factory=list)

    def device(self, region: Region, role: Role, site: Site) -> int:
        own = [draft for draft in self.drafts if draft.site.region == region.name]
        n = sum(1 for draft in own if draft.role == role) + 1
        block, host = divmod(len(own), BLOCK)
        name = f"{region.code}-{ {'core': 'core', 'aggregation': 'agg', 'access': 'acc'}[role] }-{n}"
        draft = _Draft(name, role, site, f"127.64.{region.number + 4 * block}.{host + 1}")
        draft.ports.append(("lo0", "loopback", 0, "", draft.address))
        self.drafts.append(draft)
        return len(self.drafts) - 1

    def link(self, a: int, b: int, *, duct: str = "", lldp: bool = True, alias: str = "") -> None:
        """A link on the next free port of both; unnumbered and without a word about its far end where LLDP is silent."""
        core = self.drafts[a].role == self.drafts[b].role == "core"
        speed_bps = (800 if self.size > LARGE else 100) * GIGABIT if core else 10 * GIGABIT
        prefix = "et-0/0/" if core else "xe-0/0/"
        n = len(self.links)
        ends = []
        for side, (here, there) in enumerate(((a, b), (b, a))):
            address = f"10.64.{n // 128}.{n % 128 * 2 + side}" if lldp else ""
            text = alias or (f"to {self.drafts[there].name}" if lldp else "radio")
            ends.append((here, self.drafts[here].add(prefix, "trunk", speed_bps, text, address)))
        self.links.append((ends[0], ends[1], duct, lldp))


def build(seed: int = 1, size: int = 60) -> World:
    """The world of `size` devices. The wave Hamburg - Berlin is sold to a customer, so cutting it hurts somebody."""
    if size < MIN_SIZE:
        raise ValueError(f"size {size}: a world has at least {MIN_SIZE} devices")
    plan = _Plan(seed, size)
    cores = [_cores(plan, region) for region in REGIONS]
    (ham_1, ham_2), (ber_1, ber_2), (fra_1, fra_2) = cores
    plan.link(ham_1, ber_1, duct="Hamburg-Berlin", alias="wave Hamburg - Berlin")
    plan.link(ber_2, fra_2, duct="Berlin-Frankfurt", alias="wave Berlin - Frankfurt")
    plan.link(fra_1, ham_2, duct="Frankfurt-Hamburg", alias="wave Frankfurt - Hamburg")
    for n, region in enumerate(REGIONS):
        share = size // 3 + (1 if n < size % 3 else 0)
        _region(plan, region, cores[n], share - 2)
    for draft in plan.drafts:
        _customer_ports(plan, draft)
    return _freeze(plan)


def _cores(plan: _Plan, region: Region) -> tuple[int, int]:
    pair = plan.device(region, "core", region.site(0)), plan.device(region, "core", region.site(1))
    plan.link(*pair)
    return pair


def _region(plan: _Plan, region: Region, cores: tuple[int, int], devices: int) -> None:
    rings = max(1, round(devices / PER_RING))
    for ring in range(rings):
        size = devices // rings + (1 if ring < devices % rings else 0)
        _ring(plan, region, cores, ring, size)


def _ring(plan: _Plan, region: Region, cores: tuple[int, int], ring: int, devices: int) -> None:
    """An aggregation ring from one core to the other, with access devices as spurs, every fourth behind another."""
    aggregation = [plan.device(region, "aggregation", region.site(2 + n, ring)) for n in range(AGGREGATION_PER_RING)]
    stops = [cores[0], *aggregation, cores[1]]
    for n, (a, b) in enumerate(pairwise(stops)):
        plan.link(a, b, duct=f"{region.code}-ring-{ring + 1}-{n + 1}")
    access = devices - AGGREGATION_PER_RING
    hidden_at = min(6, access - 2) if region.code == "fra" and ring == 0 else NOWHERE
    before = NOWHERE
    for n in range(access):
        own = plan.device(region, "access", region.site(6 + n, ring))
        parent = aggregation[n * AGGREGATION_PER_RING // access]
        behind = n % 4 == 3 or n - 1 == hidden_at
        duct = f"{region.code}-ring-{ring + 1}-1" if n == 0 else ""
        plan.link(before if behind else parent, own, duct=duct, lldp=n != hidden_at)
        before = own


def _customer_ports(plan: _Plan, draft: _Draft) -> None:
    if draft.role == "core":
        if draft.name in ("ham-core-1", "fra-core-1"):
            draft.add("et-0/1/", "customer", (800 if plan.size > LARGE else 400) * GIGABIT, "transit and peering")
        return
    if draft.role == "access":
        for n in range(CUSTOMER_PORTS):
            street = pick(_STREAMS, plan.seed, draft.name, n)
            draft.add("ge-0/1/", "customer", GIGABIT, f"{draft.site.name}, {street} Street {key_of(draft.name, n) % 90 + 1}")
    draft.add("xe-0/2/", "spare", 10 * GIGABIT, "")


def _freeze(plan: _Plan) -> World:
    first: list[int] = []
    total = 0
    for draft in plan.drafts:
        first.append(total)
        total += len(draft.ports)
    services = _services(plan, first)
    sold = {service.interface: service for service in services}
    names = customer_names(plan.size)
    devices = []
    for number, draft in enumerate(plan.drafts):
        interfaces = []
        for n, (name, kind, speed_bps, alias, address) in enumerate(draft.ports):
            service = sold.get(first[number] + n)
            text = f"{service.number} {names[service.customer]}" if service and kind == "customer" else alias
            mac = b"\x02\x54" + number.to_bytes(2) + n.to_bytes(2)
            prefix = 0 if not address else 32 if kind == "loopback" else 31
            if_index = 1 if kind == "loopback" else 500 + n
            interfaces.append(Interface(first[number] + n, if_index, name, text, kind, speed_bps, mac, address, prefix))
        devices.append(_device(plan.seed, number, draft, tuple(interfaces)))
    links = tuple(
        Link(n, Port(a[0], first[a[0]] + a[1]), Port(b[0], first[b[0]] + b[1]), duct, lldp)
        for n, (a, b, duct, lldp) in enumerate(plan.links)
    )
    return World(plan.seed, tuple(devices), links, services, names, attachment=0)


def _device(seed: int, number: int, draft: _Draft, interfaces: tuple[Interface, ...]) -> Device:
    kind, vendor, model = _MODELS[draft.role]
    serial = f"{model[:2]}{key_of(seed, 'serial', draft.name) % 10**8:08d}"
    chassis = b"\x02\x54" + number.to_bytes(2) + b"\xff\xff"
    return Device(
        number, draft.name, draft.role, draft.site, draft.address, vendor, model, serial, chassis, (*ENTERPRISE, kind), interfaces
    )


def _services(plan: _Plan, first: list[int]) -> tuple[Service, ...]:
    """Two ports for each customer on devices spread over the regions, and the wave Hamburg - Berlin for the first."""
    names = customer_names(plan.size)
    wave = plan.links[3][0]
    services = [Service("S-10001", "Wave Hamburg - Berlin", 0, TARIFFS[0], first[wave[0]] + wave[1])]
    access = [n for n, draft in enumerate(plan.drafts) if draft.role == "access"]
    stride = next(step for step in (7, 11, 13, 17) if len(access) % step)
    for n in range(2 * len(names)):
        device = access[n * stride % len(access)]
        draft = plan.drafts[device]
        port = [k for k, (_, kind, *_) in enumerate(draft.ports) if kind == "customer"][n // len(access)]
        tariff = TARIFFS[n // 2 % len(TARIFFS)]
        label = "Internet access" if tariff == "volume" else "Burst transit"
        services.append(Service(f"S-{10002 + n}", f"{label} {draft.site.name}", n // 2, tariff, first[device] + port))
    return tuple(services)
