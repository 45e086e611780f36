"""kill -9 while dunning: every stage is entered once, and the network is asked again only by the same request."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bss.dunning.cases import Dunning
from bss.dunning.fulfilment import Request
from bss.dunning.runner import Runner
from bss.dunning.settings import DunningSettings
from bss.dunning.store import dunning_request, dunning_step, service_restriction
from bss.dunning.terms import shipped
from bss.receivables.payments import Payments
from bss.receivables.proposals import Proposals
from bss.receivables.store import receivable
from station.clock import VirtualClock
from station.scope import STATION
from station.security import audit
from station.state import State
from tests.billing_bridge.metered import CLERK, add_customer, add_service, at, network

CUSTOMERS = 4
DAYS = ("2026-07-03", "2026-07-14", "2026-07-21", "2026-07-30", "2026-08-14")
ACTS = ["notice", "notice", "throttle", "walled_garden", "suspend"]


class Told:
    """A way that says each request before it answers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def carry_out(self, asked: Request) -> str:
        self.said.append(f"{asked.customer_id} {asked.act} {asked.id}")
        sys.stdout.write(self.said[-1] + "\n")
        sys.stdout.flush()
        return "told"


async def _dun(url: str) -> list[str]:
    """Live through the days from wherever a station before came to."""
    state, way = State(url), Told()
    proposals = Proposals(Payments(state, ZoneInfo("UTC")), 0)
    for day in DAYS:
        running = Runner(
            state, Dunning(proposals, "standard", shipped()["standard"]), way, DunningSettings(), VirtualClock(at(day)), STATION, frozenset
        )
        await running.turn()
    await state.close()
    return way.said


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 6, 13])
async def test_a_killed_station_enters_no_stage_twice_and_loses_no_request(after: int, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'state.db'}"
    state = State(url)
    await network(state)
    for n in range(1, CUSTOMERS + 1):
        await add_service(state, n, await add_customer(state, n), "volume", {})
        row = {"tenant": 1, "id": f"i-{n}", "kind": "invoice", "number": f"I-{n}", "customer_id": f"customer-{n}", "currency": "EUR"}
        async with state.write() as conn:
            await conn.execute(sa.insert(receivable).values(**row, amount_minor=900, issued_on="2026-06-01", due_on="2026-06-30"))
    before = await asyncio.to_thread(_killed, url, after)
    rest = await _dun(url)
    assert all(count <= 2 for count in Counter(before + rest).values())  # what was not noted is asked again, by its own id
    for n in range(1, CUSTOMERS + 1):
        mine = dict.fromkeys(line.split()[1:][1] for line in before + rest if line.startswith(f"customer-{n} "))
        assert len(mine) == len(ACTS)
    async with state.read() as conn:
        entered = (await conn.execute(sa.select(dunning_step.c.customer_id, dunning_step.c.cause))).all()
        done = [row.act for row in await conn.execute(sa.select(dunning_request).where(dunning_request.c.state == "done"))]
        standing = {row.act for row in await conn.execute(sa.select(service_restriction))}
    assert len(entered) == len(set(entered)) == CUSTOMERS * len(ACTS)
    assert sorted(done) == sorted(ACTS * CUSTOMERS) and standing == {"suspend"}
    assert await audit.verify(state) is None and CLERK.tenant == 1
    await state.close()


def _killed(url: str, after: int) -> list[str]:
    """Run a station and kill it once it asked for so much; what it said."""
    with subprocess.Popen([sys.executable, "-m", "tests.bss.test_dunning_crash", url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline().strip() for _ in range(after)]
        child.send_signal(signal.SIGKILL)
        said += [line.strip() for line in child.stdout if line.endswith("\n")]
    assert child.returncode == -signal.SIGKILL and all(said)
    return said


if __name__ == "__main__":
    asyncio.run(_dun(sys.argv[1]))
