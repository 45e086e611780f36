"""A month of service levels from inventory, alarm history and the telemetry store to results, beside minutes in polars.

Each service stands on a port with a few outages; a tenth of the services are also promised latency, loss and jitter by
probes. The peer judges availability alone: a frame of minutes, marked down, averaged by service.

python -m benchmarks.sla [--json] [--quick]
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from fault.outages import outages
from fault.store import alarm, alarm_history
from inventory.store import customer, device, entity, service, service_binding
from perf.names import Names
from perf.sla.levels import Level, Levels
from perf.sla.slots import StoredSlots
from perf.sla.terms import Objective, Sla, Slas
from perf.store import TelemetryStore
from station.catalogue import code_of
from station.clock import NS_PER_S, VirtualClock
from station.scope import STATION
from station.state import State
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess

MONTH, DAYS = "2026-10", 31
START = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
END_NS = (START + DAYS * 86_400) * NS_PER_S
PORTS = 50  # of each device
CHUNK = 5_000
OUTAGES = 3  # of each service
PROBED = ("rtt_p50", "loss", "jitter")
PLAIN = Sla(summary="s", availability=Decimal("99.9"))
FINE = Sla(
    summary="s",
    availability=Decimal("99.95"),
    objectives=(
        Objective(sli="latency", at_most=Decimal(20)),
        Objective(sli="loss", at_most=Decimal("0.1"), over="mean"),
        Objective(sli="jitter", at_most=Decimal(5), over="p95"),
    ),
)


async def filled(state: State, n: int) -> list[tuple[int, int, int]]:
    """n services with their ports and outages; the outages as (service, from, to) in seconds of the month."""
    await state.create_all()
    rng = np.random.default_rng(1)
    begins = rng.integers(0, DAYS * 86_400 - 4_000, (n, OUTAGES))
    ends = begins + rng.integers(30, 3_600, (n, OUTAGES))
    down = [(i, int(low), int(high)) for i in range(n) for low, high in zip(begins[i], ends[i], strict=True)]
    tables = [*_inventory(n), *_history(down)]
    async with state.write() as conn:
        for table, rows in tables:
            known = {c.name for c in table.columns}
            for at in range(0, len(rows), CHUNK):
                await conn.execute(sa.insert(table), [{k: v for k, v in row.items() if k in known} for row in rows[at : at + CHUNK]])
    return down


def _inventory(n: int) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    """One customer's services, PORTS of them on each device."""
    devices = [
        {"no": d, "id": f"d{d}", "identity": f"d{d}", "name": f"r{d}", "management_address": "10.0.0.1"} for d in range(1, n // PORTS + 2)
    ]
    where = [{"device_no": i // PORTS + 1, "entity_no": i % PORTS + 1} for i in range(n)]
    yield customer, [{"tenant": 1, "id": "c", "number": "K-1", "name": "Customer", "address": ""}]
    yield device, [{"tenant": 1} | row for row in devices]
    yield entity, [{"tenant": 1, "id": f"p{i}", "kind": "interface", "name": f"e{i}"} | port for i, port in enumerate(where)]
    common = {"tenant": 1, "name": "Internet", "customer_id": "c"}
    yield service, [common | {"id": f"s{i}", "number": f"S-{i:06d}", "sla": "plain" if i % 10 else "fine"} for i in range(n)]
    always = {"tenant": 1, "role": "access", "valid_from_ns": 0, "valid_to_ns": 0}
    yield service_binding, [always | {"id": f"b{i}", "service_id": f"s{i}"} | port for i, port in enumerate(where)]


def _history(down: Sequence[tuple[int, int, int]]) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    """An alarm for each outage, raised and cleared."""
    blank, empty = ({c.name: 0 if isinstance(c.type, sa.Integer) else "" for c in table.columns} for table in (alarm, alarm_history))
    kind = {"tenant": 1, "alarm_type": "communications.link_down"}
    yield alarm, [blank | kind | {"id": f"a{k}", "resource": f"p{i}", "qualifier": str(k)} for k, (i, _, _) in enumerate(down)]
    steps = [(k, step, (START + at) * NS_PER_S) for k, (_, low, high) in enumerate(down) for step, at in enumerate((low, high))]
    one = {"tenant": 1}
    yield alarm_history, [empty | one | {"alarm_id": f"a{k}", "seq": step, "time_ns": at, "is_cleared": step} for k, step, at in steps]


async def measured(client: TelemetryClient, n: int) -> None:
    """Every port heard in every hour; three probes of every device in every slot."""
    hours, slots = DAYS * 24, DAYS * 288
    key = f"bitOr(bitShiftLeft(toUInt64(intDiv(number, {hours}) DIV {PORTS} + 1), 16), toUInt64(intDiv(number, {hours}) % {PORTS} + 1))"
    heard = f"SELECT {key}, toDateTime({START} + (number % {hours}) * 3600, 'UTC'), 60, 60, 1 FROM numbers({n * hours})"
    await client.command(f"INSERT INTO interface_1h (entity, time, count, good, version) {heard}")
    for name in PROBED:
        series = f"bitOr(bitShiftLeft(toUInt64(intDiv(number, {slots}) + 1), 24), {code_of(f'icmp.{name}')})"
        value = "0" if name == "loss" else "0.004 + (cityHash64(number) % 1000) / 1e6"
        await client.command(
            f"INSERT INTO sample_5m (series, time, count, min, mean, max, version) SELECT {series}, "
            f"toDateTime({START} + (number % {slots}) * 300, 'UTC'), 5, {value} AS v, v, v, 1 FROM numbers({(n // PORTS + 1) * slots})"
        )


def by_minutes(n: int, down: Sequence[tuple[int, int, int]]) -> list[float]:
    """The peer: a frame of a thousand services' minutes at a time, in polars (pandas needs ten times the memory)."""
    found: list[float] = []
    for at in range(0, n, 1_000):
        count = min(1_000, n - at)
        lost = np.zeros((count, DAYS * 1440), np.bool_)
        for i, low, high in down:
            if at <= i < at + count:
                lost[i - at, low // 60 : high // 60 + 1] = True
        frame = pl.DataFrame({"service": np.repeat(np.arange(count), DAYS * 1440), "down": lost.ravel()})
        found += (100 - 100 * frame.group_by("service", maintain_order=True).agg(pl.col("down").mean())["down"]).to_list()
    return found


async def figure(n: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        state = State(f"sqlite+aiosqlite:///{Path(name) / 'state.db'}")
        down = await filled(state, n)
        async with OwnerProcess(Path(name) / "telemetry", memory_mb=2_000) as owner:
            client = TelemetryClient(owner.url, query_timeout_s=300)
            await schema.create(client, TelemetrySettings(raw_days=365, five_minute_days=3_650, hour_months=120))
            await measured(client, n)
            store = TelemetryStore(client, Names(_nothing))
            slas = Slas({"plain": PLAIN, "fine": FINE})
            levels = Levels(
                state, store, StoredSlots(client), slas, VirtualClock(END_NS + NS_PER_S), outages=outages, planned=lambda *_: ()
            )
            began, spent = time.perf_counter(), time.process_time()
            found = await levels.of_month(STATION, MONTH)
            wall, cpu = time.perf_counter() - began, time.process_time() - spent
            await client.close()
        await state.close()
    _checked(found, n)
    began = time.perf_counter()
    theirs = by_minutes(n, down)
    peer = time.perf_counter() - began
    worst = max(abs(float(level.result.availability or 0) - other) for level, other in zip(found, theirs, strict=True))
    assert worst < 0.05, f"the two ways differ by {worst} percent"
    scaled = {"value": round(wall * 10_000 / n, 2), "cpu_s": round(cpu * 10_000 / n, 2), "peer_value": round(peer * 10_000 / n, 2)}
    said = {"name": "sla_month", "unit": "wall-s for 10,000 services", "n": n, "with_objectives": n // 10, "goal": 5}
    return said | scaled | {"peer": f"minutes in polars {pl.__version__}", "ratio": round(peer / wall, 2)}


def _nothing() -> Any:
    from inventory.topology import Topology

    return Topology(1, {}, {}, {}, {}, {}, {})


def _checked(found: Sequence[Level], n: int) -> None:
    """Every service was judged, and every objective by slots that are known."""
    assert len(found) == n
    assert all(level.result.unknown_ns == 0 for level in found)
    fine = [one for level in found for one in level.objectives]
    assert len(fine) == 3 * len(range(0, n, 10)) and all(one.known == one.counted > 8_000 for one in fine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    said = asyncio.run(figure(2_000 if options.quick else 10_000))
    print(json.dumps(said) if options.json else "  ".join(f"{name} {value}" for name, value in said.items()), flush=True)


if __name__ == "__main__":
    main()
