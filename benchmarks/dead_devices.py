"""What a tenth of dead devices costs the others: 1,000 agents, of which 100 swallow every request.

`cycle` is how long the healthy ones take at full speed, beside dead ones and without them, by compiled steps over one socket.
`late` is the real poller on its cadence: the longest wait between two polls of a healthy device, over the interval.

python -m benchmarks.dead_devices [--json] [--quick]
"""

import argparse
import asyncio
import json
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.snmp_agents import PORT, address, answering
from benchmarks.snmp_clients import COMMUNITY, our_plan
from collectors.settings import SnmpSettings
from collectors.snmp.client import Limits, SnmpClient
from collectors.snmp.engine import Engine
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import shipped_profiles
from collectors.snmp.sweeper import Sweeper
from collectors.snmp.wire import Ended, warm
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock

DEVICES: Final = 1_000
DEAD_EVERY: Final = 10
CADENCE_S: Final = 5.0


@contextmanager
def swallowing() -> Iterator[int]:
    """A port that takes every datagram of 127.0.0.0/8 and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("0.0.0.0", 0))
        yield int(hole.getsockname()[1])


class Sweep:
    """All devices on one sweeper; `cycle` polls every one and says how long the healthy took."""

    def __init__(self, dead_port: int, *, with_dead: bool) -> None:
        self._sweeper, plan, engine = Sweeper(SystemClock()), our_plan(), Engine()
        self._left, self._done, self._dead_left = 0, asyncio.Event(), 0
        self._all_done = asyncio.Event()
        self._agents: list[tuple[Any, bool]] = []
        for n in range(DEVICES):
            dead = n % DEAD_EVERY == 0
            if dead and not with_dead:
                continue
            port = dead_port if dead else PORT
            client = SnmpClient(engine, address(n), port, COMMUNITY)
            ended = self._dead_ended if dead else self._ended
            self._agents.append((self._sweeper.join(address(n), port, n + 1, Limits(), client.security, plan, ended), dead))
        engine.close()

    def _ended(self, how: Ended) -> None:
        assert not how.reason, how
        self._left -= 1
        if not self._left:
            self._done.set()

    def _dead_ended(self, how: Ended) -> None:
        assert how.reason, "nobody answers there"
        self._dead_left -= 1
        if not self._dead_left:
            self._all_done.set()

    async def cycle(self) -> float:
        self._left = sum(not dead for _, dead in self._agents)
        self._dead_left = len(self._agents) - self._left
        self._done.clear()
        self._all_done.clear()
        began = time.perf_counter()
        for agent, _ in self._agents:
            assert self._sweeper.begin(agent, outstanding=2)
        async with asyncio.timeout(120):
            await self._done.wait()
            took = time.perf_counter() - began
            if self._dead_left:
                await self._all_done.wait()
        self._sweeper.batches()
        return took

    def close(self) -> None:
        self._sweeper.close()


async def cycles(dead_port: int, rounds: int) -> dict[str, Any]:
    """Interleaved cycles without and with the dead ones."""
    alone, beside = Sweep(dead_port, with_dead=False), Sweep(dead_port, with_dead=True)
    took: dict[str, list[float]] = {"alone": [], "beside": []}
    for n in range(rounds + 1):
        for name, sweep in (("alone", alone), ("beside", beside)):
            found = await sweep.cycle()
            if n:
                took[name].append(found)
    alone.close()
    beside.close()
    without, with_dead = statistics.median(took["alone"]), statistics.median(took["beside"])
    said = {"name": "dead_devices_cycle", "value": round(1000 * with_dead), "unit": "ms for 900 healthy devices beside 100 dead"}
    return said | {
        "peer": "the same without dead devices",
        "peer_value": round(1000 * without),
        "ratio": round(with_dead / without, 2),
        "goal": 1.15,
    }


async def lateness(dead_port: int, rounds: int) -> dict[str, Any]:
    """The poller's own cadence: the longest gap between polls of a healthy device after the first."""
    devices = {
        n + 1: Device(n + 1, f"d{n}", f"r{n}", "", address(n), snmp_port=PORT if n % DEAD_EVERY else dead_port) for n in range(DEVICES)
    }
    picture = Topology(1, devices=devices, addresses={device.management_address: no for no, device in devices.items()})
    samples: Channel[SampleBatch] = Channel("bench dead", 256)
    heard: Channel[tuple[Notification, ...]] = Channel("bench dead heard", 256, "drop_oldest")
    settings = SnmpSettings(interval_s=CADENCE_S)
    clock = SystemClock()
    poller = Poller(
        settings, topology=lambda: picture, credential_of=lambda _: COMMUNITY, profiles=shipped_profiles(), samples=samples,
        notifications=heard, clock=clock,
    )  # fmt: skip
    task, seen = asyncio.create_task(poller.run()), defaultdict[int, list[int]](list)
    uptime, began = code_of("device.uptime"), time.monotonic()
    while time.monotonic() - began < CADENCE_S * (rounds + 2):
        try:
            batch = await asyncio.wait_for(samples.get(), 1.0)
        except TimeoutError:
            continue
        for series, at in zip(batch.series.tolist(), batch.time_ns.tolist(), strict=True):
            if series & 0xFF == uptime:
                seen[series >> 24].append(at)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    healthy = [no for no, device in devices.items() if device.snmp_port == PORT]
    gaps = sorted((b - a) / 1e9 for no in healthy for a, b in zip(seen[no], seen[no][1:], strict=False))
    assert all(len(seen[no]) >= rounds for no in healthy), min(len(seen[no]) for no in healthy)
    said = {"name": "dead_devices_longest_gap", "value": round(gaps[-1] / CADENCE_S, 3), "unit": "intervals", "n": len(gaps)}
    return said | {"p99": round(gaps[int(0.99 * len(gaps))] / CADENCE_S, 3), "interval_s": CADENCE_S, "goal": 1.15}


async def figures(*, quick: bool) -> list[dict[str, Any]]:
    with answering(), swallowing() as dead_port:
        return [await cycles(dead_port, 1 if quick else 5), await lateness(dead_port, 2 if quick else 10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    warm()
    for figure in asyncio.run(figures(quick=options.quick)):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
