"""Scenarios for correlation, drawn from parameters: `python generate.py DIR --seed 7 --devices 400 --missing 0.1 ...`.

Writes `topology.json`, `alarms.jsonl` and `truth.json` in the shape of the scoring contract, so that priors and
confidence are fitted on networks and faults that nobody recorded. Written from the contract's words alone.
"""

import argparse
import json
import random
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
SHARES = {
    "link": 0.27, "node": 0.13, "card": 0.1, "site": 0.08, "duct": 0.07, "degrade": 0.09,
    "adjacency": 0.06, "area": 0.03, "change": 0.06, "silent": 0.06, "congestion": 0.06,
}  # fmt: skip


@dataclass
class Parameters:
    seed: int = 1
    devices: int = 300
    faults: int = 40
    horizon_s: float = 14_400.0
    loss: float = 0.05
    noise: float = 2.0
    poll_s: float = 60.0
    hold_s: float = 30.0
    storms: float = 0.4
    flap: float = 0.15
    missing: float = 0.0
    wrong: float = 0.0
    pon: bool = False


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

    def passive(self, device: str) -> bool:
        return self.role[device] == "splitter"

    def far(self, link: str, device: str) -> str:
        a, b = self.links[link]
        return b if a == device else a

    def reached(self, links: set[str], devices: set[str]) -> set[str]:
        if "dev0" in devices:
            return set()
        seen, queue = {"dev0"}, deque(["dev0"])
        while queue:
            here = queue.popleft()
            for link in self.at[here]:
                other = self.far(link, here)
                if link not in links and other not in seen and other not in devices:
                    seen.add(other)
                    queue.append(other)
        return seen


