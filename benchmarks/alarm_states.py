"""Messages to alarm states in the durable store: rules, deduplication, damping, history, hub; correlation is measured apart.

Floods on SQLite on disk with an fsync per transaction: `burst` (traps of links that flap and repeat: 50 messages an
alarm), `new` (every event an alarm that nobody knew) and `clear` (all of them end), with everything that listens in a
station: TMF642 and TMF656 and their hubs, first checks, learnt causes; `_alone` without these. Then pages of the alarm
list out of 100,000. Beside `new` the same rows by the driver's executemany alone, without any of our work.

python -m benchmarks.alarm_states [--json] [--quick]
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fault import queries, store, tmf642, tmf656
from fault.checks.runner import FirstChecks
from fault.correlation.contract import AlarmChange, IncidentChange
from fault.learning.explained import Explained
from fault.queries import AlarmQuery
from fault.rules import Rules, load_rules
from fault.service import FaultService
from fault.settings import FaultSettings
from inventory.topology import Device, Entity, Site, Topology
from station.batch import Event, Notification
from station.clock import VirtualClock
from station.first_look import FirstLook
from station.hub import Hub
from station.scope import STATION
from station.security.targets import Guard
from station.state import State

S = 1_000_000_000
START_NS = 1_790_000_000 * S
PORTS = 50
REPEATS = 50
PAGE = 100


class Silent:
    """A correlator that says nothing."""

    def topology_changed(self, topology: Topology) -> None:
        """Nothing is compiled."""

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        return ()


def network(ports: int) -> Topology:
    devices = {
        no: Device(no, f"device-{no}", f"node-{no}", "s1", f"127.64.{no // 250}.{no % 250 + 1}") for no in range(1, ports // PORTS + 2)
    }
    entities = {}
    for n in range(ports):
        no, port = n // PORTS + 1, n % PORTS + 1
        key = no << 16 | port
        entities[key] = Entity(key, f"interface-{no}-{port}", "interface", f"ge-0/0/{port}", if_index=port, speed_bps=10**10)
    return Topology(1, {"s1": Site("s1", "Hamburg-01", "north")}, devices, entities)


def traps(ports: int) -> Iterator[Notification]:
    """Every port goes down and comes back, over and over, each state told many times."""
    for n in range(ports * REPEATS):
        port, turn = n % ports, n // ports
        name = "linkDown" if turn % 10 < 9 else "linkUp"
        status = "down(2)" if name == "linkDown" else "up(1)"
        fields = {"ifIndex": str(port % PORTS + 1), "ifAdminStatus": "up(1)", "ifOperStatus": status}
        yield Notification(START_NS + turn * S, "", port // PORTS + 1, "snmp_trap", name, fields=fields, authenticated=True)


def events(ports: int, severity: str, second: int) -> list[Event]:
    """One event of each port."""
    return [
        Event(
            START_NS + second * S,
            f"interface-{n // PORTS + 1}-{n % PORTS + 1}",
            "communications.link_down",
            severity,
            f"node-{n // PORTS + 1} ge-0/0/{n % PORTS + 1}: link {severity}",
            source="linkDown",
        )
        for n in range(ports)
    ]


async def service_at(folder: Path, ports: int, *, alone: bool = False) -> tuple[FaultService, State]:
    picture = network(ports)
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    await state.create_all()
    settings = FaultSettings(lone_after_s=3600)
    clock = VirtualClock(START_NS)
    correlator = Silent() if alone else Explained(Silent())
    service = FaultService(state, lambda: picture, Hub(), clock, settings, correlator, interpreter=Rules(load_rules()))
    if not alone:
        tmf642.router(service, Guard(()))
        tmf656.router(service, Guard(()))
        FirstChecks(service, FirstLook(clock, nobody))
    await service.load()
    return service, state


async def nobody(_device: int, _ports: Sequence[int], _protocols: object) -> None:
    """Nobody answers."""


async def flood(service: FaultService, put: Callable[[Sequence[Any]], Awaitable[None]], items: Sequence[Any]) -> dict[str, Any]:
    """Items in the batches that the service makes of a flood; per CPU-second of the whole process, and the slowest batch."""
    size = service.settings.batch_events_max
    spent, began, slowest = time.process_time(), time.perf_counter(), 0.0
    for at in range(0, len(items), size):
        batch_began = time.perf_counter()
        await put(items[at : at + size])
        slowest = max(slowest, time.perf_counter() - batch_began)
    spent, wall = time.process_time() - spent, time.perf_counter() - began
    return {"value": round(len(items) / spent), "unit": "events per CPU-second", "n": len(items),
            "wall_events_per_s": round(len(items) / wall), "slowest_batch_ms": round(slowest * 1000)}  # fmt: skip


async def floods(ports: int, *, alone: bool = False) -> list[dict[str, Any]]:
    suffix = "_alone" if alone else ""
    with tempfile.TemporaryDirectory() as folder:
        service, state = await service_at(Path(folder), ports, alone=alone)
        made = [{"name": f"alarms_new{suffix}", "goal": 10_000, **await flood(service, service.handle, events(ports, "major", 1))}]
        made[0] |= driver_alone([store.alarm_values(1, alarm) for alarm in service.book.alarms.values()], Path(folder) / "alone.db")
        made.append({"name": f"alarms_clear{suffix}", "goal": 10_000, **await flood(service, service.handle, events(ports, "cleared", 2))})
        await state.close()
    with tempfile.TemporaryDirectory() as folder:
        service, state = await service_at(Path(folder), ports // REPEATS, alone=alone)
        burst = list(traps(ports // REPEATS))
        made.append({"name": f"alarms_burst{suffix}", "goal": 50_000, **await flood(service, service.hear, burst)})
        await state.close()
    return made


def driver_alone(rows: Sequence[tuple[Any, ...]], path: Path) -> dict[str, Any]:
    """The same alarm rows by one executemany into a table without an index beside its key."""
    names = [column.name for column in store.alarm.columns]
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"CREATE TABLE alarm ({', '.join(names)}, PRIMARY KEY (tenant, id))")
    spent = time.process_time()
    db.executemany(f"INSERT INTO alarm VALUES ({', '.join('?' * len(names))})", rows)
    db.commit()
    spent = time.process_time() - spent
    db.close()
    return {"peer": "sqlite3 executemany alone", "peer_value": round(len(rows) / spent)}


async def pages(alarms: int, asked: int) -> dict[str, Any]:
    """95th percentile of one page of the list, ordered as the screen shows it, walked from page to page."""
    with tempfile.TemporaryDirectory() as folder:
        service, state = await service_at(Path(folder), alarms)
        for at in range(0, alarms, 10_000):
            await service.handle(events(alarms, "major", 1)[at : at + 10_000])
        took_ms, cursor = [], ""
        for _ in range(asked):
            began = time.perf_counter()
            async with state.read() as conn:
                page = await queries.list_alarms(conn, STATION, AlarmQuery(cursor=cursor, limit=PAGE), service.resources)
            took_ms.append((time.perf_counter() - began) * 1000)
            assert len(page.alarms) == PAGE and page.total == alarms
            cursor = page.next or ""
        await state.close()
    p95 = statistics.quantiles(took_ms, n=20)[-1]
    return {
        "name": "alarm_page",
        "value": round(p95, 1),
        "unit": "ms p95",
        "n": alarms,
        "p50": round(statistics.median(took_ms), 1),
        "goal": 50,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    ports, alarms = (20_000, 20_000) if options.quick else (100_000, 100_000)
    for figure in (*asyncio.run(floods(ports)), *asyncio.run(floods(ports, alone=True)), asyncio.run(pages(alarms, 40))):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
