"""How long until the demo's link and a useful Now screen, and what the idle station costs: all processes together.

The peer is the budget that the project sets itself (link 5 s, Now 10 s, 15 % of a core, 1 GB): no comparable system
starts a network with itself.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import psutil

from tests.stories.demo_process import DemoProcess, wait_for

DEVICES = 60
BUDGETS = {"link_s": 5.0, "now_s": 10.0, "idle_core_percent": 15.0, "rss_mb": 1024.0}


def measure(idle_s: float) -> dict[str, float]:
    """The four figures of one run; the idle part begins when every device has answered twice."""
    with tempfile.TemporaryDirectory() as folder:
        demo = DemoProcess(Path(folder) / "data", "--no-script", "--no-history")
        began = time.monotonic()
        try:
            demo.start().sign_in()
            wait_for("every device", lambda: sum(n["status"] == "up" for n in demo.get("/api/v1/topology")["nodes"]) == DEVICES, 60)
            now_s = time.monotonic() - began
            time.sleep(30)
            assert demo.process is not None
            family = [psutil.Process(demo.process.pid), *psutil.Process(demo.process.pid).children(recursive=True)]
            before = cpu_s(family)
            time.sleep(idle_s)
            busy = 100 * (cpu_s(family) - before) / idle_s
            return {
                "link_s": demo.link_after_s,
                "now_s": now_s,
                "idle_core_percent": busy,
                "rss_mb": sum(p.memory_info().rss for p in family) / 1e6,
            }
        finally:
            demo.stop()


def cpu_s(family: list[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in family))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    found = measure(15 if parser.parse_args().quick else 120)
    for name, value in found.items():
        print(
            json.dumps(
                {
                    "name": f"demo.{name}",
                    "value": round(value, 2),
                    "unit": name.rpartition("_")[2],
                    "peer": "budget",
                    "peer_value": BUDGETS[name],
                    "ratio": round(BUDGETS[name] / value, 2),
                    "n": 1,
                }
            )
        )


if __name__ == "__main__":
    main()
