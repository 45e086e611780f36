"""Usage records from arrival to guided, durable on SQLite: other systems' events, per CPU-second, with many stored already.

python -m benchmarks.mediation [--json] [--quick] [--stored N]

The peer is the same lines read and inserted plainly with the driver and committed once per batch: no verdict, no chain, no guiding.
It has as many rows stored.
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
from station.lean import settle
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


def fill(path: Path, n: int) -> None:
    """So many events as another year left them; their ids lie evenly among all that a hash can be."""
    step = 16**12 // max(n, 1)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute(
            "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ? - 1) INSERT INTO usage_event SELECT 1, 'old', "
            "i / 10000, 1, printf('%012x', i * ?) || substr(hex(i), 1, 4) || '0000000000000000000000000000000000000000000000000000', "
            "'o' || i, 'voice_seconds', 'S-1', ? + i, 60, '', 'guided', '', 's1', 'c' FROM c WHERE ? > 0",
            (n, step, NOW_NS - 10**17, n),
        )
    database.close()


async def guided(lines: list[bytes], stored: int) -> tuple[float, float]:
    """(CPU, wall) seconds until every line is read, stored, chained, counted and guided."""
    with tempfile.TemporaryDirectory() as folder:
        state = State(f"sqlite+aiosqlite:///{Path(folder) / 'state.db'}")
        await state.create_all()
        await asyncio.to_thread(fill, Path(folder) / "state.db", stored)
        async with state.write() as conn:
            await conn.execute(sa.insert(customer).values(tenant=1, id="c", number="K-1", name="C"))
            rows = [
                {"tenant": 1, "id": f"s{n}", "number": f"S-{n}", "name": "V", "customer_id": "c", "tariff": "t"} for n in range(SERVICES)
            ]
            await conn.execute(sa.insert(service), rows)
        settle()  # as a station does once it has started
        cpu, wall = time.process_time(), time.perf_counter()
        for at in range(0, len(lines), BATCH):
            arrived = [EventIn.model_validate_json(line) for line in lines[at : at + BATCH]]
            verdicts = await events.take(state, STATION, arrived, BillingSettings(), NOW_NS)
            assert all(verdict.kind == VerdictKind.ACCEPTED for verdict in verdicts)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        await state.close()
    return cpu, wall


def plain(lines: list[bytes], stored: int) -> float:
    """CPU seconds to insert the same facts with nothing around them."""
    ids = f"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {stored}) "
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "plain.db")
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e(id TEXT PRIMARY KEY, s TEXT, t INT, q INT)"
        )
        if stored:
            database.execute(ids + "INSERT INTO e SELECT 'o' || i, 'S-1', i, 60 FROM c")
            database.commit()
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
    parser.add_argument("--stored", type=int, default=-1, help="events that are there already")
    options = parser.parse_args()
    lines = made(20_000 if options.quick else 100_000)
    stored = options.stored if options.stored >= 0 else 200_000 if options.quick else 5_000_000
    cpu, wall = asyncio.run(guided(lines, stored))
    peer = plain(lines, stored)
    n = len(lines)
    found: dict[str, Any] = {
        "name": "mediation_events",
        "value": round(n / cpu),
        "unit": "events to guided, durable, per CPU-second",
        "n": n,
        "stored": stored,
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
