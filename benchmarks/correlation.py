"""Root cause accuracy over recorded and generated scenarios, beside a time window, DBSCAN and the nearest failed uplink.

python -m benchmarks.correlation [--json] [--quick]
"""

import argparse
import importlib.util
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fault.correlation.network import Network, network_of_json
from fault.correlation.stdio import Session

CASES = Path(__file__).parent.parent / "tests" / "cases" / "correlation"
WINDOW_S = 60.0
EPSILON = 3  # minutes and hops
FAR = 1 << 30
HELD_OUT = 5_000  # scenarios from this seed on are never looked at in detail
Json = dict[str, Any]
System = Callable[[Network, Sequence[Json]], "Outcome"]


@dataclass
class Outcome:
    incidents: list[Json]  # alarms, root, noise, confidence, root_since
    seconds: list[float]  # per batch


def engine(network: Network, alarms: Sequence[Json]) -> Outcome:
    """The production solver, fed in batches of a second as the contract does."""
    session, incidents, since, seconds = Session(network), dict[str, Json](), dict[str, float](), list[float]()
    for now_s, batch in batches(alarms):
        start = time.perf_counter()
        said = session.feed(now_s, batch)
        seconds.append(time.perf_counter() - start)
        for each in said:
            name = each["incident"]
            if name not in incidents or incidents[name]["root"][:1] != each["root"][:1]:
                since[name] = now_s
            incidents[name] = each
    return Outcome([each | {"root_since": since.get(name, 0.0)} for name, each in incidents.items()], seconds)


