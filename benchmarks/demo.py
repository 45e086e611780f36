"""How long until the demo's link, a useful Now screen and 35 days of history, and what the idle station costs.

All processes together: station, store owner, simulated network. The peer is the budget that the project sets itself:
no comparable system starts a network with itself. `cpu_to_link_s` hardly depends on what else the machine does;
`load` is how busy it was. Memory is the proportional set size (pages shared by processes count once).

While the devices come up, somebody looks at Now and at the map: how long the slower answer took, and below which
bound the event loop's worst lag stayed. Then a fibre in the core is cut until it is named as the one root, and mended.
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path

import psutil

from tests.stories.demo_process import DemoProcess, wait_for

BUDGETS = {
    "link_s": 5.0,
    "now_s": 10.0,
    "answer_ms_worst": 1000.0,
    "loop_lag_ms_at_most": 250.0,
    "root_named_s": 10.0,
    "history_s": 120.0,
    "cpu_to_link_s": 5.0,
    "idle_core_percent": 15.0,
    "memory_mb": 1024.0,
    "memory_after_history_mb": 1024.0,
}
SETTLE_S = 30  # every device answers twice
LARGE = 240  # from here on every device is polled once a minute, and looked at as seldom
MINUTE_S = 70
LAG = re.compile(r'^trunkline_loop_lag_seconds_bucket{le="([\d.]+)"} (\S+)$', re.MULTILINE)
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def measure(size: int, idle_s: float, *, history: bool) -> dict[str, float]:
    """The figures of one run; the idle part begins when everything was seen and nothing is written any more."""
    with tempfile.TemporaryDirectory() as folder:
        demo = DemoProcess(Path(folder) / "data", "--no-script", "--size", str(size), *([] if history else ["--no-history"]))
        began = time.monotonic()
        try:
            demo.start()
            found = {"load": os.getloadavg()[0], "link_s": demo.link_after_s, "cpu_to_link_s": cpu_s(family(demo))}
            demo.sign_in()
            slowest_s: list[float] = []
            wait_for("every device with its links", lambda: is_whole(demo, size, slowest_s), 300, every_s=2 if size > LARGE else 0.25)
            found["now_s"] = time.monotonic() - began
            found |= {"answer_ms_worst": 1000 * max(slowest_s), "loop_lag_ms_at_most": 1000 * worst_lag_s(demo)}
            if size > LARGE:
                time.sleep(MINUTE_S)  # the first poll of each
            found["root_named_s"] = cut_s(demo)
            if history:
                wait_for("the bills", lambda: demo.get("/api/v1/invoices")["items"], 400, every_s=1)
                wait_for("the open month", lambda: settled(demo), 400, every_s=1)
                found["history_s"] = time.monotonic() - began
                found["memory_after_history_mb"] = memory_mb(demo)
            time.sleep(SETTLE_S)
            before = cpu_s(family(demo))
            time.sleep(idle_s)
            return found | {"idle_core_percent": 100 * (cpu_s(family(demo)) - before) / idle_s, "memory_mb": memory_mb(demo)}
        finally:
            demo.stop()


def is_whole(demo: DemoProcess, size: int, slowest_s: list[float]) -> bool:
    """Whether every device is up and has its links; how long Now and the map took to answer is added."""
    for path in ("/api/v1/now", "/api/v1/topology"):
        began = time.monotonic()
        answer = demo.get(path)
        slowest_s.append(time.monotonic() - began)
    return sum(node["status"] == "up" for node in answer["nodes"]) == size and len(answer["links"]) > size


def worst_lag_s(demo: DemoProcess) -> float:
    """The bound below which every lag of the event loop was."""
    bounds = [(float(bound), float(n)) for bound, n in LAG.findall(demo.client.get("/metrics").text)]
    return next(bound for bound, n in bounds if n == bounds[-1][1])


def cut_s(demo: DemoProcess) -> float:
    """How long until a fibre of the core, once cut, is the one root of the one open incident; it is mended again."""
    topology = demo.get("/api/v1/topology")
    core = {node["id"] for node in topology["nodes"] if node["role"] == "core"}
    link = next(link["id"] for link in topology["links"] if {link["a"], link["b"]} <= core)
    began = time.monotonic()
    demo.post("/api/v1/simulation/cut", {"resource_id": link})
    wait_for("the root", lambda: roots(demo) == [link], 120)
    named_s = time.monotonic() - began
    demo.post("/api/v1/simulation/restore", {"resource_id": link})
    wait_for("the clear", lambda: roots(demo) == [], 300, every_s=1)
    return named_s


def roots(demo: DemoProcess) -> list[str]:
    return [it["root"]["id"] for it in demo.get("/api/v1/incidents", state="open")["items"] if not it["noise"]]


def settled(demo: DemoProcess) -> bool:
    """Whether the history is written: its last part is the usage of the open month."""
    before = demo.get("/api/v1/usage/pipeline")["counts"]["received"]
    time.sleep(3)
    return bool(before) and demo.get("/api/v1/usage/pipeline")["counts"]["received"] == before


def family(demo: DemoProcess) -> list[psutil.Process]:
    assert demo.process is not None
    parent = psutil.Process(demo.process.pid)
    return [parent, *parent.children(recursive=True)]


def cpu_s(processes: list[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def memory_mb(demo: DemoProcess) -> float:
    """The proportional set size of all processes in megabytes."""
    rows = [PSS.search(Path(f"/proc/{process.pid}/smaps_rollup").read_text()) for process in family(demo)]
    return sum(int(row[1]) for row in rows if row) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without the history, which takes two minutes")
    parser.add_argument("--size", type=int, default=60)
    options = parser.parse_args()
    found = measure(options.size, 10 if options.quick else 60, history=not options.quick)
    load = round(found.pop("load"), 2)
    for name, value in found.items():
        budget = BUDGETS[name]
        row = {"name": f"demo.{name}", "value": round(value, 2), "unit": name.rpartition("_")[2], "peer": "budget"}
        print(json.dumps(row | {"peer_value": budget, "ratio": round(budget / value, 2), "n": 1, "devices": options.size, "load": load}))


if __name__ == "__main__":
    main()
