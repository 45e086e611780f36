"""A bill run to frozen invoices without PDF, beside the scalar oracle alone on the same services; then PDFs a second.

python -m benchmarks.bill_run [--json] [--quick]
"""

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from billing_bridge.periods import Period
from billing_bridge.settings import BillingSettings
from bss import pdf
from bss.billing import Biller
from bss.rating.price import ServiceUsage
from bss.settings import BssSettings
from bss.store import invoice
from bss.tariffs import Tariffs, parse, rate
from inventory.store import customer, service
from station.clock import NS_PER_S
from station.scope import STATION
from station.state import State

SERVICES = 4  # of each account, with five lines each
CHUNK = 5_000
FLAT = '[[charges]]\nkind = "flat"\ndescription = "{words}"\namount = "{amount}"\n'
TARIFF = (
    'summary = "A bundle"\ncurrency = "EUR"\nrounding = "half_up"\n'
    + FLAT.format(words="Access line", amount="39.90")
    + FLAT.format(words="Router", amount="4.99")
    + '[[charges]]\nkind = "volume"\ntiers = [{ price = "0.05" }]\n'
    + '[[charges]]\nkind = "discount"\npercent = "10"\nof = [1]\n'
    + '[[charges]]\nkind = "minimum"\namount = "25"\n'
)
AUGUST_NS = int(datetime(2026, 8, 4, tzinfo=UTC).timestamp()) * NS_PER_S


async def accounts(state: State, n: int) -> None:
    await state.create_all()
    who = [{"tenant": 1, "id": f"c{i}", "number": f"K-{i:06d}", "name": f"Customer {i}", "address": "Kai 1"} for i in range(n)]
    names = [(i, k) for i in range(n) for k in range(SERVICES)]
    what = [
        {"tenant": 1, "id": f"s{i}-{k}", "number": f"S-{i:06d}-{k}", "name": "Internet", "customer_id": f"c{i}", "tariff": "bundle"}
        for i, k in names
    ]
    async with state.write() as conn:
        for table, rows in ((customer, who), (service, what)):
            for at in range(0, len(rows), CHUNK):
                await conn.execute(sa.insert(table), rows[at : at + CHUNK])


async def billed(n: int, pages: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tariffs" / "bundle").mkdir(parents=True)
        (folder / "tariffs" / "bundle" / "2026-01-01.toml").write_text(TARIFF)
        state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
        await accounts(state, n)
        biller = Biller(state, Tariffs(folder / "tariffs"), BssSettings(), BillingSettings())
        wall, cpu = time.perf_counter(), time.process_time()
        report = await biller.run(STATION, "2026-07", AUGUST_NS, pages=False)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        async with state.read() as conn:
            documents = [json.loads(text) for text in (await conn.execute(sa.select(invoice.c.document).limit(pages))).scalars()]
            last = (await conn.execute(sa.select(sa.func.max(invoice.c.seq)))).scalar_one()
        await state.close()
    assert (report.made, last) == (n, n) and all(len(document["lines"]) == 5 * SERVICES for document in documents)
    oracle = rated_alone(n)
    began = time.process_time()
    for document in documents:
        pdf.render(document)
    spent = time.process_time() - began
    run = {"name": "bill_run", "value": round(wall * 10_000 / n, 1), "unit": "wall-s for 10,000 accounts x 20 lines", "n": n, "goal": 60}
    run |= {"cpu_s": round(cpu * 10_000 / n, 1), "peer": "the rating alone, record by record, CPU-s"}
    run |= {"peer_value": round(oracle * 10_000 / n, 1), "ratio": round(oracle / cpu, 3)}
    return [run, {"name": "invoice_pdf", "value": round(pages / spent, 1), "unit": "pages per CPU-second", "n": pages, "goal": 5}]


def rated_alone(n: int) -> float:
    """CPU seconds to rate the same services with the oracle, and nothing else."""
    version = parse("bundle", date(2026, 1, 1), TARIFF)
    usage = ServiceUsage(Period(0, 0, "2026-07"), 31, 31)
    began = time.process_time()
    for _ in range(n * SERVICES):
        rate(version, usage)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for figure in asyncio.run(billed(*((500, 5) if options.quick else (10_000, 20)))):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
