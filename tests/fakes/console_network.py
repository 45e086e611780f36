"""A network in memory with the JSON shapes of the API, for the console's tests: three regions, rings of sites, traffic, alarms, money."""

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from station.ids import derived_id
from station.web import iso

REGIONS = {
    "North": ["Hamburg-01", "Bremen-02", "Kiel-03"],
    "East": ["Berlin-03", "Leipzig-04", "Dresden-05"],
    "West": ["Köln-05", "Frankfurt-07", "Mainz-08"],
}
PLACES = {
    "Hamburg-01": (0, -260),
    "Bremen-02": (-150, -200),
    "Kiel-03": (20, -370),
    "Berlin-03": (330, -150),
    "Leipzig-04": (270, 20),
    "Dresden-05": (390, 60),
    "Köln-05": (-300, 60),
    "Frankfurt-07": (-130, 160),
    "Mainz-08": (-220, 230),
}
RING = ["Hamburg-01", "Berlin-03", "Dresden-05", "Leipzig-04", "Frankfurt-07", "Mainz-08", "Köln-05", "Bremen-02", "Hamburg-01"]
SHORT = {
    "Hamburg": "ham",
    "Bremen": "bre",
    "Kiel": "kie",
    "Berlin": "ber",
    "Leipzig": "lei",
    "Dresden": "dre",
    "Köln": "cgn",
    "Frankfurt": "fra",
    "Mainz": "mai",
}
MINUTE_NS = 60_000_000_000


def uid(*parts: str | int) -> str:
    """A stable id in the shape of a UUID."""
    digest = derived_id(*parts)
    return f"{digest[:8]}-{digest[8:12]}-7{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def entity_of(node: str, name: str) -> str:
    return uid("entity", node, name)


@dataclass
class Network:
    """`alarms` by id, newest facts win; `topology` is what GET /topology answers."""

    now_ns: int
    sites: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: list[dict[str, Any]] = field(default_factory=list)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    version: int = 1

    @property
    def topology(self) -> dict[str, Any]:
        return {"version": self.version, "sites": self.sites, "nodes": self.nodes, "links": self.links, "missing": [self.missing]}

    @property
    def missing(self) -> dict[str, Any]:
        here = uid("node", "kie-acc-01")
        names = {"node": here, "interface": "xe-0/0/7", "neighbour": "unknown-sw-9", "remote_port": "Gi0/1"}
        return names | {"why": "no device of this name", "text": f"{self.name_of(here)} - unknown-sw-9"}

    def name_of(self, node_id: str) -> str:
        return next(str(node["name"]) for node in self.nodes if node["id"] == node_id)

    def link_between(self, a: str, b: str) -> dict[str, Any]:
        return next(link for link in self.links if {link["a"], link["b"]} == {uid("node", a), uid("node", b)})

    def node(self, name: str) -> dict[str, Any]:
        return next(node for node in self.nodes if node["name"] == name)

    def at(self, minutes_ago: float) -> str:
        return iso(self.now_ns - int(minutes_ago * MINUTE_NS)) or ""


def build(now_ns: int) -> Network:
    """The network with one fibre cut, a failed power feed and some smaller trouble."""
    network = Network(now_ns)
    for region, names in REGIONS.items():
        for name in names:
            _add_site(network, region, name)
    for a, b in pairwise(RING):
        _link(network, f"{_short(a)}-core-01", f"{_short(b)}-core-01", 100_000_000_000)
    _link(network, "kie-core-01", "ham-core-01", 100_000_000_000)
    _add_trouble(network)
    return network


def _short(site: str) -> str:
    return SHORT[site.split("-", maxsplit=1)[0]]


