"""kill -9 at each named step of a bill run, then run again: one invoice per customer, no gap in the numbers."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing_bridge.meter import Meter
from bss.billing import Biller, reproduce
from bss.tariffs import Tariffs
from station.data import data_dir
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, network, polled
from tests.bss.test_bss_billing import BSS, JULY, JUNE, SETTINGS, biller, burst, invoices

POINTS = (
    "before_run",
    "after_run_fixed",
    "before_invoices:customer:K-1",
    "numbered:customer:K-1",
    "numbered:customer:K-2",
    "before_commit:customer:K-1",
    "after_invoices:customer:K-1",
    "before_close",
    "after_close",
)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_bill_run_is_finished_by_the_next(point: str, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'state.db'}"
    state = State(url)
    await network(state)
    for n in (1, 2):
        await add_service(state, n, await add_customer(state, n), "burst95", {n: (0, 0)})
    source = ArraySource({PORT[n]: polled(JUNE, JUNE + 2 * DAY_NS, burst) for n in (1, 2)})
    await Meter(state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "tests.bss.test_bss_crash", url, point], check=False)
    assert died.returncode == -signal.SIGKILL
    await biller(state).run(CLERK, "2026-06", JULY + 4 * DAY_NS)
    rows = await invoices(state)
    assert [(row["number"], row["customer_id"]) for row in rows] == [
        ("INV-2026-000001", "customer-1"),
        ("INV-2026-000002", "customer-2"),
    ]
    for row in rows:
        assert await reproduce(state, CLERK, str(row["id"])) == row["document"]
    await state.close()


def die_at(url: str, point: str) -> None:
    """Run the month and be killed at the named step."""

    def checkpoint(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    made = Biller(State(url), Tariffs(data_dir("config/tariffs")), BSS, SETTINGS, checkpoint)
    asyncio.run(_run(made))


async def _run(made: Biller) -> None:
    await made.run(CLERK, "2026-06", JULY + 3 * DAY_NS)


if __name__ == "__main__":
    die_at(*sys.argv[1:])