def build(p: Parameters, rng: random.Random) -> World:
    """A core mesh in two dimensions, aggregation rings on it, access chains and trees on these, perhaps passive trees."""
    world, core = World(), max(8, p.devices // 12)
    spots = {f"dev{n}": (rng.random(), rng.random()) for n in range(core)}
    for name in spots:
        add_device(world, name, "core", f"site{name[3:]}", f"area{int(spots[name][0] * 3)}")
    names = list(spots)
    for n, name in enumerate(names[1:], 1):
        near = sorted(names[:n], key=lambda o: (spots[o][0] - spots[name][0]) ** 2 + (spots[o][1] - spots[name][1]) ** 2)
        for other in near[: rng.choice((2, 2, 3))]:
            add_link(world, name, other, rng)
    n = core
    while n < p.devices:
        ends, size = rng.sample(names, 2), min(rng.randint(2, 9), p.devices - n)
        n = add_chain(world, n, size, ends if rng.random() < 0.5 else ends[:1], rng)
    if p.pon:
        add_trees(world, n, p.devices // 4, names, rng)
    cores = [link for link, ends in world.links.items() if all(world.role[end] == "core" for end in ends)]
    for k in range(max(2, core // 8)):
        joint = rng.choice(names)
        members = [link for link in world.at[joint] if link in cores and not any(link in d for d in world.ducts.values())][:3]
        if len(members) > 1:
            world.ducts[f"duct{k}"] = members
    for k in range(p.devices // 3):
        head, tail = rng.sample(names, 2)
        world.lsps[f"lsp{k}"] = (head, tail, shortest(world, head, tail), rng.random() < 0.5)
    return world


def add_device(world: World, name: str, role: str, site: str, area: str) -> None:
    world.role[name], world.site[name] = role, site
    world.area.setdefault(site, area)


def add_link(world: World, a: str, b: str, rng: random.Random) -> None:
    link = f"link{len(world.links)}"
    world.links[link] = (a, b)
    ports = []
    for k, end in enumerate((a, b)):
        if world.passive(end):
            ports.append("")
            continue
        card = f"{end}/card{rng.randrange(4)}"
        port = f"{card}/port{rng.randrange(10**9)}.{k}"
        world.card_of[port] = card
        ports.append(port)
    world.ports[link] = (ports[0], ports[1])
    world.at[a].append(link)
    world.at[b].append(link)


def add_chain(world: World, n: int, size: int, ends: list[str], rng: random.Random) -> int:
    """A ring over two core routers, or a branch that grows at random."""
    area, site = world.area[world.site[ends[0]]], f"site{n}"
    made: list[str] = [ends[0]]
    for k in range(n, n + size):
        name = f"dev{k}"
        if rng.random() < 0.6:
            site = f"site{k}"
        add_device(world, name, "access", site, area)
        add_link(world, made[-1] if len(ends) == 2 else rng.choice(made[-3:]), name, rng)
        made.append(name)
    if len(ends) == 2:
        add_link(world, made[-1], ends[1], rng)
    return n + size


def add_trees(world: World, n: int, size: int, cores: list[str], rng: random.Random) -> None:
    while size > 0:
        core = rng.choice(cores)
        area, olt = world.area[world.site[core]], f"dev{n}"
        add_device(world, olt, "olt", f"site{n}", area)
        add_link(world, core, olt, rng)
        n, size = n + 1, size - 1
        for _ in range(rng.randint(1, 3)):
            splitter = f"splitter{n}"
            add_device(world, splitter, "splitter", f"site{n}", area)
            add_link(world, olt, splitter, rng)
            for _ in range(rng.randint(6, 20)):
                n, size = n + 1, size - 1
                add_device(world, f"dev{n}", "ont", f"site{splitter}", area)
                add_link(world, f"dev{n}", splitter, rng)
            n += 1


def shortest(world: World, a: str, b: str) -> list[str]:
    came: dict[str, list[str]] = {a: []}
    queue = deque([a])
    while queue:
        here = queue.popleft()
        for link in world.at[here]:
            other = world.far(link, here)
            if other not in came and world.role[other] == "core":
                came[other] = [*came[here], link]
                queue.append(other)
    return came.get(b, [])


class Scenario:
    def __init__(self, p: Parameters) -> None:
        self.p, self.rng = p, random.Random(p.seed)
        self.world = build(p, self.rng)
        self.records: list[tuple[float, Json, int | None]] = []
        self.faults: list[Json] = []
        self.skew = {d: self.rng.gauss(0, 0.5) if self.rng.random() > 0.01 else self.rng.uniform(-3000, 3000) for d in self.world.role}
        self.down: list[tuple[float, float, set[str], set[str]]] = []
        self.busy: dict[str, float] = {}

    # --- telling ---

    def tell(self, fault: int | None, at_s: float, until_s: float | None, cause: str, resource: str, device: str) -> None:
        """A raise and its clear: lost if the sender is cut off, lost at random, repeated, late."""
        for state, when in (("raised", at_s), ("cleared", until_s)):
            polled = cause == "unreachable"
            if when is None or (fault is not None and not polled and self.is_cut_off(device, when)):
                continue
            if not polled and self.rng.random() < self.p.loss:
                continue
            stamp = when if polled else when + self.skew[device]
            arrives = when + (self.rng.uniform(0, self.p.poll_s) if polled else self.rng.uniform(0.1, 2.0))
            record = {"raised": round(stamp, 3), "state": state, "resource": resource, "device": device, "probableCause": cause}
            self.records.append((arrives, record, fault))
            if state == "raised" and self.rng.random() < 0.05:
                self.records.append((arrives + self.rng.uniform(1, 25), record, fault))

    def is_cut_off(self, device: str, at_s: float) -> bool:
        links: set[str] = set()
        devices: set[str] = set()
        for start_s, end_s, more_links, more_devices in self.down:
            if start_s <= at_s < end_s:
                links |= more_links
                devices |= more_devices
        return bool(links or devices) and device not in self.world.reached(links, devices)

    def outage(self, fault: int, at_s: float, until_s: float, links: set[str], devices: set[str], *, dark: bool = True) -> None:
        """Everything that follows when links lose signal and devices die (or forward nothing)."""
        world, rng = self.world, self.rng
        before = world.reached(*self.failed(at_s))
        self.down.append((at_s, until_s, links, devices))
        after = world.reached(*self.failed(at_s))
        touched = links | {link for device in devices for link in world.at[device]}
        for link in sorted(touched):
            for device, port in zip(world.links[link], world.ports[link], strict=True):
                if not port or device in devices:
                    continue
                if dark:
                    self.tell(fault, at_s + rng.uniform(0, 0.8), until_s, "lossOfSignal", port, device)
                if not any(world.passive(end) for end in world.links[link]):
                    self.tell(fault, at_s + rng.uniform(0.1, 1) * self.p.hold_s, until_s + 10, "adjacencyDown", f"adj{link[4:]}", device)
        self.paths(fault, at_s, until_s, touched)
        for device in sorted(before - after):
            if not world.passive(device):
                self.tell(fault, at_s, until_s, "unreachable", device, device)

    def failed(self, at_s: float) -> tuple[set[str], set[str]]:
        live = [each for each in self.down if each[0] <= at_s < each[1]]
        return set().union(*(each[2] for each in live)), set().union(*(each[3] for each in live))

    def paths(self, fault: int, at_s: float, until_s: float | None, links: set[str], *, slow: bool = False) -> None:
        for name, (head, _, path, protected) in self.world.lsps.items():
            if links.isdisjoint(path) or (slow and self.rng.random() < 0.5):
                continue
            cause = "lspDegraded" if slow else "protectionSwitched" if protected else "lspDown"
            after = self.rng.uniform(10, 290) if slow else self.rng.uniform(1, 9)
            self.tell(fault, at_s + after, None if slow else until_s, cause, name, head)

    # --- faults ---

    def run(self) -> None:
        at_s = 0.0
        for _ in range(self.p.faults):
            gap = self.p.horizon_s / self.p.faults
            at_s += (
                self.rng.uniform(0.5, 15) if self.rng.random() < self.p.storms else self.rng.expovariate(1 / (gap / (1 - self.p.storms)))
            )
            kind = self.rng.choices(list(SHARES), list(SHARES.values()))[0]
            getattr(self, f"fault_{kind}")(len(self.faults), at_s, at_s + self.rng.uniform(600, 4000))
        self.noise()

    def new(self, kind: str, root: str, at_s: float, accept: list[str]) -> None:
        self.faults.append({"fault": len(self.faults), "kind": kind, "root": root, "t": at_s, "accept": accept, "near": []})

    def pick(self, choices: list[str]) -> str:
        free = [each for each in choices if each not in self.busy] or choices
        chosen = self.rng.choice(free)
        self.busy[chosen] = 1.0
        return chosen

    def leaf(self, device: str) -> bool:
        return len(self.world.at[device]) == 1

    def link_accept(self, link: str) -> list[str]:
        ends = [end for end in self.world.links[link] if self.leaf(end) or self.world.passive(end)]
        behind = [end for end in self.world.links[link] if end not in self.world.reached({link}, set())]
        return [link, *(port for port in self.world.ports[link] if port), *ends, *behind]

    def fault_link(self, n: int, at_s: float, until_s: float) -> None:
        link = self.pick(list(self.world.links))
        self.new("link", link, at_s, self.link_accept(link))
        when = at_s - self.rng.uniform(60, 160) if self.rng.random() < self.p.flap else at_s
        while when < at_s - 20:
            self.outage(n, max(1.0, when), when + self.rng.uniform(5, 15), {link}, set())
            when += self.rng.uniform(25, 50)
        self.outage(n, at_s, until_s, {link}, set())

    def some_device(self) -> str:
        return self.pick([device for device, role in self.world.role.items() if role in ("core", "access") and device != "dev0"])

    def fault_node(self, n: int, at_s: float, until_s: float) -> None:
        device = self.some_device()
        self.new("node", device, at_s, [device, *(self.world.at[device] if self.leaf(device) else [])])
        self.outage(n, at_s, until_s, set(), {device})
        self.tell(n, until_s + 3, None, "coldStart", device, device)

    def fault_silent(self, n: int, at_s: float, until_s: float) -> None:
        device = self.some_device()
        adjacencies = [f"adj{link[4:]}" for link in self.world.at[device]]
        self.new("silent", device, at_s, [device, *([*adjacencies, *self.world.at[device]] if self.leaf(device) else [])])
        self.outage(n, at_s, until_s, set(), {device}, dark=False)

    def fault_card(self, n: int, at_s: float, until_s: float) -> None:
        port = self.rng.choice([port for port in self.world.card_of if self.world.role[port.split("/")[0]] in ("core", "access")])
        card = self.world.card_of[port]
        device = card.split("/")[0]
        links = {link for link in self.world.at[device] if card in [self.world.card_of.get(each) for each in self.world.ports[link]]}
        self.new("card", card, at_s, [card])
        self.tell(n, at_s + 0.3, None, "cardFailure", card, device)
        self.outage(n, at_s, until_s, links, set())

    def power(self, n: int, at_s: float, until_s: float, sites: list[str]) -> None:
        for site in sites:
            devices = [device for device, where in self.world.site.items() if where == site and not self.world.passive(device)]
            for device in devices:
                if self.rng.random() < 0.8:
                    self.tell(n, at_s + self.rng.uniform(0.3, 8), None, "powerProblem", site, device)
                if self.rng.random() < 0.65:
                    self.tell(n, at_s + self.rng.uniform(5, 30), None, "batteryDischarging", device, device)
            ends_s = at_s + self.rng.uniform(20, 600)
            for device in devices:
                back_s = until_s + 600 + self.rng.uniform(0, 900)
                self.outage(n, ends_s + self.rng.uniform(0, 8), back_s, set(), {device})
                self.tell(n, back_s + 3, None, "coldStart", device, device)

    def fault_site(self, n: int, at_s: float, until_s: float) -> None:
        site = self.world.site[self.some_device()]
        if site == "site0":
            return self.fault_link(n, at_s, until_s)
        self.new("site", site, at_s, [site])
        return self.power(n, at_s, until_s, [site])

    def fault_area(self, n: int, at_s: float, until_s: float) -> None:
        area = self.rng.choice(sorted(set(self.world.area.values())))
        sites = [site for site, where in self.world.area.items() if where == area and site != "site0" and "splitter" not in site]
        self.new("area", area, at_s, [area])
        self.power(n, at_s, until_s, self.rng.sample(sites, min(len(sites), self.rng.randint(3, 6))))

    def fault_duct(self, n: int, at_s: float, until_s: float) -> None:
        if not self.world.ducts:
            return self.fault_link(n, at_s, until_s)
        duct = self.rng.choice(list(self.world.ducts))
        self.new("duct", duct, at_s, [duct])
        for link in self.world.ducts[duct]:
            self.outage(n, at_s + self.rng.uniform(0, 0.8), until_s, {link}, set())
        return None

    def wired(self) -> str:
        return self.pick([link for link, ends in self.world.links.items() if not any(self.world.passive(end) for end in ends)])

    def soft(self, n: int, at_s: float, kind: str, cause: str, last_s: float) -> None:
        link = self.wired()
        self.new(kind, link, at_s, [link, *self.world.ports[link]])
        for device, port in zip(self.world.links[link], self.world.ports[link], strict=True):
            self.tell(n, at_s + self.rng.uniform(3, last_s), None, cause, port, device)
        self.paths(n, at_s, None, {link}, slow=True)

    def fault_degrade(self, n: int, at_s: float, until_s: float) -> None:
        self.soft(n, at_s, "degrade", "degradedSignal", 60)

    def fault_congestion(self, n: int, at_s: float, until_s: float) -> None:
        self.soft(n, at_s, "congestion", "thresholdCrossed", 90)

    def session(self, n: int, at_s: float, link: str) -> None:
        for device in self.world.links[link]:
            self.tell(n, at_s + self.rng.uniform(0, 5), None, "adjacencyDown", f"adj{link[4:]}", device)
        self.paths(n, at_s, None, {link})

    def fault_adjacency(self, n: int, at_s: float, until_s: float) -> None:
        link = self.wired()
        self.new("adjacency", f"adj{link[4:]}", at_s, [f"adj{link[4:]}"])
        self.session(n, at_s, link)

    def fault_change(self, n: int, at_s: float, until_s: float) -> None:
        device = self.some_device()
        links = [link for link in self.world.at[device] if not any(self.world.passive(end) for end in self.world.links[link])]
        self.new("change", device, at_s, [device])
        self.tell(n, at_s + 0.3, None, "configurationChanged", device, device)
        delay = self.rng.uniform(55, 190)
        for link in self.rng.sample(links, self.rng.randint(1, len(links))):
            self.session(n, at_s + delay + self.rng.uniform(0, 15), link)

    def noise(self) -> None:
        """Blips by the same causes as symptoms, local alarms, chattering ports."""
        rng, devices = self.rng, [device for device in self.world.role if not self.world.passive(device)]
        ports = [port for pair in self.world.ports.values() for port in pair if port]
        for _ in range(int(self.p.noise * 100)):
            at_s, device, port = rng.uniform(0, self.p.horizon_s), rng.choice(devices), rng.choice(ports)
            until_s = at_s + rng.uniform(5, 600)
            for cause in ("fanFailure", "configurationChanged", "authenticationFailure"):
                if rng.random() < 0.25:
                    self.tell(None, at_s, until_s, cause, device, device)
            if rng.random() < 0.3:
                cause = rng.choice(("lossOfSignal", "lossOfSignal", "thresholdCrossed"))
                self.tell(None, at_s, until_s, cause, port, port.split("/")[0])
        for k in range(3):
            device, at_s = rng.choice(devices), rng.uniform(0, self.p.horizon_s / 2)
            for _ in range(60):
                at_s += rng.expovariate(1 / 20)
                self.tell(None, at_s, at_s + 2, "clientLossOfSignal", f"{device}/client{k}", device)

    # --- writing ---

    def topology(self) -> tuple[Json, set[str]]:
        world, rng = self.world, self.rng
        loose = [link for link, ends in world.links.items() if "dev0" not in ends]
        missing = set(rng.sample(loose, int(self.p.missing * len(loose))))
        left = [link for link in loose if link not in missing and not any(world.passive(end) for end in world.links[link])]
        wrong = rng.sample(left, int(self.p.wrong * len(left)))
        second = dict(zip(wrong, wrong[1:] + wrong[:1], strict=True))
        out: list[Json] = [{"id": area, "kind": "area"} for area in sorted(set(world.area.values()))]
        out += [{"id": site, "kind": "site", "area": area} for site, area in world.area.items()]
        for device, role in world.role.items():
            kind = {"kind": "splitter"} if role == "splitter" else {"kind": "device", "role": role}
            out.append({"id": device, "site": world.site[device], **kind})
        out += [{"id": card, "kind": "card", "device": card.split("/")[0]} for card in sorted(set(world.card_of.values()))]
        out += [{"id": port, "kind": "port", "card": card, "device": card.split("/")[0]} for port, card in world.card_of.items()]
        out += [{"id": duct, "kind": "duct"} for duct in world.ducts]
        in_duct = {link: duct for duct, links in world.ducts.items() for link in links}
        for link, (a, b) in world.links.items():
            if link in missing:
                continue
            (pa, pb), other = world.ports[link], second.get(link)
            if other is not None:
                b, pb = world.links[other][1], world.ports[other][1]
            if pa == "":
                a, b, pa, pb = b, a, pb, pa
            out.append(
                {"id": link, "kind": "link", "devices": [a, b], "ports": [each for each in (pa, pb) if each], "duct": in_duct.get(link)}
            )
            if not (world.passive(a) or world.passive(b)):
                out.append({"id": f"adj{link[4:]}", "kind": "adjacency", "link": link})
        for name, (head, tail, path, protected) in world.lsps.items():
            known = [link for link in path if link not in missing]
            out.append({"id": name, "kind": "lsp", "head": head, "tail": tail, "path": known, "protected": protected})
        return {"name": f"generated-{self.p.seed}", "nms": "dev0", "resources": out}, missing

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
