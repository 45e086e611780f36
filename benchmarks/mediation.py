"""Usage records from arrival to guided, durable on SQLite: other systems' events, per CPU-second.

python -m benchmarks.mediation [--json] [--quick]

The peer is the same lines read and inserted plainly with the driver and committed once per batch: no verdict, no chain, no guiding.
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
from billing_bridge.usage import VerdictKind
from inventory.store import customer, service
from station.clock import NS_PER_S
from station.scope import STATION
from station.state import State

BATCH = 10_000
SERVICES = 100
NOW_NS = 1_785_000_000 * NS_PER_S


def made(n: int) -> list[bytes]:
    """Lines of JSON as another system's export has them."""
    named = {"source": "switch", "meter": "voice_seconds", "quantity": 60}
    return [
        json.dumps(named | {"external_id": f"c{i}", "service": f"S-{i % SERVICES}", "time_ns": NOW_NS - i}).encode()
        for i in range(1, n + 1)
    ]


async def guided(lines: list[bytes]) -> tuple[float, float]:
    """(CPU, wall) seconds until every line is read, stored, chained, counted and guided."""
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
        for at in range(0, len(lines), BATCH):
            arrived = [EventIn.model_validate_json(line) for line in lines[at : at + BATCH]]
            verdicts = await events.take(state, STATION, arrived, BillingSettings(), NOW_NS)
            assert all(verdict.kind == VerdictKind.ACCEPTED for verdict in verdicts)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        await state.close()
    return cpu, wall


def plain(lines: list[bytes]) -> float:
    """CPU seconds to insert the same facts with nothing around them."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "plain.db")
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e(id TEXT PRIMARY KEY, s TEXT, t INT, q INT)"
        )
        began = time.process_time()
        for at in range(0, len(lines), BATCH):
            said = [json.loads(line) for line in lines[at : at + BATCH]]
            rows = [(one["external_id"], one["service"], one["time_ns"], one["quantity"]) for one in said]
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
    lines = made(20_000 if options.quick else 100_000)
    cpu, wall = asyncio.run(guided(lines))
    peer = plain(lines)
    n = len(lines)
    found: dict[str, Any] = {
        "name": "mediation_events",
        "value": round(n / cpu),
        "unit": "events to guided, durable, per CPU-second",
        "n": n,
    }
    found |= {
        "wall_per_s": round(n / wall),
        "goal": 100_000,
        "peer": "the same lines read and inserted plainly",
        "peer_value": round(n / peer),
    }
    found |= {"ratio": round(peer / cpu, 3)}
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