def batches(alarms: Sequence[Json]) -> Iterable[tuple[float, list[Json]]]:
    end_s, now_s, k = alarms[-1]["t"] + 900.0, 0.0, 0
    while now_s < end_s:
        following = alarms[k]["t"] if k < len(alarms) else end_s
        now_s = max(now_s + 1.0, min(following // 1.0 + 1.0, now_s + 10.0))
        first = k
        while k < len(alarms) and alarms[k]["t"] <= now_s:
            k += 1
        yield now_s, list(alarms[first:k])


def one_window(network: Network, alarms: Sequence[Json]) -> Outcome:
    """Everything within a minute is one incident of the device that spoke first."""
    groups: list[list[Json]] = []
    for alarm in alarms:
        if alarm["state"] == "raised":
            if not groups or alarm["t"] - groups[-1][0]["t"] > WINDOW_S:
                groups.append([])
            groups[-1].append(alarm)
    return Outcome([{"alarms": [a["id"] for a in g], "root": [g[0]["device"]], "noise": False} for g in groups], [])


def dbscan(network: Network, alarms: Sequence[Json]) -> Outcome:
    """Alarms whose minutes and hops together lie within `EPSILON` are neighbours; the device nearest to the station is the root."""
    raised = [alarm for alarm in alarms if alarm["state"] == "raised"]
    group, first = list(range(len(raised))), 0

    def top(n: int) -> int:
        while group[n] != n:
            group[n] = n = group[group[n]]
        return n

    for n, alarm in enumerate(raised):
        while alarm["t"] - raised[first]["t"] > EPSILON * WINDOW_S:
            first += 1
        near = hops_from(network, alarm["device"])
        for k in range(first, n):
            minutes = (alarm["t"] - raised[k]["t"]) / WINDOW_S
            if minutes + near.get(raised[k]["device"], FAR) <= EPSILON:
                group[top(n)] = top(k)
    members: dict[int, list[Json]] = defaultdict(list)
    for n, alarm in enumerate(raised):
        members[top(n)].append(alarm)
    found = []
    for each in members.values():
        root = min((alarm["device"] for alarm in each), key=lambda device: (network.distance.get(device, FAR), device))
        found.append({"alarms": [alarm["id"] for alarm in each], "root": [root], "noise": False})
    return Outcome(found, [])


def hops_from(network: Network, device: str) -> dict[str, int]:
    """Hops to the devices within `EPSILON` of one."""
    near, frontier = {device: 0}, [device] if device in network.devices else []
    for hops in range(1, EPSILON + 1):
        others = [network.links[link].far(each) for each in frontier for link in network.devices[each].links]
        frontier = [other for other in dict.fromkeys(others) if other not in near]
        near |= dict.fromkeys(frontier, hops)
    return near


def uplink_rule(network: Network, alarms: Sequence[Json]) -> Outcome:
    """A device's alarms belong to the failed device nearest to the station on its way there, if one failed just before."""
    parent = {d: next(iter(_closer(network, d)), "") for d in network.devices}
    last: dict[str, float] = {}
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for alarm in alarms:
        if alarm["state"] == "raised":
            last[alarm["device"]] = alarm["t"]
            root = here = alarm["device"]
            while here := parent.get(here, ""):
                if alarm["t"] - last.get(here, -1e9) < WINDOW_S:
                    root = here
            groups[root, int(alarm["t"] // (5 * WINDOW_S))].append(alarm["id"])
    return Outcome([{"alarms": ids, "root": [root], "noise": False} for (root, _), ids in groups.items()], [])


def _closer(network: Network, device: str) -> list[str]:
    near = network.distance.get(device, 0)
    others = [network.links[link].far(device) for link in network.devices[device].links]
    return sorted(other for other in others if network.distance.get(other, near) < near)


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score(alarms: Sequence[Json], truth: Json, outcome: Outcome) -> Json:
    """The contract's headline figures: RCA = harmonic mean of root F1 and B-cubed group F1; shown noise counts."""
    own, faults = truth["owner"], {f["fault"]: f for f in truth["faults"]}
    held = {alarm: n for n, each in enumerate(outcome.incidents) for alarm in each["alarms"] if alarm in own}
    members: dict[Any, list[str]] = defaultdict(list)
    for alarm in own:
        members[held.get(alarm, alarm)].append(alarm)
    says: dict[Any, Json] = {n: outcome.incidents[n] if isinstance(n, int) else {"root": [], "noise": False} for n in members}
    content = {n: Counter(own[alarm] for alarm in m) for n, m in members.items()}
    main = {f: max((c[f], str(n), n) for n, c in content.items() if c[f])[2] for f in faults}
    is_right = {f: not says[n]["noise"] and says[n]["root"][:1] and says[n]["root"][0] in faults[f]["accept"] for f, n in main.items()}
    shown = [n for n in members if not says[n]["noise"]]
    true: dict[Any, bool] = {}
    done: set[int] = set()
    for n in sorted(shown, key=lambda n: -len(members[n])):
        fault = content[n].most_common(1)[0][0]
        true[n] = fault is not None and says[n]["root"][:1] != [] and says[n]["root"][0] in faults[fault]["accept"]
        done |= {fault} if true[n] else set()
    root = f1(len(done) / max(1, len(shown)), sum(map(bool, is_right.values())) / len(faults))
    sizes = Counter(f for f in own.values() if f is not None)
    faulty = [(alarm, n) for n, m in members.items() for alarm in m if own[alarm] is not None]
    precision = statistics.fmean(content[n][own[alarm]] / len(members[n]) for alarm, n in faulty)
    recall = statistics.fmean(content[n][own[alarm]] / sizes[own[alarm]] for alarm, n in faulty)
    hidden = sum(all(says[n]["noise"] for n, c in content.items() if c[f]) for f in faults)
    kinds: dict[str, list[bool]] = defaultdict(list)
    for f, right in is_right.items():
        kinds[faults[f]["kind"]].append(bool(right))
    return {
        "kinds": kinds,
        "rca": f1(root, f1(precision, recall)),
        "shown_per_fault": len(shown) / len(faults),
        "suppressed": hidden / len(faults),
        "sure": [(says[n]["confidence"], true[n]) for n in shown if "confidence" in says[n]],
        "latencies": latencies(alarms, own, outcome, main, is_right),
    }


def calibration(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error over equal-width bins."""
    found: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for sure, right in pairs:
        found[min(int(sure * bins), bins - 1)].append((sure, right))
    return sum(abs(sum(s for s, _ in b) - sum(r for _, r in b)) for b in found.values()) / max(1, len(pairs))


def latencies(alarms: Sequence[Json], own: Json, outcome: Outcome, main: Json, is_right: Json) -> list[float]:
    first: dict[Any, float] = {}
    for alarm in alarms:
        first.setdefault(own.get(alarm["id"]), alarm["t"])
    rooted = [(f, outcome.incidents[n].get("root_since")) for f, n in main.items() if is_right[f] and isinstance(n, int)]
    return [max(0.0, since - first[f]) for f, since in rooted if since is not None]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("correlation_generate", CASES / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def scenarios(into: Path, count: int) -> dict[str, list[Path]]:
    """Generated ones with a right and with an incomplete inventory, and the recorded ones."""
    module = generator()
    found: dict[str, list[Path]] = {"recorded": [CASES / "small", CASES / "incomplete"], "right": [], "incomplete": []}
    for k in range(count):
        for sort in ("right", "incomplete"):
            module.generate(into / f"{sort}{k}", module.drawn(HELD_OUT + k, incomplete=sort == "incomplete"))
            found[sort].append(into / f"{sort}{k}")
    return found


def measure(paths: Sequence[Path], system: System) -> tuple[list[Json], list[float], int]:
    scores, seconds, records = [], list[float](), 0
    for path in paths:
        alarms = [json.loads(line) for line in (path / "alarms.jsonl").read_text().splitlines()]
        outcome = system(network_of_json(path / "topology.json"), alarms)
        scores.append(score(alarms, json.loads((path / "truth.json").read_text()), outcome))
        seconds += outcome.seconds
        records += len(alarms)
    return scores, seconds, records


PEERS: dict[str, System] = {"one window": one_window, "dbscan": dbscan, "nearest failed uplink": uplink_rule}


def figures(sort: str, paths: Sequence[Path]) -> list[Json]:
    scores, seconds, records = measure(paths, engine)
    peers = {name: statistics.fmean(each["rca"] for each in measure(paths, peer)[0]) for name, peer in PEERS.items()}
    rca, delays = [each["rca"] for each in scores], sorted(d for each in scores for d in each["latencies"])
    mean, (peer, best_peer) = statistics.fmean(rca), max((value, name) for name, value in peers.items())
    name = f"correlation_{sort}"
    best = {
        "peer": best_peer,
        "peer_value": round(peer, 3),
        "peers": {name: round(value, 3) for name, value in peers.items()},
        "ratio": round(mean / peer, 1),
    }
    return [
        {"name": f"{name}_rca", "value": round(mean, 3), "unit": "1", **best, "minimum": round(min(rca), 3), "n": len(paths)},
        {"name": f"{name}_shown_per_fault", "value": round(max(each["shown_per_fault"] for each in scores), 2), "unit": "1"},
        {"name": f"{name}_suppressed", "value": max(each["suppressed"] for each in scores), "unit": "1"},
        worst_kind(f"{name}_worst_kind", scores),
        certainty(f"{name}_ece", [each["sure"] for each in scores]),
        {"name": f"{name}_latency_p50", "value": round(delays[len(delays) // 2], 1), "unit": "s"},
        {"name": f"{name}_latency_p90", "value": round(delays[int(0.9 * len(delays))], 1), "unit": "s"},
        {"name": f"{name}_records", "value": round(records / sum(seconds)), "unit": "1/s", "n": records},
        {"name": f"{name}_batch_p99", "value": round(1000 * sorted(seconds)[int(0.99 * len(seconds))], 1), "unit": "ms"},
    ]


def worst_kind(name: str, scores: Sequence[Json]) -> Json:
    """The lowest root recall of a kind of fault with at least three of it, over all scenarios."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    for each in scores:
        for kind, right in each["kinds"].items():
            kinds[kind] += right
    recall = {kind: round(statistics.fmean(right), 3) for kind, right in sorted(kinds.items()) if len(right) >= 3}
    kind, value = min(recall.items(), key=lambda item: item[1])
    return {"name": name, "value": value, "unit": "1", "kind": kind, "kinds": recall}


def certainty(name: str, sure: Sequence[Sequence[tuple[float, bool]]]) -> Json:
    """The calibration error over all scenarios together; their own errors on average, beside what odds that are exactly right
    would get by chance from so few incidents a scenario."""
    draw = random.Random(1)
    chance = statistics.fmean(calibration([(c, draw.random() < c) for c, _ in each]) for each in sure for _ in range(20))
    value = calibration([pair for each in sure for pair in each])
    one = statistics.fmean(map(calibration, sure))
    return {"name": name, "value": round(value, 3), "unit": "1", "by_scenario": round(one, 3), "by_scenario_by_chance": round(chance, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for sort, paths in scenarios(Path(folder), 6 if options.quick else 30).items():
            for figure in figures(sort, paths):
                print(json.dumps(figure) if options.json else "  ".join(f"{key} {value}" for key, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
