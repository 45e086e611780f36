"""Prepaid sessions authorised: reserve and commit by many at once, durable, with their latency; the disk's own fsync beside it.

`group` is the service as it is, `peer` the same steps each in a transaction of its own with the driver alone. Then over HTTP.

python -m benchmarks.authorise [--json] [--quick]
"""

import argparse
import asyncio
import json
import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bss.balance import Balances, Outcome
from station.clock import NS_PER_S
from station.scope import OPERATOR_TENANT, Role, Scope
from station.state import State

OWNERS: Final = 1_000
AT_ONCE: Final = 64
NOW: Final = 1_790_000_000 * NS_PER_S
CLERK: Final = Scope(tenant=OPERATOR_TENANT, role=Role.BILLING, user="bench")


async def funded(folder: Path, name: str = "state") -> tuple[State, Balances]:
    state = State(f"sqlite+aiosqlite:///{folder / name}.db")
    await state.create_all()
    held = Balances(state)
    for n in range(OWNERS):
        await held.top_up(CLERK, f"owner-{n}", "octets", 1 << 40, "voucher", NOW)
    return state, held


async def sessions(held: Balances, steps: int, rate: float) -> list[float]:
    """Reserve, then commit, by AT_ONCE sessions that together offer `rate` steps a second (0: as fast as they go); seconds of each."""
    took: list[float] = []
    began = time.perf_counter()

    async def session(number: int) -> None:
        for n in range(number, steps // 2, AT_ONCE):
            if rate:
                await asyncio.sleep(max(0.0, began + 2 * n / rate - time.perf_counter()))
            owner, hold = f"owner-{n % OWNERS}", ""
            for kind in ("reserve", "commit"):
                asked = time.perf_counter()
                if kind == "reserve":
                    outcome, hold = await held.reserve(CLERK, owner, "octets", 1_000, f"s{n}", NOW)
                else:
                    outcome = await held.commit(CLERK, hold, 900, NOW)
                took.append(time.perf_counter() - asked)
                assert outcome is Outcome.DONE

    await asyncio.gather(*(session(n) for n in range(AT_ONCE)))
    return took


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def fsync_p99_ms(folder: Path, n: int = 300) -> float:
    """What the disk takes to make a page durable."""
    took = []
    with (folder / "page").open("wb") as file:
        for _ in range(n):
            began = time.perf_counter()
            file.write(os.urandom(4096))
            file.flush()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return round(1000 * percentile(took, 0.99), 2)


def one_by_one(folder: Path, steps: int) -> float:
    """Steps a second of a plain driver: read the bucket, hold, note the hold, commit; then the other way."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE bucket (id TEXT PRIMARY KEY, amount INTEGER, held INTEGER)")
    db.execute("CREATE TABLE hold (id TEXT PRIMARY KEY, bucket TEXT, reserved INTEGER, state TEXT)")
    db.executemany("INSERT INTO bucket VALUES (?, ?, 0)", [(f"owner-{n}", 1 << 40) for n in range(OWNERS)])
    began = time.perf_counter()
    for n in range(steps // 2):
        owner = f"owner-{n % OWNERS}"
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE bucket SET held = held + 1000 WHERE id = ? AND amount - held >= 1000", (owner,))
        db.execute("INSERT INTO hold VALUES (?, ?, 1000, 'open')", (f"h{n}", owner))
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE bucket SET amount = amount - 900, held = held - 1000 WHERE id = ?", (owner,))
        db.execute("UPDATE hold SET state = 'committed' WHERE id = ?", (f"h{n}",))
        db.execute("COMMIT")
    rate = 2 * (steps // 2) / (time.perf_counter() - began)
    db.close()
    return rate


def request(number: int, batch: int) -> bytes:
    """A debit, or several in one request."""
    asked = [{"act": "debit", "owner": f"owner-{n % OWNERS}", "unit": "octets", "amount": 10, "key": f"{batch}-{n}"} for n in
             range(number * batch, (number + 1) * batch)]  # fmt: skip
    one = {name: value for name, value in asked[0].items() if name not in ("act", "owner")}
    path, body = (f"{asked[0]['owner']}/debits", one) if batch == 1 else ("steps", {"steps": asked})
    content = json.dumps(body).encode()
    head = f"POST /api/v1/balances/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def over_http(held: Balances, steps: int, batch: int = 1) -> dict[str, Any]:
    """The same steps by HTTP/1.1 at a server of its own in this process, keep-alive connections."""
    import uvicorn
    from fastapi import FastAPI

    from bss.money_api import balance_router
    from station.clock import VirtualClock

    app = FastAPI()
    app.include_router(balance_router(held, VirtualClock(NOW)))

    async def signed_in(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["scope"] = CLERK
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(signed_in, port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn says so by a flag alone
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    took: list[float] = []

    async def session(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in range(number, steps // batch, AT_ONCE):
            asked = time.perf_counter()
            writer.write(request(n, batch))
            said = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in said.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            took.append(time.perf_counter() - asked)
            assert said.startswith(b"HTTP/1.1 200"), said
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(session(n) for n in range(AT_ONCE)))
    wall = time.perf_counter() - began
    server.should_exit = True
    await task
    unit = "steps/s over HTTP, client in the same process" + (f", {batch} a request" if batch > 1 else "")
    said = {"name": "authorise_http" if batch == 1 else "authorise_http_batched", "value": round(steps / wall), "unit": unit, "n": steps}
    return said | {"p99_ms": round(1000 * percentile(took, 0.99), 1), "goal": 1_500}


async def figures(*, quick: bool) -> list[dict[str, Any]]:
    steps = 10_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state, held = await funded(folder)
        began = time.perf_counter()
        await sessions(held, steps, 0)
        fastest = steps / (time.perf_counter() - began)
        state_again, paced = await funded(folder, "paced")
        took = await sessions(paced, steps // 2, 2_500)
        http = [await over_http(held, steps // 4), await over_http(held, steps, 50)]
        await state.close()
        await state_again.close()
        disk, peer = fsync_p99_ms(folder), one_by_one(folder, steps // 4)
    about = {"fdatasync_p99_ms": disk}
    said = {"name": "authorise_steps", "value": round(fastest), "unit": "steps/s, durable", "n": steps, "goal": 5_000}
    return [
        said | {"peer": "sqlite3, a transaction a step", "peer_value": round(peer), "ratio": round(fastest / peer, 2), **about},
        {"name": "authorise_p99", "value": round(1000 * percentile(took, 0.99), 1), "unit": "ms at 2,500 steps/s", "goal": 10, **about},
        *http,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for figure in asyncio.run(figures(quick=options.quick)):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
