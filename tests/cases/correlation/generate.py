"""Scenarios for correlation, drawn from parameters: `python generate.py DIR --seed 7 --devices 400 --missing 0.1 ...`.

Writes `topology.json`, `alarms.jsonl` and `truth.json` in the shape of the scoring contract, so that priors and
confidence are fitted on networks and faults that nobody recorded. The shape of the network, the mix of faults and
all delays follow the contract's words and what its practice scenarios show of them.
"""

import argparse
import json
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

Json = dict[str, Any]
PLAIN = {"link": 0.34, "node": 0.16, "card": 0.12, "site": 0.1, "duct": 0.08, "degrade": 0.12, "adjacency": 0.08}
SHARES = {
    "link": 0.26, "node": 0.12, "card": 0.09, "site": 0.07, "duct": 0.07, "degrade": 0.09,
    "adjacency": 0.06, "area": 0.04, "change": 0.07, "silent": 0.06, "congestion": 0.07,
}  # fmt: skip
EVENT_TYPES = {
    "unreachable": "communicationsAlarm critical", "lossOfSignal": "communicationsAlarm critical",
    "adjacencyDown": "communicationsAlarm major", "lspDown": "communicationsAlarm major",
    "protectionSwitched": "qualityOfServiceAlarm minor", "lspDegraded": "qualityOfServiceAlarm minor",
    "thresholdCrossed": "qualityOfServiceAlarm minor", "degradedSignal": "communicationsAlarm minor",
    "cardFailure": "equipmentAlarm critical", "coldStart": "equipmentAlarm warning", "fanFailure": "equipmentAlarm minor",
    "powerProblem": "environmentalAlarm critical", "batteryDischarging": "environmentalAlarm major",
    "temperatureUnacceptable": "environmentalAlarm minor", "configurationChanged": "processingErrorAlarm warning",
    "authenticationFailure": "processingErrorAlarm warning", "clientLossOfSignal": "communicationsAlarm major",
}  # fmt: skip
Failed = tuple[frozenset[str], frozenset[str]]  # links without signal, devices that forward nothing


@dataclass
class Parameters:
    seed: int = 1
    devices: int = 300
    core: int = 40
    faults: int = 30
    horizon_s: float = 14_400.0
    loss: float = 0.05
    noise: float = 1.5
    chatter: int = 2
    poll_s: float = 60.0
    hold_s: float = 30.0
    storms: float = 0.4
    flap: float = 0.15
    repair_s: float = 1_800.0
    bad_clocks: float = 0.01
    missing: float = 0.0
    wrong: float = 0.0
    pon: float = 0.0
    plain: bool = False  # only the kinds of fault of the first practice scenarios
    ducts: bool = True


def drawn(seed: int, *, incomplete: bool) -> Parameters:
    """Parameters drawn as hidden ones may be: any size, loss, noise, timers, storms and mix."""
    rng = random.Random(f"{seed} {incomplete}")
    devices = rng.choice((150, 250, 400, 600, 900, 1_500))
    return Parameters(
        seed=seed,
        devices=devices,
        core=25 if devices < 300 else 50 if devices < 800 else 100,
        faults=max(15, min(90, int(devices * rng.uniform(0.06, 0.13)))),
        loss=rng.choice((0.03, 0.05, 0.1)),
        noise=rng.choice((1.0, 1.5, 2.5, 4.0)),
        chatter=rng.choice((2, 3, 5)),
        poll_s=rng.choice((30.0, 60.0, 60.0, 120.0, 300.0)),
        hold_s=rng.choice((10.0, 30.0, 30.0, 40.0, 90.0)),
        storms=rng.choice((0.2, 0.3, 0.5, 0.6)),
        flap=rng.choice((0.1, 0.15, 0.25)),
        missing=rng.choice((0.05, 0.1, 0.2)) if incomplete else 0.0,
        wrong=rng.choice((0.0, 0.05, 0.1, 0.2)) if incomplete else 0.0,
        pon=rng.choice((0.0, 0.3)),
        plain=rng.random() < 0.25,
        ducts=rng.random() < 0.9,
    )


