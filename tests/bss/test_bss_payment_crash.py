"""kill -9 while payments are recorded: what was acknowledged stands once, what was not is whole or not there."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bss import ledger
from bss.receivables import account as accounts
from bss.receivables.payments import Payments, Told
from bss.receivables.store import payment, receivable
from station.state import State
from tests.billing_bridge.metered import CLERK, add_customer, at, network

NOW = at("2026-07-10")
KILLED_AFTER = (1, 7)  # acknowledged payments
EACH, OWED = 300, 1_000


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged", KILLED_AFTER)
async def test_a_killed_clerk_leaves_every_acknowledged_payment_once(acknowledged: int, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'state.db'}"
    state = State(url)
    await network(state)
    await add_customer(state, 1)
    row = {"tenant": 1, "id": "A", "kind": "invoice", "number": "A", "customer_id": "customer-1", "currency": "EUR"}
    async with state.write() as conn:
        await conn.execute(sa.insert(receivable).values(**row, amount_minor=OWED, issued_on="2026-06-01", due_on="2026-07-01"))
    said = await asyncio.to_thread(_killed, url, acknowledged)
    payments = Payments(state, ZoneInfo("UTC"))
    async with state.read() as conn:
        held = await accounts.load(conn, 1, "customer-1")
        stored = set((await conn.execute(sa.select(payment.c.reference))).scalars())
        booked = await ledger.balances(conn, CLERK, "customer-1")
    assert set(said) <= stored and len(said) >= acknowledged
    paid = EACH * len(stored)
    assert booked["Assets:Cash", "EUR"] == paid and sum(booked.values()) == 0
    assert (held.items[0].open_minor, sum(one.left_minor for one in held.sources)) == (max(0, OWED - paid), max(0, paid - OWED))
    for reference in sorted(stored):  # the clerk tells everything again
        assert not (await payments.record(CLERK, _told(reference), NOW)).new
    await state.close()


def _killed(url: str, acknowledged: int) -> list[str]:
    """Run a clerk and kill it once so many payments were acknowledged; their references."""
    with subprocess.Popen([sys.executable, "-m", "tests.bss.test_bss_payment_crash", url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline().strip() for _ in range(acknowledged)]
        child.send_signal(signal.SIGKILL)
        said += [line.strip() for line in child.stdout if line.endswith("\n")]
    assert child.returncode == -signal.SIGKILL and all(said)
    return said


def _told(reference: str) -> Told:
    return Told(reference, "customer-1", "EUR", EACH, "bank_transfer", "2026-07-09")


async def _clerk(url: str) -> None:
    payments, n = Payments(State(url), ZoneInfo("UTC")), 0
    while True:
        n += 1
        await payments.record(CLERK, _told(f"bank-{n}"), NOW)
        sys.stdout.write(f"bank-{n}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_clerk(sys.argv[1]))
