"""Usage records from arrival to guided, durable on SQLite: our meters' days and other systems' events, per CPU-second.

python -m benchmarks.mediation [--json] [--quick]

The peer is the same rows inserted plainly with the driver and committed once per batch: no verdict, no chain, no guiding.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from billing_bridge import events
from billing_bridge.events import EventIn
from billing_bridge.settings import BillingSettings
from inventory.store import customer, service
from station.clock import NS_PER_S
from station.scope import STATION
from station.state import State

BATCH = 10_000
SERVICES = 100
NOW_NS = 1_785_000_000 * NS_PER_S


def made(n: int) -> list[EventIn]:
    return [
        EventIn(source="switch", external_id=f"c{i}", meter="voice_seconds", service=f"S-{i % SERVICES}", time_ns=NOW_NS - i, quantity=60)
        for i in range(1, n + 1)
    ]


async def guided(arrived: list[EventIn]) -> tuple[float, float]:
    """(CPU, wall) seconds until every event is stored, chained, counted and guided."""
    with tempfile.TemporaryDirectory() as folder:
        state = State(f"sqlite+aiosqlite:///{Path(folder) / 'state.db'}")
        await state.create_all()
        async with state.write() as conn:
            await conn.execute(sa.insert(customer).values(tenant=1, id="c", number="K-1", name="C"))
            rows = [
                {"tenant": 1, "id": f"s{n}", "number": f"S-{n}", "name": "V", "customer_id": "c", "tariff": "t"} for n in range(SERVICES)
            ]
            await conn.execute(sa.insert(service), rows)
        cpu, wall = time.process_time(), time.perf_counter()
        for at in range(0, len(arrived), BATCH):
            async with state.write() as conn:
                await events.ingest(conn, STATION, arrived[at : at + BATCH], BillingSettings(), NOW_NS)
        assert await events.guide(state, STATION, NOW_NS) == len(arrived)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        await state.close()
    return cpu, wall


def plain(arrived: list[EventIn]) -> float:
    """CPU seconds to insert the same facts with nothing around them."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "plain.db")
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e(id TEXT PRIMARY KEY, s TEXT, t INT, q INT)"
        )
        began = time.process_time()
        for at in range(0, len(arrived), BATCH):
            rows = [(event.id, event.service, event.time_ns, event.quantity) for event in arrived[at : at + BATCH]]
            database.executemany("INSERT INTO e VALUES (?, ?, ?, ?)", rows)
            database.commit()
        spent = time.process_time() - began
        database.close()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    arrived = made(20_000 if options.quick else 100_000)
    cpu, wall = asyncio.run(guided(arrived))
    peer = plain(arrived)
    n = len(arrived)
    found: dict[str, Any] = {
        "name": "mediation_events",
        "value": round(n / cpu),
        "unit": "events to guided, durable, per CPU-second",
        "n": n,
    }
    found |= {"wall_per_s": round(n / wall), "goal": 100_000, "peer": "the same rows inserted plainly", "peer_value": round(n / peer)}
    found |= {"ratio": round(peer / cpu, 3)}
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