@dataclass
class World:
    """The true network."""

    site: dict[str, str] = field(default_factory=dict)
    area: dict[str, str] = field(default_factory=dict)
    role: dict[str, str] = field(default_factory=dict)
    card_of: dict[str, str] = field(default_factory=dict)  # port -> card
    links: dict[str, tuple[str, str]] = field(default_factory=dict)
    ports: dict[str, tuple[str, str]] = field(default_factory=dict)
    ducts: dict[str, list[str]] = field(default_factory=dict)
    lsps: dict[str, tuple[str, str, list[str], bool]] = field(default_factory=dict)
    at: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    walks: dict[Failed, frozenset[str]] = field(default_factory=dict)

    def passive(self, device: str) -> bool:
        return self.role[device] == "splitter"

    def wired(self, link: str) -> bool:
        return not any(self.passive(end) for end in self.links[link])

    def far(self, link: str, device: str) -> str:
        a, b = self.links[link]
        return b if a == device else a

    def reached(self, failed: Failed) -> frozenset[str]:
        if failed not in self.walks:
            self.walks[failed] = frozenset(self._walk(*failed))
        return self.walks[failed]

    def _walk(self, links: frozenset[str], devices: frozenset[str]) -> set[str]:
        seen, queue = {"dev0"} - devices, deque({"dev0"} - devices)
        while queue:
            here = queue.popleft()
            for link in self.at[here]:
                other = self.far(link, here)
                if link not in links and other not in seen and other not in devices:
                    seen.add(other)
                    queue.append(other)
        return seen


# --- the network ---------------------------------------------------------------------------------------


def build(p: Parameters, rng: random.Random) -> World:
    """A Gabriel graph of core routers, access rings and trees on it, ducts, paths, and perhaps passive trees."""
    world = World()
    spots = {f"dev{n}": (rng.random(), rng.random()) for n in range(p.core)}
    for name, (x, y) in spots.items():
        add_device(world, name, "core", f"site{name[3:]}", f"area{int(4 * x) + 4 * int(2 * y)}")
    for a, b in gabriel(spots):
        add_link(world, a, b, rng)
    names, n = list(spots), p.core
    while n < p.devices:
        size = min(rng.randint(3, 23), p.devices - n)
        add_group(world, n, size, rng.sample(names, 2 if rng.random() < 0.4 else 1), rng)
        n += size
    if p.ducts:
        add_ducts(world, names, rng)
    wired = list(world.role)
    for k in range(4 * p.core):
        head, tail = rng.choice(names), rng.choice(names if rng.random() < 0.6 else wired)
        if head != tail:
            world.lsps[f"lsp{k}"] = (head, tail, shortest(world, head, tail), rng.random() < 0.5)
    if p.pon:
        add_trees(world, n, int(p.devices * p.pon), [each for each in wired if world.role[each] == "access"], rng)
    return world


def gabriel(spots: dict[str, tuple[float, float]]) -> list[tuple[str, str]]:
    """Pairs of points whose circle holds no other point."""
    names, pairs = list(spots), []
    for k, a in enumerate(names):
        for b in names[k + 1 :]:
            (ax, ay), (bx, by) = spots[a], spots[b]
            x, y, r2 = (ax + bx) / 2, (ay + by) / 2, ((ax - bx) ** 2 + (ay - by) ** 2) / 4
            if all((cx - x) ** 2 + (cy - y) ** 2 >= r2 - 1e-12 for cx, cy in spots.values()):
                pairs.append((a, b))
    return pairs


def add_device(world: World, name: str, role: str, site: str, area: str) -> None:
    world.role[name], world.site[name] = role, site
    world.area.setdefault(site, area)


def add_link(world: World, a: str, b: str, rng: random.Random) -> None:
    link, ports = f"link{len(world.links)}", []
    world.links[link] = (a, b)
    for end in (a, b):
        if world.passive(end):
            ports.append("")
            continue
        card = f"{end}/card{rng.randrange(4)}"
        port = f"{card}/port{len(world.card_of)}"
        world.card_of[port] = card
        ports.append(port)
    world.ports[link] = (ports[0], ports[1])
    world.at[a].append(link)
    world.at[b].append(link)


def add_group(world: World, n: int, size: int, ends: list[str], rng: random.Random) -> None:
    """A ring over two core routers, or a tree that grows at random below one; its devices stand at a few sites of its own."""
    area, sites = world.area[world.site[ends[0]]], [f"site{n + k}" for k in range(ceil(size / 4))]
    made: list[str] = []
    for k in range(n, n + size):
        add_device(world, f"dev{k}", "access", rng.choice(sites), area)
        parent = ends[0] if not made else made[-1] if len(ends) == 2 else rng.choice(made[-6:])
        add_link(world, parent, f"dev{k}", rng)
        made.append(f"dev{k}")
    if len(ends) == 2:
        add_link(world, made[-1], ends[1], rng)