def _add_site(network: Network, region: str, name: str) -> None:
    x, y = PLACES[name]
    site_id = uid("site", name)
    network.sites.append({"id": site_id, "name": name, "region": region, "x": x, "y": y})
    members = [("core", 1)] + [("agg", n) for n in (1, 2)] + [("acc", n) for n in range(1, 5)]
    for i, (role, n) in enumerate(members):
        angle, far = i * 2.4, 0 if role == "core" else 26 if role == "agg" else 48
        node = f"{_short(name)}-{role}-{n:02}"
        network.nodes.append(
            {
                "id": uid("node", node),
                "name": node,
                "site_id": site_id,
                "role": {"core": "core", "agg": "aggregation", "acc": "access"}[role],
                "status": "up",
                "severity": None,
                "x": x + far * math.cos(angle),
                "y": y + far * math.sin(angle),
            }
        )
    for n in (1, 2):
        _link(network, f"{_short(name)}-core-01", f"{_short(name)}-agg-{n:02}", 10_000_000_000)
        for k in (2 * n - 1, 2 * n):
            _link(network, f"{_short(name)}-agg-{n:02}", f"{_short(name)}-acc-{k:02}", 1_000_000_000)


def _link(network: Network, a: str, b: str, speed_bps: int) -> None:
    n = sum(1 for link in network.links if {uid("node", a), uid("node", b)} & {link["a"], link["b"]})
    port = f"xe-0/0/{n}"
    network.links.append(
        {
            "id": uid("link", a, b),
            "a": uid("node", a),
            "b": uid("node", b),
            "a_interface": entity_of(a, port),
            "b_interface": entity_of(b, port),
            "a_name": port,
            "b_name": port,
            "up": True,
            "speed_bps": speed_bps,
            "confidence": 1.0,
            "sources": ["lldp:a", "lldp:b"],
            "duct": "",
            "severity": None,
            "utilisation": 8.6,
        }
    )


def raise_alarm(network: Network, node: str, obj: str, text: str, severity: str, minutes_ago: float, **more: Any) -> dict[str, Any]:
    """Put one alarm on an object of a node."""
    here = network.node(node)
    site = next(site for site in network.sites if site["id"] == here["site_id"])
    at = network.at(minutes_ago)
    alarm = {
        "id": uid("alarm", node, obj, text),
        "resource_id": entity_of(node, obj) if obj else here["id"],
        "resource_kind": "interface" if obj.startswith("xe") else "device",
        "device_id": here["id"],
        "device": node,
        "object": obj,
        "site": site["name"],
        "region": site["region"],
        "alarm_type": "communications.loss_of_signal",
        "qualifier": "",
        "event_type": "communicationsAlarm",
        "probable_cause": "lossOfSignal",
        "perceived_severity": severity,
        "trend": "noChange",
        "is_cleared": False,
        "created_at": at,
        "raised_at": at,
        "changed_at": at,
        "cleared_at": None,
        "text": text,
        "proposed_repair": "Check the fibre between the two ports.",
        "source": "snmp_trap linkDown",
        "authenticated": True,
        "additional_information": {},
        "count": 1,
        "occurrence": 1,
        "chattering": False,
        "ack_state": "unacknowledged",
        "ack_user": "",
        "acked_at": None,
        "shelved": None,
        "suppressed": False,
        "incident_id": None,
        "is_root": False,
        "root_alarm_id": None,
        "children": 0,
        "impact": {"services": 0, "customers": 0},
        **more,
    }
    network.alarms[alarm["id"]] = alarm
    return alarm


def _add_trouble(network: Network) -> None:
    cut = network.link_between("ham-core-01", "ber-core-01")
    cut["up"] = False
    root = raise_alarm(
        network,
        "ham-core-01",
        cut["a_name"],
        "Loss of signal",
        "critical",
        4,
        is_root=True,
        count=3,
        impact={"services": 37, "customers": 9},
    )
    children = [
        raise_alarm(network, "ber-core-01", cut["b_name"], "Link down", "major", 4, impact={"services": 2, "customers": 1}),
        raise_alarm(network, "ber-core-01", "bgp 10.0.0.1", "BGP peer down", "major", 3.9),
        raise_alarm(network, "ham-core-01", "ospf 10.0.0.2", "OSPF neighbour lost", "minor", 3.9),
        raise_alarm(network, "ber-agg-01", "bfd 10.0.1.7", "BFD session down", "warning", 3.8),
    ]
    for child in children:
        child.update(suppressed=True, root_alarm_id=root["id"], incident_id="cut")
    root.update(children=len(children), incident_id="cut")
    network.incidents["cut"] = _incident(network, root, children, cut)
    feed = raise_alarm(
        network,
        "fra-agg-01",
        "psu 1",
        "Power feed B failed",
        "major",
        52,
        impact={"services": 8, "customers": 3},
        ack_state="acknowledged",
        ack_user="m.ali",
    )
    feed.update(incident_id="feed", is_root=True)
    network.incidents["feed"] = _lone(network, feed)
    _add_noise(network)


