"""How long until the demo's link, a useful Now screen and 35 days of history, and what the idle station costs.

All processes together: station, store owner, simulated network. The peer is the budget that the project sets itself:
no comparable system starts a network with itself. `cpu_to_link_s` hardly depends on what else the machine does;
`load` is how busy it was. Memory is the proportional set size (pages shared by processes count once).
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path

import psutil

from tests.stories.demo_process import DemoProcess, up, wait_for

BUDGETS = {
    "link_s": 5.0,
    "now_s": 10.0,
    "history_s": 120.0,
    "cpu_to_link_s": 5.0,
    "idle_core_percent": 15.0,
    "memory_mb": 1024.0,
    "memory_after_history_mb": 1024.0,
}
SETTLE_S = 30  # every device answers twice
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
            wait_for("every device", lambda: up(demo) == size, 300)
            wait_for("the links", lambda: len(demo.get("/api/v1/topology")["links"]) > size, 300)
            found["now_s"] = time.monotonic() - began
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