def add_ducts(world: World, cores: list[str], rng: random.Random) -> None:
    taken: set[str] = set()
    for k in range(max(3, len(cores) // 7)):
        joint = rng.choice(cores)
        members = [link for link in world.at[joint] if world.far(link, joint) in cores and link not in taken]
        if len(members) > 1:
            world.ducts[f"duct{k}"] = rng.sample(members, min(len(members), rng.choice((2, 2, 3))))
            taken.update(world.ducts[f"duct{k}"])


def add_trees(world: World, n: int, size: int, parents: list[str], rng: random.Random) -> None:
    while size > 0:
        parent, olt = rng.choice(parents), f"dev{n}"
        area = world.area[world.site[parent]]
        add_device(world, olt, "olt", f"site{n}", area)
        add_link(world, parent, olt, rng)
        n, size = n + 1, size - 1
        for _ in range(rng.randint(1, 3)):
            splitter = f"splitter{n}"
            add_device(world, splitter, "splitter", f"site{n}", area)
            add_link(world, olt, splitter, rng)
            for _ in range(rng.randint(6, 32)):
                n, size = n + 1, size - 1
                add_device(world, f"dev{n}", "ont", world.site[splitter], area)
                add_link(world, f"dev{n}", splitter, rng)
            n += 1


def shortest(world: World, a: str, b: str) -> list[str]:
    came: dict[str, list[str]] = {a: []}
    queue = deque([a])
    while queue:
        here = queue.popleft()
        for link in world.at[here]:
            other = world.far(link, here)
            if other not in came:
                came[other] = [*came[here], link]
                queue.append(other)
    return came[b]


# --- what happens in it --------------------------------------------------------------------------------


class Scenario:
    def __init__(self, p: Parameters) -> None:
        self.p, self.rng = p, random.Random(p.seed)
        self.world = build(p, self.rng)
        self.records: list[tuple[float, Json, int | None]] = []
        self.faults: list[Json] = []
        self.skew = {d: self.rng.gauss(0, 0.5) for d in self.world.role}
        for device in self.world.role:
            if self.rng.random() < p.bad_clocks:
                self.skew[device] = self.rng.uniform(-3600, 3600)
        self.down: list[tuple[float, float, frozenset[str], frozenset[str]]] = []
        self.told: list[tuple[int | None, float, float | None, str, str, str]] = []
        self.until: dict[str, float] = {}

    def run(self) -> None:
        at_s, gap, storms = 0.0, self.p.horizon_s / self.p.faults, self.p.storms
        shares = PLAIN if self.p.plain else SHARES
        for _ in range(self.p.faults):
            at_s += self.rng.uniform(0, 20) if self.rng.random() < storms else self.rng.expovariate((1 - storms) / gap)
            kind = self.rng.choices(list(shares), list(shares.values()))[0]
            getattr(self, f"fault_{kind}")(len(self.faults), at_s, at_s + self.lasting())
        self.noise()
        for each in self.told:
            self.send(*each)

    def lasting(self) -> float:
        return 700 + self.rng.expovariate(1 / self.p.repair_s)

    # --- telling ---

    def tell(self, fault: int | None, at_s: float, until_s: float | None, cause: str, resource: str, device: str) -> None:
        """A raise and its clear; sent when all faults are known, for those decide who is cut off by then."""
        self.told.append((fault, at_s, until_s, cause, resource, device))

    def send(self, fault: int | None, at_s: float, until_s: float | None, cause: str, resource: str, device: str) -> None:
        """Each notification is lost if its sender is cut off, lost at random, repeated, late."""
        rng = self.rng
        for state, when in (("raised", at_s), ("cleared", until_s)):
            polled = cause == "unreachable"
            if when is None or (not polled and (rng.random() < self.p.loss or device not in self.world.reached(self.failed(when)))):
                continue
            stamp = when if polled else when + self.skew[device]
            arrives = when + (rng.uniform(0, self.p.poll_s) + 3 if polled else rng.lognormvariate(-0.2, 0.5))
            arrives += rng.uniform(2, 20) if rng.random() < 0.02 else 0.0
            words = dict(zip(("eventType", "severity"), EVENT_TYPES[cause].split(), strict=True))
            record = {
                "raised": round(stamp, 3), "state": state, "resource": resource, "device": device, "probableCause": cause, **words,
            }  # fmt: skip
            self.records.append((arrives, record, fault))
            if rng.random() < 0.05:
                self.records.append((arrives + rng.uniform(1, 20), record, fault))

    def failed(self, at_s: float) -> Failed:
        live = [each for each in self.down if each[0] <= at_s < each[1]]
        none: frozenset[str] = frozenset()
        return none.union(*(each[2] for each in live)), none.union(*(each[3] for each in live))

    def outage(
        self,
        fault: int,
        at_s: float,
        until_s: float,
        links: Iterable[str],
        devices: Iterable[str],
        *,
        dark: bool = True,
        polled: bool = False,
    ) -> None:
        """What follows when links lose signal and devices die or, not `dark`, forward nothing; `polled` ones still answer."""
        world, rng, links, devices = self.world, self.rng, frozenset(links), frozenset(devices)
        before = world.reached(self.failed(at_s))
        self.down.append((at_s, until_s, links, devices))
        after = world.reached(self.failed(at_s))
        touched = links | {link for device in devices for link in world.at[device]}
        for link in sorted(touched):
            holds_s = rng.uniform(0.1, 1) * self.p.hold_s
            for device, port in zip(world.links[link], world.ports[link], strict=True):
                if not port or device in devices:
                    continue
                if dark:
                    self.tell(fault, at_s + rng.uniform(0, 0.3), until_s + rng.uniform(0, 0.3), "lossOfSignal", port, device)
                if world.wired(link):
                    self.tell(
                        fault, at_s + holds_s + rng.uniform(0, 2), until_s + rng.uniform(3, 30), "adjacencyDown", f"adj{link[4:]}", device
                    )
        self.paths(fault, at_s, until_s, touched)
        for device in sorted(before - after):
            if not world.passive(device) and not (polled and device in devices):
                self.tell(fault, at_s, until_s, "unreachable", device, device)

    def paths(self, fault: int, at_s: float, until_s: float | None, links: Iterable[str], *, slow: bool = False) -> None:
        failed = frozenset(links)
        for name, (head, _, path, protected) in self.world.lsps.items():
            if failed.isdisjoint(path):
                continue
            cause = "lspDegraded" if slow else "protectionSwitched" if protected else "lspDown"
            after = self.rng.uniform(10, 295) if slow else self.rng.uniform(0.5, 9)
            self.tell(fault, at_s + after, None if slow or until_s is None else until_s + self.rng.uniform(0.5, 5), cause, name, head)

    # --- faults ---

    def new(self, kind: str, root: str, at_s: float, accept: Sequence[str]) -> None:
        self.faults.append({"fault": len(self.faults), "kind": kind, "root": root, "t": at_s, "accept": sorted(set(accept)), "near": []})

    def pick(self, choices: Sequence[str], at_s: float, until_s: float) -> str:
        """One that does not fail already, if there is one."""
        free = [each for each in choices if self.until.get(each, 0.0) < at_s] or choices
        chosen = self.rng.choice(free)
        self.until[chosen] = until_s
        return chosen

    def cut_by(self, links: Iterable[str] = (), devices: Iterable[str] = ()) -> set[str]:
        return set(self.world.role) - self.world.reached((frozenset(links), frozenset(devices)))

    def visible(self, links: Iterable[str] = (), devices: Iterable[str] = ()) -> set[tuple[str, ...]]:
        """What can be heard of a failure, whatever is lost."""
        world, links, devices = self.world, set(links), set(devices)
        cut = self.cut_by(links, devices)
        signs: set[tuple[str, ...]] = {("unreachable", device) for device in cut if not world.passive(device)}
        for link in links.union(*(world.at[device] for device in devices)):
            signs |= {(cause, link, end) for end in world.links[link] for cause in ("los", "adj") if end not in cut}
            signs |= {("lsp", name) for name, (head, _, path, _) in world.lsps.items() if link in path and head not in cut}
        return signs

    def fault_link(self, n: int, at_s: float, until_s: float) -> None:
        world = self.world
        feeders = [link for link, ends in world.links.items() if sorted(world.role[end] for end in ends) == ["olt", "splitter"]]
        wired = [link for link in world.links if world.wired(link)]
        link = self.pick(feeders if feeders and self.rng.random() < 0.15 else wired, at_s, until_s)
        signs = self.visible({link})
        alike = [
            end for end in world.links[link] if end in self.cut_by({link}) and (world.passive(end) or self.visible((), {end}) == signs)
        ]
        self.new("link", link, at_s, [link, *(port for port in world.ports[link] if port), *alike])
        if self.rng.random() < self.p.flap:
            start_s = at_s
            for _ in range(self.rng.randint(1, 3)):
                end_s = start_s - self.rng.uniform(5, 40)
                start_s = end_s - self.rng.uniform(5, 40)
                self.outage(n, start_s, end_s, {link}, set())
        self.outage(n, at_s, until_s, {link}, set())

    def some_device(self, at_s: float, until_s: float) -> str:
        return self.pick([d for d, role in self.world.role.items() if role in ("core", "access") and d != "dev0"], at_s, until_s)

    def uplink(self, device: str) -> list[str]:
        """The link that nobody can tell from the device, if there is one."""
        signs = self.visible((), {device})
        return [link for link in self.world.at[device] if self.visible({link}) == signs]

    def fault_node(self, n: int, at_s: float, until_s: float) -> None:
        device = self.some_device(at_s, until_s)
        alone = sum(site == self.world.site[device] for site in self.world.site.values()) == 1
        uplink = self.uplink(device)
        self.new("node", device, at_s, [device, *uplink, *([self.world.site[device]] if alone and uplink else [])])
        self.outage(n, at_s, until_s, set(), {device})
        self.tell(n, until_s + 1, None, "coldStart", device, device)

    def fault_silent(self, n: int, at_s: float, until_s: float) -> None:
        device, polled = self.some_device(at_s, until_s), self.rng.random() < 0.5
        uplink = self.uplink(device) if len(self.world.at[device]) == 1 else []
        self.new("silent", device, at_s, [device, *uplink, *(f"adj{link[4:]}" for link in uplink)])
        self.outage(n, at_s, until_s, set(), {device}, dark=False, polled=polled)
        if not polled:
            self.tell(n, until_s + 1, None, "coldStart", device, device)

    def fault_card(self, n: int, at_s: float, until_s: float) -> None:
        world = self.world
        card = self.pick(sorted({c for c in world.card_of.values() if world.role[c.split("/")[0]] in ("core", "access")}), at_s, until_s)
        device = card.split("/")[0]
        links = {link for link in world.at[device] if card in [world.card_of.get(each) for each in world.ports[link]]}
        ways = list(links) if len(links) == 1 and device in self.cut_by(links) else []
        self.new("card", card, at_s, [card, *ways, *(port for link in ways for port in world.ports[link])])
        self.tell(n, at_s, None, "cardFailure", card, device)
        self.outage(n, at_s + 0.01, until_s, links, set())

    def power(self, n: int, at_s: float, sites: Sequence[str]) -> None:
        rng = self.rng
        for site in sites:
            devices = [device for device, where in self.world.site.items() if where == site and not self.world.passive(device)]
            start_s = at_s + (rng.uniform(0, 5) if len(sites) > 1 else 0.0)
            ends_s = at_s + rng.uniform(2, 600)
            for device in devices:
                if rng.random() < 0.8:
                    self.tell(n, start_s + rng.uniform(0, 5), None, "powerProblem", site, device)
                if rng.random() < 0.6:
                    self.tell(n, start_s + rng.uniform(5, 28), None, "batteryDischarging", device, device)
                dies_s = ends_s + rng.uniform(0, 12)
                back_s = dies_s + self.lasting()
                self.outage(n, dies_s, back_s, set(), {device})
                self.tell(n, back_s + 1, None, "coldStart", device, device)

    def fault_site(self, n: int, at_s: float, until_s: float) -> None:
        site = self.some_site()
        self.new("site", site, at_s, [site])
        self.power(n, at_s, [site])

    def some_site(self) -> str:
        """Where many devices stand, power fails as often as anywhere, but it is noticed more often."""
        return self.rng.choice([self.world.site[d] for d, role in self.world.role.items() if role in ("core", "access") and d != "dev0"])

    def fault_area(self, n: int, at_s: float, until_s: float) -> None:
        area = self.world.area[self.some_site()]
        sites = dict.fromkeys(site for _ in range(400) if self.world.area[site := self.some_site()] == area)
        if len(sites) < 3:
            return self.fault_site(n, at_s, until_s)
        self.new("area", area, at_s, [area])
        return self.power(n, at_s, list(sites)[: self.rng.randint(3, 6)])

    def fault_duct(self, n: int, at_s: float, until_s: float) -> None:
        if not self.world.ducts:
            return self.fault_link(n, at_s, until_s)
        duct = self.pick(list(self.world.ducts), at_s, until_s)
        self.new("duct", duct, at_s, [duct])
        for link in self.world.ducts[duct]:
            self.outage(n, at_s + self.rng.uniform(0, 1.2), until_s, {link}, set())
        return None

    def soft(self, n: int, at_s: float, kind: str, cause: str, last_s: float) -> None:
        link = self.pick([each for each in self.world.links if self.world.wired(each)], at_s, at_s + 2_000)
        self.new(kind, link, at_s, [link, *self.world.ports[link]])
        for device, port in zip(self.world.links[link], self.world.ports[link], strict=True):
            self.tell(n, at_s + self.rng.uniform(3, last_s), None, cause, port, device)
        self.paths(n, at_s, None, {link}, slow=True)

    def fault_degrade(self, n: int, at_s: float, until_s: float) -> None:
        self.soft(n, at_s, "degrade", "degradedSignal", 58)

    def fault_congestion(self, n: int, at_s: float, until_s: float) -> None:
        self.soft(n, at_s, "congestion", "thresholdCrossed", 90)

    def session(self, n: int, at_s: float, link: str) -> None:
        for device in self.world.links[link]:
            self.tell(n, at_s + self.rng.uniform(0, 5), None, "adjacencyDown", f"adj{link[4:]}", device)
        self.paths(n, at_s, None, {link})

    def fault_adjacency(self, n: int, at_s: float, until_s: float) -> None:
        link = self.pick([each for each in self.world.links if self.world.wired(each)], at_s, at_s + 2_000)
        self.new("adjacency", f"adj{link[4:]}", at_s, [f"adj{link[4:]}"])
        self.session(n, at_s, link)

    def fault_change(self, n: int, at_s: float, until_s: float) -> None:
        device = self.some_device(at_s, until_s)
        links = [link for link in self.world.at[device] if self.world.wired(link)]
        self.new("change", device, at_s, [device])
        self.tell(n, at_s, None, "configurationChanged", device, device)
        delay = self.rng.uniform(50, 180)
        for link in self.rng.sample(links, self.rng.randint(1, len(links))):
            self.session(n, at_s + delay + self.rng.uniform(0, 15), link)

    def noise(self) -> None:
        """Blips by the same causes as symptoms, local alarms, chattering ports."""
        rng, devices = self.rng, [device for device in self.world.role if not self.world.passive(device)]
        ports = list(self.world.card_of)
        at_s = 0.0
        while (at_s := at_s + rng.expovariate(self.p.noise / 60.0)) < self.p.horizon_s:
            device, port, until_s = rng.choice(devices), rng.choice(ports), at_s + rng.uniform(0, 600)
            cause = rng.choice(
                (
                    "fanFailure",
                    "temperatureUnacceptable",
                    "configurationChanged",
                    "authenticationFailure",
                    "thresholdCrossed",
                    "lossOfSignal",
                )
            )
            at_port = cause == "lossOfSignal" or (cause == "thresholdCrossed" and not self.p.plain and rng.random() < 0.5)
            resource, device = (port, port.split("/")[0]) if at_port else (device, device)
            self.tell(None, at_s, until_s, cause, resource, device)
            if rng.random() < 0.25:
                self.tell(None, at_s, at_s + rng.uniform(2, 400), "clientLossOfSignal", f"{device}/client{rng.randrange(48)}", device)
        for _ in range(self.p.chatter):
            device, at_s = rng.choice(devices), rng.uniform(0, self.p.horizon_s * 0.8)
            for _ in range(rng.randint(50, 250)):
                at_s += rng.expovariate(1 / 10)
                self.tell(None, at_s, at_s + rng.uniform(1, 4), "clientLossOfSignal", f"{device}/client7", device)

    # --- writing ---

    def topology(self) -> tuple[Json, set[str]]:
        world, rng = self.world, self.rng
        loose = [link for link, ends in world.links.items() if "dev0" not in ends]
        missing = set(rng.sample(loose, int(self.p.missing * len(loose))))
        left = [link for link in loose if link not in missing and world.wired(link)]
        wrong = sorted(rng.sample(left, int(self.p.wrong * len(left))), key=lambda link: int(link[4:]))
        second = dict(zip(wrong, wrong[1:] + wrong[:1], strict=True))
        out: list[Json] = [{"id": area, "kind": "area"} for area in sorted(set(world.area.values())) if not self.p.plain]
        out += [{"id": site, "kind": "site", **({} if self.p.plain else {"area": area})} for site, area in world.area.items()]
        for device, role in world.role.items():
            kind = {"kind": "splitter"} if role == "splitter" else {"kind": "device", "role": role}
            out.append({"id": device, "site": world.site[device], **kind})
        out += [{"id": card, "kind": "card", "device": card.split("/")[0]} for card in sorted(set(world.card_of.values()))]
        out += [{"id": port, "kind": "port", "card": card, "device": card.split("/")[0]} for port, card in world.card_of.items()]
        out += [{"id": duct, "kind": "duct"} for duct in world.ducts]
        in_duct = {link: duct for duct, links in world.ducts.items() for link in links}
        for link in world.links:
            if link not in missing:
                out += self.described(link, second.get(link), in_duct.get(link))
        for name, (head, tail, path, protected) in world.lsps.items():
            known = [link for link in path if link not in missing]
            out.append({"id": name, "kind": "lsp", "head": head, "tail": tail, "path": known, "protected": protected})
        return {"name": f"generated-{self.p.seed}", "nms": "dev0", "resources": out}, missing

    def described(self, link: str, other: str | None, duct: str | None) -> list[Json]:
        """A link as the inventory has it; its second end is that of `other` where it is wrong."""
        world = self.world
        (a, b), (port_a, port_b) = world.links[link], world.ports[link]
        if other is not None:
            b, port_b = world.links[other][1], world.ports[other][1]
        if port_a == "":
            a, b, port_a, port_b = b, a, port_b, port_a
        out: list[Json] = [{"id": link, "kind": "link", "devices": [a, b], "ports": [each for each in (port_a, port_b) if each]}]
        if duct is not None:
            out[0]["duct"] = duct
        return [*out, {"id": f"adj{link[4:]}", "kind": "adjacency", "link": link}] if world.wired(link) else out

    def write(self, where: Path) -> None:
        where.mkdir(parents=True, exist_ok=True)
        topology, missing = self.topology()
        (where / "topology.json").write_text(json.dumps(topology))
        self.records.sort(key=lambda each: (each[0], each[1]["resource"], each[1]["probableCause"]))
        owner, lines = {}, []
        for k, (at_s, record, fault) in enumerate(self.records):
            if at_s > 0:
                lines.append(json.dumps({"id": f"a{k}", "t": round(at_s, 3), **record}))
                if record["state"] == "raised":
                    owner[f"a{k}"] = fault
        (where / "alarms.jsonl").write_text("\n".join(lines) + "\n")
        seen = set(owner.values())
        for each in self.faults:
            link = next((link for link in missing if each["root"] in (link, f"adj{link[4:]}")), None)
            if link is not None:
                each["accept"] = [*each["accept"], *self.world.links[link], *(port for port in self.world.ports[link] if port)]
                each["missing"] = link
        visible = [each for each in self.faults if each["fault"] in seen]
        truth = {"faults": visible, "owner": owner, "invisible": len(self.faults) - len(visible), "params": asdict(self.p)}
        (where / "truth.json").write_text(json.dumps(truth))


def generate(where: Path, parameters: Parameters) -> None:
    """Write one scenario; the same parameters give the same files."""
    scenario = Scenario(parameters)
    scenario.run()
    scenario.write(where)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    for name, value in asdict(Parameters()).items():
        kind = (lambda text: text == "true") if isinstance(value, bool) else type(value)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value)
    given = vars(parser.parse_args())
    generate(given.pop("directory"), Parameters(**given))


if __name__ == "__main__":
    main()
