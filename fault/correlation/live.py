"""The live station's side: the inventory as a `Network`, alarm changes as `Notice`s.

Interfaces are ports, links link them; each link may carry a session of each routing protocol, without
being known to. Cards and LSPs are not in the inventory. A site without mains is told by its devices.
"""

from dataclasses import replace

from fault.alarm_types import alarm_types, type_of
from fault.correlation.contract import AlarmChange
from fault.correlation.incident import Notice
from fault.correlation.model import Cause, Key, Model
from fault.correlation.network import Device, Link, Network, Port
from inventory.topology import Topology

NS_PER_S = 1_000_000_000
UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104 - a neighbour nobody named, nothing binds to it
PROTOCOLS = ("ospf", "isis", "bgp", "ldp", "bfd")
CAUSES = {
    "link": Cause.SIGNAL,
    "adjacency": Cause.ADJACENCY,
    "path": Cause.PATH,
    "device": Cause.UNREACHABLE,
    "power": Cause.POWER,
    "battery": Cause.BATTERY,
    "restart": Cause.RESTART,
    "degraded": Cause.DEGRADED,
    "congestion": Cause.CONGESTED,
    "change": Cause.CHANGED,
}


def live_model(poll_s: float, hold_s: float) -> Model:
    """A network whose sessions are not all known, whose ports may be told by the next poll only, and whose single losses are real."""
    model = Model()
    return replace(
        model,
        leak={**model.leak, Cause.SIGNAL: -19.0},
        signal_p=0.8,
        signal_s=poll_s + 5.0,
        adjacency_p=0.6,
        adjacency_due=False,
        adopt_sessions=True,
        blips=frozenset({Cause.LOCAL, Cause.CHANGED}),
        poll_s=poll_s,
        hold_s=hold_s,
    )


def network_of_topology(topology: Topology) -> Network:
    """The inventory as correlation sees it, named by public ids. O(devices + interfaces + links)."""
    roots = tuple(topology.devices[no].id for no in topology.station_devices if no in topology.devices)
    network = Network(roots=roots)
    for site in topology.sites.values():
        network.sites.setdefault(site.id, [])
    for device in topology.devices.values():
        network.add_device(Device(device.id, device.site_id, device.role))
    for entity in topology.entities.values():
        if entity.kind == "interface" and entity.device_no in topology.devices:
            network.add_port(Port(entity.id, topology.devices[entity.device_no].id))
    for link in topology.links.values():
        ends = [topology.entities.get(link.a), topology.entities.get(link.b)]
        if any(end is None or end.id not in network.ports for end in ends):
            continue
        a, b = (end.id for end in ends if end is not None)
        duct = f"duct:{link.duct}" if link.duct else ""
        network.add_link(Link(link.id, (network.ports[a].device, network.ports[b].device), (a, b), duct))
        for protocol in PROTOCOLS:
            network.add_adjacency(session_id(protocol, link.id), link.id)
    network.measure()
    return network


def same_network(a: Topology, b: Topology) -> bool:
    """Whether two pictures differ in nothing that correlation looks at."""
    if a.links != b.links or a.station_devices != b.station_devices or a.sites.keys() != b.sites.keys() or a.missing != b.missing:
        return False
    places = [{(device.id, device.site_id) for device in each.devices.values()} for each in (a, b)]
    ports = [{entity.id for entity in each.entities.values() if entity.kind == "interface"} for each in (a, b)]
    return places[0] == places[1] and ports[0] == ports[1]


def session_id(protocol: str, link: str) -> str:
    return f"{protocol} over {link}"


class Translator:
    """Alarm changes in, notices out, for one topology."""

    def __init__(self, topology: Topology, network: Network) -> None:
        self.topology = topology
        self.network = network
        self._lost: dict[tuple[str, str], str] = {}  # device and protocol -> the session between devices that it last told of

    def notice(self, change: AlarmChange, now_s: float) -> Notice:
        """The notice of a change. Its time is the change's own, but never later than now."""
        at_s = min(now_s, change.time_ns / NS_PER_S)
        if change.state == "raised" and now_s - at_s < 1.0:
            at_s = now_s
        if change.state == "raised" and now_s - change.raised_ns / NS_PER_S > 1.0:
            at_s = min(at_s, change.raised_ns / NS_PER_S)  # a replay of what is open, after a restart
        return Notice(change.alarm_id, self.key(change), change.state == "cleared", at_s, at_s)

    def key(self, change: AlarmChange) -> Key:
        cause = CAUSES.get(type_of(change.alarm_type, alarm_types()).class_, Cause.LOCAL)
        resource, device = change.resource, change.device
        local = Key(Cause.LOCAL, change.alarm_id, device)
        if device not in self.network.devices:
            return local
        match cause:
            case Cause.SIGNAL | Cause.DEGRADED | Cause.CONGESTED:
                named = self._port_of(resource)
                port = self.network.ports.get(named)
                known = port is not None and (cause is Cause.SIGNAL or bool(port.links))
                return Key(cause, named, device) if known else local
            case Cause.ADJACENCY:
                return Key(cause, self._session(change), device)
            case Cause.PATH:
                return Key(cause, f"{device} {change.qualifier}", device)
            case Cause.POWER:
                return Key(cause, self.network.devices[device].site or device, device)
            case Cause.LOCAL:
                return local
            case _:
                return Key(cause, device, device)

    def _port_of(self, resource: str) -> str:
        """The port that a resource is or belongs to: what a transceiver measures is its port's."""
        entity = self.topology.entity_by_id.get(resource)
        if entity is None or entity.kind == "interface" or not entity.parent_entity_no:
            return resource
        parent = self.topology.entities.get(entity.device_no << 16 | entity.parent_entity_no)
        return parent.id if parent is not None and parent.kind == "interface" else resource

    def _session(self, change: AlarmChange) -> str:
        """The session both ends mean: by the link to a neighbour, by both devices over several hops, else as the alarm has it."""
        protocol, _, peer = change.qualifier.partition(" ")
        no = self.topology.addresses.get(peer.strip())
        links = self.network.ports[change.resource].links if change.resource in self.network.ports else []
        if not links and no is not None and no in self.topology.devices:
            neighbour = self.topology.devices[no].id
            links = [link for link in self.network.devices[change.device].links if self.network.links[link].far(change.device) == neighbour]
        for link in links:
            if (name := session_id(protocol.lower(), link)) in self.network.adjacencies:
                return name
        if no is not None and no in self.topology.devices and protocol.lower() in PROTOCOLS:
            a, b = sorted((change.device, self.topology.devices[no].id))
            name = f"{protocol.lower()} between {a} and {b}"
            self.network.add_session(name, a, b)
            self._lost[change.device, protocol.lower()] = name
            return name
        if peer.strip() in UNSPECIFIED:  # a daemon that gave the session up forgets whom it was with
            return self._lost.get((change.device, protocol.lower()), f"{change.device} {change.qualifier}")
        return f"{change.device} {change.qualifier}"
