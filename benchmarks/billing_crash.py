"""The money's way under kill -9: ingest, rating and bill run, nothing lost, nothing doubled, no gap in any number series.

A world of three customers lives from month to month: batches of usage are taken in, each sent again a few times as a source
does that had no answer, then the month is billed. In simulation it is torn off at a seeded point (before, in and after any
transaction, at each named step of a run) and goes on from what the store holds. For real, a child process does the same
work and is killed at random instants; it says what it had finished, and that must be there.

At the end: each event is held once and billed once, each invoice can be made again byte for byte, each series counts 1, 2,
3, each customer's spans meet, the ledger sums to nothing and its receivables are the invoices.

python -m benchmarks.billing_crash [--json] [--quick] [--points N] [--kills N] [--seed N]
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from billing_bridge import events
from billing_bridge.events import EventIn
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_billed, usage_event
from bss import ledger
from bss.billing import Biller, reproduce
from bss.settings import BssSettings
from bss.store import billed_period, billing_profile, invoice, rated_usage
from bss.tariffs import Tariffs
from inventory.store import customer, service
from station.clock import NS_PER_S
from station.scope import STATION
from station.state import State

CUSTOMERS, BATCHES, EVENTS, REPEATED = 3, 4, 12, 2
FIRST_MONTH = 24_000  # months since the year 0: January 2000
LIFE_S = (0.02, 1.5)  # how long a child lives, at random
REPRODUCED = 40  # invoices made again at the end of a world
TARIFF = (
    'summary = "Messages"\ncurrency = "EUR"\nrounding = "half_up"\n'
    '[[charges]]\nkind = "flat"\namount = "9.99"\nbilled = "advance"\n'
    '[[charges]]\nkind = "per_unit"\nmeter = "messages"\nunit = "message"\nunit_size = 1\nquantum = "1"\nprice = "0.07"\n'
)
T = TypeVar("T")


class TornError(Exception):
    """The process would be dead here."""


class Tear:
    """Counts the points that are passed, and tears at the one that is set."""

    def __init__(self) -> None:
        self.passed, self.at = 0, 0

    def __call__(self, name: str) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.at = 0
            raise TornError(name)


class TornState(State):
    """A store with a point before, at the end of, and after each transaction."""

    def __init__(self, url: str, tear: Tear) -> None:
        super().__init__(url)
        self._tear = tear

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        self._tear("before a transaction")
        async with super().write() as conn:
            yield conn
            self._tear("before its commit")
        self._tear("after its commit")

    async def transact(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        async def torn(conn: Any) -> T:
            done = await work(conn)
            self._tear("before its commit")
            return done

        self._tear("before a transaction")
        found = await super().transact(torn)
        self._tear("after its commit")
        return found


def month_of(n: int) -> str:
    return f"{(FIRST_MONTH + n) // 12:04d}-{(FIRST_MONTH + n) % 12 + 1:02d}"


def start_ns(n: int) -> int:
    return int(datetime.fromisoformat(f"{month_of(n)}-01").replace(tzinfo=UTC).timestamp()) * NS_PER_S


def batch(n: int, k: int) -> list[EventIn]:
    """Batch k of month n: the same whenever it is made."""
    at_ns = start_ns(n) + (5 + 2 * k) * 86_400 * NS_PER_S
    named: dict[str, Any] = {"source": "switch", "meter": "messages"}
    return [
        EventIn(**named, external_id=f"{n}-{k}-{i}", service=f"S-{i % CUSTOMERS}", time_ns=at_ns + i * NS_PER_S, quantity=1 + i % 7)
        for i in range(EVENTS)
    ]


async def begun(state: State, folder: Path) -> None:
    """Tables, customers (the last is paid for by the first), a service each, and the tariff."""
    (folder / "tariffs" / "t").mkdir(parents=True)
    (folder / "tariffs" / "t" / "2000-01-01.toml").write_text(TARIFF)
    await state.create_all()
    async with state.write() as conn:
        who = [{"tenant": 1, "id": f"c{n}", "number": f"K-{n}", "name": f"C{n}"} for n in range(CUSTOMERS)]
        await conn.execute(sa.insert(customer), who)
        named = {"tenant": 1, "name": "M", "tariff": "t"}
        what = [named | {"id": f"s{n}", "number": f"S-{n}", "customer_id": f"c{n}"} for n in range(CUSTOMERS)]
        await conn.execute(sa.insert(service), what)
        await conn.execute(sa.insert(billing_profile).values(tenant=1, customer_id=f"c{CUSTOMERS - 1}", payer_id="c0"))


async def live(state: State, folder: Path, step: int, checkpoint: Callable[[str], None], done: Callable[[int], None]) -> None:
    """Steps from `step` on without end: the batches of a month, then its bill run. `done` is told of each that stands."""
    biller = Biller(state, Tariffs(folder / "tariffs"), BssSettings(grace_h=0), BillingSettings(), checkpoint)
    while True:
        n, k = divmod(step, BATCHES + 1)
        if k < BATCHES:
            arrived = batch(n, k)
            await events.take(state, STATION, arrived, BillingSettings(), arrived[-1].time_ns + 3600 * NS_PER_S)
        else:
            report = await biller.run(STATION, month_of(n), start_ns(n + 1) + 86_400 * NS_PER_S, pages=False)
            assert not report.exceptions, report.exceptions
        done(step)
        step += 1


def again(step: int) -> int:
    """Where a new life begins: a few batches back, but never before a bill that stands."""
    return max(step - REPEATED, step // (BATCHES + 1) * (BATCHES + 1))


async def judged(state: State, last: int) -> dict[str, int]:
    """What is wrong when every step up to `last` stands: lost, doubled, gaps, and the rest; and how much was looked at."""
    months = (last + 1) // (BATCHES + 1)
    wanted = {event.id for step in range(last + 1) if step % (BATCHES + 1) < BATCHES for event in batch(*divmod(step, BATCHES + 1))}
    async with state.read() as conn:
        held = list((await conn.execute(sa.select(usage_event.c.id))).scalars())
        b = usage_billed.c
        billed = [tuple(row) for row in await conn.execute(sa.select(b.record_id, b.portion))]
        rows = (await conn.execute(sa.select(invoice).order_by(invoice.c.series, invoice.c.seq))).mappings().all()
        c = billed_period.c
        spans = (await conn.execute(sa.select(c.customer_id, c.start_ns, c.end_ns).order_by(c.customer_id, c.start_ns))).all()
        balances = await ledger.balances(conn, STATION)
        charged = await conn.execute(sa.select(rated_usage.c.computation).where(rated_usage.c.charge == "2.per_unit"))
        units = sum(json.loads(text)["base_units"] for text in charged.scalars())
    due = {event.id for n in range(months) for k in range(BATCHES) for event in batch(n, k)}
    series: dict[str, list[int]] = {}
    for row in rows:
        series.setdefault(row["series"], []).append(row["seq"])
    sampled = random.Random(last).sample(list(rows), min(REPRODUCED, len(rows)))
    remade = [await reproduce(state, STATION, row["id"]) == row["document"] for row in sampled]
    receivable = sum(amount for (account, _), amount in balances.items() if account.startswith("Assets:Receivable"))
    messages = sum(1 + i % 7 for i in range(EVENTS)) * BATCHES * months
    spans_off = sum(one.end_ns != other.start_ns for one, other in pairwise(spans) if one.customer_id == other.customer_id)
    return {
        "events": len(held),
        "invoices": len(rows),
        "lost": len(wanted - set(held)) + len(due - {id_ for id_, _ in billed}) + abs((CUSTOMERS - 1) * months - len(rows)),
        "doubled": len(held) - len(set(held)) + len(billed) - len(set(billed)) + abs(units - messages),
        "gaps": sum(found != list(range(1, len(found) + 1)) for found in series.values()) + spans_off,
        "unequal": remade.count(False),
        "ledger_off": abs(sum(balances.values())) + abs(receivable - sum(row["gross_minor"] for row in rows)),
    }


async def simulated(points: int, seed: int, folder: Path) -> dict[str, int]:
    """So many tears, one after the other in one world."""
    tear, rng, last = Tear(), random.Random(seed), -1
    state = TornState(f"sqlite+aiosqlite:///{folder / 'state.db'}", tear)
    await begun(state, folder)

    def done(step: int) -> None:
        nonlocal last
        last = max(last, step)
        if left <= 0 and step % (BATCHES + 1) == BATCHES:
            raise TornError("the end")

    left = points
    while True:
        left -= 1
        tear.passed, tear.at = 0, rng.randint(1, 30) if left >= 0 else 0
        try:
            await live(state, folder, again(last + 1), tear, done)
        except TornError as torn:
            if str(torn) == "the end":
                break
    found = await judged(state, last)
    await state.close()
    return found


def child(folder: str, step: int, said: Connection) -> None:
    """One life; it says each step that stands, and ends by being killed."""

    async def whole() -> None:
        await live(State(f"sqlite+aiosqlite:///{Path(folder) / 'state.db'}"), Path(folder), step, lambda _name: None, said.send)

    asyncio.run(whole())


def killed(kills: int, seed: int, folder: Path) -> dict[str, int]:
    """So many lives of a child process, each killed at a random instant; then what is open is finished here."""
    context, rng, last = multiprocessing.get_context("forkserver"), random.Random(seed), -1
    context.set_forkserver_preload(["bss.billing", "billing_bridge.events"])

    async def prepare() -> None:
        state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
        await begun(state, folder)
        await state.close()

    asyncio.run(prepare())
    for _ in range(kills):
        mine, theirs = context.Pipe(duplex=False)
        life = context.Process(target=child, args=(str(folder), again(last + 1), theirs))
        life.start()
        theirs.close()
        time.sleep(rng.uniform(*LIFE_S))
        life.kill()
        life.join()
        assert life.exitcode == -9, f"the child ended by itself: {life.exitcode}"
        try:
            while True:
                last = max(last, mine.recv())
        except EOFError:
            mine.close()
    return asyncio.run(_finished(folder, last))


async def _finished(folder: Path, last: int) -> dict[str, int]:
    """The month that was open to its end, and what is then there."""
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    end = last

    def done(step: int) -> None:
        nonlocal end
        end = max(end, step)
        if step % (BATCHES + 1) == BATCHES and step > last:
            raise TornError("the end")

    with suppress(TornError):
        await live(state, folder, again(last + 1), lambda _name: None, done)
    found = await judged(state, end)
    await state.close()
    return found


def figure(name: str, unit: str, n: int, found: dict[str, int], wall: float) -> dict[str, Any]:
    wrong = sum(found[key] for key in ("lost", "doubled", "gaps", "unequal", "ledger_off"))
    return {"name": name, "value": wrong, "unit": unit, "n": n, "goal": 0, **found, "wall_s": round(wall, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    points, kills = options.points or (300 if options.quick else 10_000), options.kills or (10 if options.quick else 300)
    wrong = 0
    works: list[tuple[str, str, int, Callable[[Path], dict[str, int]]]] = [
        ("billing_crash_simulated", "facts wrong after seeded tears", points, lambda at: asyncio.run(simulated(points, options.seed, at))),
        ("billing_crash_killed", "facts wrong after kill -9", kills, lambda at: killed(kills, options.seed, at)),
    ]
    for name, unit, n, work in works:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            found = figure(name, unit, n, work(Path(folder)), time.perf_counter() - began)
        print(json.dumps(found) if options.json else "  ".join(f"{key} {value}" for key, value in found.items()), flush=True)
        wrong += found["value"]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
