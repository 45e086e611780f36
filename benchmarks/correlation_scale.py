"""Correlation over 100,000 devices: compile, one link changed, a flood of alarms, 500 faults at once; beside one time window.

python -m benchmarks.correlation_scale [--json] [--quick]
"""

import argparse
import itertools
import json
import random
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fault.correlation.incident import Notice
from fault.correlation.model import Cause, Key
from fault.correlation.network import Link, Network, network_of_resources
from fault.correlation.solver import Solver
from fault.correlation.stdio import settle

Json = dict[str, Any]
DEVICES = 100_000
CORE = 1_000
RATE = 10_000  # alarms a second
FLOOD_S = 60
BATCH_S = 0.1
CONCURRENT = 500
FAULTS = 50  # new faults a second: 3,000 in a minute, 3 % of all links
NOISE = 0.4  # share of alarms that concern nothing but themselves: clients' ports, fans, logins; the rest of the rate
# is the faults' own alarms again, cleared and raised as long as the flood lasts
WINDOW_S = 60.0


def document(devices: int, core: int, rng: random.Random) -> Json:
    """A core mesh, rings of access devices on it and trees of customers' devices below, in the shape of the scoring contract."""
    out: list[Json] = []
    count = {"port": 0, "link": 0}

    def device(name: str, site: str) -> None:
        out.append({"id": name, "kind": "device", "site": site, "role": "core"})

    def link(a: str, b: str) -> None:
        ports = []
        for end in (a, b):
            card = f"{end}/c{count['port'] % 4}"
            port = f"{card}/p{count['port']}"
            count["port"] += 1
            out.append({"id": card, "kind": "card", "device": end})
            out.append({"id": port, "kind": "port", "card": card, "device": end})
            ports.append(port)
        name = f"l{count['link']}"
        count["link"] += 1
        out.append({"id": name, "kind": "link", "devices": [a, b], "ports": ports})
        out.append({"id": f"a{name}", "kind": "adjacency", "link": name})

    side = int(core**0.5)
    for n in range(core):
        device(f"d{n}", f"s{n}")
        if n % side:
            link(f"d{n - 1}", f"d{n}")
        if n >= side:
            link(f"d{n - side}", f"d{n}")
    n = core
    while n < devices:
        ends = rng.sample(range(core), 2)
        ring = [f"d{ends[0]}", *(f"d{k}" for k in range(n, min(devices, n + 8)))]
        for before, here in itertools.pairwise(ring):
            device(here, f"s{here}")
            link(before, here)
        link(ring[-1], f"d{ends[1]}")
        n += len(ring) - 1
        for _ in range(min(24, devices - n)):
            device(f"d{n}", f"s{n}")
            link(rng.choice(ring[1:]), f"d{n}")
            n += 1
    return {"nms": "d0", "resources": out}


@dataclass
class Flood:
    """Faults that start one after the other and what is told of them, with noise between."""

    network: Network
    rng: random.Random
    serial: int = 0
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = sorted(self.network.links)

    def notice(self, key: Key, at_s: float, *, stamped_s: float | None = None) -> Notice:
        self.serial += 1
        return Notice(f"n{self.serial}", key, False, at_s, at_s if stamped_s is None else stamped_s)

    def fault(self, at_s: float) -> list[Notice]:
        """A cut link: both ends, both sessions, and the devices that hang on it as the polls find out."""
        link = self.network.links[self.rng.choice(self.names)]
        told = []
        for device, port in zip(link.devices, link.ports, strict=True):
            if self.network.hangs_on(device, link.id):
                told.append(self.notice(Key(Cause.UNREACHABLE, device, device), at_s + self.rng.uniform(1, 30), stamped_s=at_s))
                continue
            told.append(self.notice(Key(Cause.SIGNAL, port, device), at_s + self.rng.uniform(0.1, 0.9)))
            told += [self.notice(Key(Cause.ADJACENCY, a, device), at_s + self.rng.uniform(3, 30)) for a in link.adjacencies]
        return told

    def noise(self, at_s: float) -> Notice:
        device = f"d{self.rng.randrange(len(self.network.devices))}"
        return self.notice(Key(Cause.LOCAL, f"{device}/client{self.rng.randrange(48)}", device), at_s)

    def alarms(self, rate: int, seconds: float) -> list[Notice]:
        """So many a second in order of arrival: noise, faults, and what the faults told again and again."""
        wanted, end_s = int(rate * seconds), 100.0 + seconds
        made = [self.noise(self.rng.uniform(100.0, end_s)) for _ in range(int(NOISE * wanted))]
        first = [notice for _ in range(int(FAULTS * seconds)) for notice in self.fault(self.rng.uniform(100.0, end_s))]
        first = [notice for notice in first if notice.arrived_s < end_s]
        made += first
        while len(made) < wanted:
            notice = self.rng.choice(first)
            again_s = self.rng.uniform(notice.arrived_s, end_s)
            is_over = self.rng.random() < 0.5
            made.append(notice._replace(alarm=f"{notice.alarm}.{len(made)}", cleared=is_over, arrived_s=again_s, stamped_s=again_s))
        return sorted(made, key=lambda each: each.arrived_s)