def _incident(network: Network, root: dict[str, Any], children: list[dict[str, Any]], cut: dict[str, Any]) -> dict[str, Any]:
    services = [
        {"id": uid("service", n), "name": f"L3VPN site {n:02}", "customer": ["ACME Logistics", "Nordwind AG", "Stadtwerke Köln"][n % 3]}
        for n in range(7)
    ]
    return {
        "id": "cut",
        "state": "open",
        "kind": "link",
        "root": {"id": cut["id"], "kind": "link", "name": "ham-core-01 xe-0/0/2 – ber-core-01 xe-0/0/2"},
        "perceived_severity": "critical",
        "verdict": "down",
        "confidence": 0.94,
        "alternatives": [{"id": uid("a"), "kind": "card", "name": "ham-core-01 line card 0", "odds": 0.05}],
        "explanation": {
            "summary": "The link between Hamburg and Berlin is down; traffic goes by Bremen and Köln.",
            "evidence": [
                "ham-core-01 xe-0/0/2 reports loss of signal",
                "ber-core-01 xe-0/0/2 went down 0.8 s later",
                "OSPF and BGP over this link were lost at both ends",
            ],
            "missing": ["no optical power alarm from ber-core-01"],
            "unknown": ["no alarm came from the regenerator between them: it is not in the inventory"],
        },
        "missing_link": None,
        "alarm_ids": [root["id"], *(child["id"] for child in children)],
        "root_alarm_ids": [root["id"]],
        "alarms": 1 + len(children),
        "opened_at": root["raised_at"],
        "changed_at": root["raised_at"],
        "closed_at": None,
        "noise": False,
        "services": services,
        "customers": [
            {"id": uid("customer", n), "name": name} for n, name in enumerate(("ACME Logistics", "Nordwind AG", "Stadtwerke Köln"))
        ],
    }


def _lone(network: Network, alarm: dict[str, Any]) -> dict[str, Any]:
    return {
        **network.incidents["cut"],
        "id": alarm["incident_id"],
        "kind": "card",
        "root": {"id": alarm["resource_id"], "kind": "card", "name": f"{alarm['device']} {alarm['object']}"},
        "perceived_severity": alarm["perceived_severity"],
        "verdict": "degraded",
        "confidence": 0.71,
        "alternatives": [],
        "explanation": {
            "summary": f"{alarm['text']} on {alarm['device']}.",
            "evidence": ["entity sensor reports 0 V"],
            "missing": [],
            "unknown": [],
        },
        "alarm_ids": [alarm["id"]],
        "root_alarm_ids": [alarm["id"]],
        "alarms": 1,
        "opened_at": alarm["raised_at"],
        "services": [],
        "customers": [],
    }


def _add_noise(network: Network) -> None:
    """Everyday alarms, the same ones each time."""
    chance = random.Random(7)
    texts = [
        ("Optical receive power low", "minor"),
        ("CPU utilisation high", "warning"),
        ("Fan tray degraded", "minor"),
        ("Storage nearly full", "warning"),
        ("GNSS sync lost", "indeterminate"),
    ]
    for n in range(41):
        node = chance.choice(network.nodes)["name"]
        text, severity = texts[n % len(texts)]
        obj = f"xe-0/1/{n}" if n % 5 == 0 else ["re0", "fan 2", "disk 0", "gnss"][n % 4]
        alarm = raise_alarm(network, node, obj, text, severity, 10 + n * 7, count=chance.randint(1, 40))
        if n % 4 == 1:
            alarm.update(ack_state="acknowledged", ack_user=chance.choice(["k.ito", "j.roe", "m.ali"]))
        if n in (6, 17):
            alarm["shelved"] = {"reason": "known optics batch", "owner": "k.ito", "until": iso(network.now_ns + 3600 * 10**9)}
        if n == 9:
            alarm.update(is_cleared=True, cleared_at=network.at(3))
