"""How long from a trap on the wire to its row painted in the browser: a demo, v2c traps from the devices' own addresses, Chromium.

Each trap is a linkDown of another interface, sent at random moments. The page stamps a row in the first frame after
the one that painted it, on the same machine's clock. The peer is net-snmp's snmptrapd, which prints the same traps.
"""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from collectors.codecs import snmp
from collectors.codecs.ber import INTEGER, OBJECT_IDENTIFIER, Oid
from collectors.codecs.snmp import TIME_TICKS, Message, Pdu, PduType, VarBind, Version
from tests.stories.demo_process import DemoProcess, wait_for

DEVICES = 60
PER_S = 5.0
BUDGET_MS = 1000.0
IF_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
SYS_UP_TIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
LINK_DOWN: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# A row is stamped after the frame that first painted it: a message posted from an animation frame runs behind the paint.
WATCH = """() => {
  window.painted = {};
  const { port1, port2 } = new MessageChannel();
  let waiting = [];
  port1.onmessage = () => {
    const at = performance.timeOrigin + performance.now();
    for (const key of waiting) window.painted[key] ??= at;
    waiting = [];
  };
  const cell = (row, name) => row.querySelector(`[data-column=${name}]`)?.textContent ?? "";
  const look = () => {
    for (const row of document.querySelectorAll("[data-testid=alarm-row]")) {
      const key = `${cell(row, "device")} ${cell(row, "object")}`;
      if (!(key in window.painted)) waiting.push(key);
    }
    requestAnimationFrame(() => port2.postMessage(0));
  };
  new MutationObserver(look).observe(document.querySelector("[data-testid=alarms-grid]"), { childList: true, subtree: true });
}"""


@dataclass(frozen=True)
class Port:
    """An interface as the trap names it and as its row will."""

    address: str
    if_index: int
    row: str


@dataclass
class Snmptrapd:
    """The peer: when it printed a trap, by address and ifIndex; seconds since the epoch."""

    port: int
    printed: dict[tuple[str, int], float] = field(default_factory=dict)

    def start(self) -> "subprocess.Popen[str]":
        found = shutil.which("snmptrapd")
        assert found, "snmptrapd is missing: apt-get install snmptrapd"
        arguments = ["-f", "-Lo", "-n", "-C", "-On", "--disableAuthorization=yes", "-F", "%b %v\n", f"udp:127.0.0.1:{self.port}"]
        process = subprocess.Popen(
            [found, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"MIBS": ""}
        )
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return process

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            at = time.time()
            address, marked, index = line.partition("[")[2].partition("]")[0], ".2.2.1.1.", 0
            if marked in line:
                index = int(line.partition(marked)[2].split()[0])
                self.printed.setdefault((address, index), at)


def link_down(port: Port) -> bytes:
    """A linkDown trap of the interface (RFC 2863) in a v2c message."""
    columns = (VarBind((*IF_ENTRY, column, port.if_index), INTEGER, value) for column, value in ((1, port.if_index), (7, 1), (8, 2)))
    head = (VarBind(SYS_UP_TIME, TIME_TICKS, 1), VarBind(TRAP_OID, OBJECT_IDENTIFIER, LINK_DOWN))
    return snmp.encode(Message(Version.V2C, b"public", Pdu(PduType.TRAP, port.if_index, varbinds=(*head, *columns))))


def chosen_ports(demo: DemoProcess, n: int) -> list[Port]:
    """`n` interfaces that are up, drawn from all devices."""
    found = []
    for device in demo.get("/api/v1/devices", limit=1000)["items"]:
        detail = demo.get(f"/api/v1/devices/{device['id']}")
        up = [each for each in detail["interfaces"] if each["oper_status"] == 1]
        found += [Port(device["management_address"], each["if_index"], f"{device['name']} {each['name']}") for each in up]
    return random.Random(1).sample(found, min(n, len(found)))


def send(ports: list[Port], to: Iterable[tuple[str, int]]) -> dict[Port, float]:
    """Send each port's trap to the station and to the peer, at random moments; when, in seconds since the epoch."""
    chance, at = random.Random(2), {}
    for port in ports:
        time.sleep(chance.uniform(0.2, 1.8) / PER_S)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((port.address, 0))
            data = link_down(port)
            at[port] = time.time()
            for target in to:
                sock.sendto(data, target)
    return at


def measure(n: int) -> tuple[list[float], list[float]]:
    """Milliseconds to the painted row and to snmptrapd's line, one of each per trap."""
    peer = Snmptrapd(free_udp_port())
    with tempfile.TemporaryDirectory() as folder:
        demo = DemoProcess(Path(folder) / "data", "--no-script", "--no-history")
        printing = peer.start()
        try:
            demo.start().sign_in()
            wait_for("every device", lambda: sum(d["status"] == "up" for d in demo.get("/api/v1/topology")["nodes"]) == DEVICES, 60)
            wait_for("the links", lambda: len(demo.get("/api/v1/topology")["links"]) > DEVICES, 30)
            chosen = chosen_ports(demo, n)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_ARGS)
                page = opened(browser.new_context(viewport={"width": 1440, "height": 4000}).new_page(), demo)
                sent = send(chosen, (demo.sends_to("--trap"), ("127.0.0.1", peer.port)))
                page.wait_for_timeout(3000)
                painted = page.evaluate("() => window.painted")
                browser.close()
        finally:
            demo.stop()
            printing.terminate()
            printing.wait(10)
    lost = [port.row for port in chosen if port.row not in painted]
    assert not lost, f"{len(lost)} of {n} rows were never painted: {lost[:5]}"
    rows = [painted[port.row] - 1000 * sent[port] for port in chosen]
    lines = [1000 * (peer.printed[port.address, port.if_index] - sent[port]) for port in chosen]
    return rows, lines


def opened(page: Page, demo: DemoProcess) -> Page:
    """The alarm list, live, with the observer in place; signed in with the demo's own session."""
    base = str(demo.client.base_url).rstrip("/")
    page.context.add_cookies([{"name": cookie.name, "value": str(cookie.value), "url": base} for cookie in demo.client.cookies.jar])
    page.goto(f"{base}/alarms?group=none")
    page.wait_for_selector("[data-testid=live-status][data-live=live]")
    page.evaluate(WATCH)
    return page


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    n = 50 if parser.parse_args().quick else 200
    rows, lines = measure(n)
    for name, at in (("p50", 49), ("p95", 94)):
        value, peer = (statistics.quantiles(values, n=100)[at] for values in (rows, lines))
        about = {"peer": "snmptrapd prints it", "peer_value": round(peer, 1), "ratio": round(value / peer, 1)}
        print(json.dumps({"name": f"trap_to_row.{name}", "value": round(value, 1), "unit": "ms", **about, "budget": BUDGET_MS, "n": n}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