def batches(alarms: Sequence[Notice], seconds: float) -> Iterator[tuple[float, list[Notice]]]:
    now_s, k = 100.0, 0
    while k < len(alarms) and now_s < 100.0 + seconds:
        now_s += BATCH_S
        first = k
        while k < len(alarms) and alarms[k].arrived_s <= now_s:
            k += 1
        yield now_s, list(alarms[first:k])


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compiled(devices: int, core: int) -> tuple[Json, Network]:
    """Seconds from the parsed topology to a solver that takes alarms."""
    described = document(devices, core, random.Random(1))
    start = time.process_time()
    network = network_of_resources(described)
    Solver(network)
    seconds = time.process_time() - start
    return {"name": "correlation_scale_compile", "value": round(seconds, 2), "unit": "s", "devices": len(network.devices)}, network


def rewired(network: Network) -> Json:
    """Milliseconds from a changed link to a solver that knows it, the worst of many."""
    solver, rng, worst = Solver(network), random.Random(2), 0.0
    for name in rng.sample(sorted(network.links), 50):
        old = network.links[name]
        start = time.process_time()
        solver.rewire([], [name])
        mid = time.process_time()
        solver.rewire([Link(old.id, old.devices, old.ports, old.duct, list(old.adjacencies))], [])
        worst = max(worst, mid - start, time.process_time() - mid)
    return {"name": "correlation_scale_one_link", "value": round(1000 * worst, 1), "unit": "ms", "n": 100}


def flooded(network: Network, rate: int, seconds: float) -> list[Json]:
    """A minute of alarms in batches of a tenth of a second on one core; a batch that takes longer than it lasts is a backlog."""
    solver, taken, backlog_s, worst_backlog_s = Solver(network), list[float](), 0.0, 0.0
    alarms = Flood(network, random.Random(3)).alarms(rate, seconds)
    settle()
    fed = 0
    for now_s, batch in batches(alarms, seconds):
        start = time.process_time()
        solver.feed(now_s, batch)
        taken.append(time.process_time() - start)
        fed += len(batch)
        backlog_s = max(0.0, backlog_s + taken[-1] - BATCH_S)
        worst_backlog_s = max(worst_backlog_s, backlog_s)
    window = one_window(alarms, seconds)
    p99 = sorted(taken)[int(0.99 * len(taken))]
    peer = {"peer": "one time window", "peer_value": round(fed / window), "ratio": round(window / sum(taken), 3)}
    return [
        {"name": "correlation_scale_alarms", "value": round(fed / sum(taken)), "unit": "1/s", **peer, "offered": round(fed / seconds)},
        {"name": "correlation_scale_batch_p99", "value": round(1000 * p99), "unit": "ms"},
        {"name": "correlation_scale_backlog", "value": round(worst_backlog_s, 1), "unit": "s"},
        {"name": "correlation_scale_memory", "value": round(memory_mb()), "unit": "MB"},
        {"name": "correlation_scale_incidents", "value": len(solver.situation.incidents), "unit": "1"},
    ]


def one_window(alarms: Sequence[Notice], seconds: float) -> float:
    """Seconds that a grouper by time alone takes for the same batches."""
    groups: list[list[str]] = []
    opened_s, start = -1e9, time.process_time()
    for now_s, batch in batches(alarms, seconds):
        for notice in batch:
            if not notice.cleared:
                if now_s - opened_s > WINDOW_S:
                    opened_s = now_s
                    groups.append([])
                groups[-1].append(notice.alarm)
    return time.process_time() - start


def concurrent(network: Network, faults: int) -> Json:
    """CPU seconds to solve so many faults that are all told at once, and the share of them named."""
    solver, flood = Solver(network), Flood(network, random.Random(4))
    told = sorted((notice for _ in range(faults) for notice in flood.fault(100.0)), key=lambda each: each.arrived_s)
    start = time.process_time()
    solver.feed(140.0, told)
    seconds = time.process_time() - start
    strong = sum(each.strong for each in solver.situation.incidents.values())
    return {
        "name": "correlation_scale_concurrent",
        "value": round(seconds, 3),
        "unit": "s",
        "faults": faults,
        "incidents": strong,
        "n": len(told),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = 10.0 if options.quick else FLOOD_S
    figure, network = compiled(DEVICES, CORE)
    for part in ([figure], [rewired(network)], [concurrent(network, CONCURRENT)], flooded(network, RATE, seconds)):
        for each in part:
            print(json.dumps(each) if options.json else "  ".join(f"{key} {value}" for key, value in each.items()), flush=True)


if __name__ == "__main__":
    main()
