"""The crash benchmark's world torn a few times, and that its judge sees what it is there to see."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.billing_crash import judged, simulated
from billing_bridge.store import usage_billed
from bss.store import invoice
from station.state import State

pytestmark = pytest.mark.slow
WRONG = ("lost", "doubled", "gaps", "unequal", "ledger_off")


def wrong(found: dict[str, int]) -> list[str]:
    return [name for name in WRONG if found[name]]


def test_a_world_torn_at_seeded_points_loses_and_doubles_nothing(tmp_path: Path) -> None:
    found = asyncio.run(simulated(25, 7, tmp_path))
    assert wrong(found) == [] and found["invoices"] > 2


@pytest.mark.parametrize(
    ("sabotage", "name"),
    [
        (sa.delete(usage_billed).where(usage_billed.c.portion == 0), "lost"),
        (sa.update(invoice).where(invoice.c.seq == 2).values(seq=77), "gaps"),
        (sa.update(invoice).where(invoice.c.seq == 1).values(gross_minor=invoice.c.gross_minor + 1), "ledger_off"),
        (sa.update(invoice).where(invoice.c.seq == 1).values(document="{}"), "unequal"),
    ],
)
def test_the_judge_sees_what_is_wrong(sabotage: Any, name: str, tmp_path: Path) -> None:
    async def spoilt() -> dict[str, int]:
        state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
        async with state.write() as conn:
            await conn.execute(sabotage)
        found = await judged(state, 4)  # four batches and the run of the first month
        await state.close()
        return found

    asyncio.run(simulated(0, 7, tmp_path))
    assert wrong(asyncio.run(spoilt())) == [name]
