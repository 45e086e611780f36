"""What many looks found is written together; a look that cannot be written spoils none of the others."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import intake
from inventory.facts import DeviceFacts, InterfaceFacts
from inventory.intake import TOGETHER_MAX, Intake
from inventory.reconcile import Reconciled, reconcile_in
from inventory.settings import SiteRule
from inventory.store import device
from station.clock import SystemClock
from station.scope import STATION, ForbiddenError, Role, Scope
from station.state import State


def facts(n: int) -> DeviceFacts:
    return DeviceFacts(f"192.0.2.{n}", 161, "default", f"r{n}", "", "", chassis_id=f"c:{n}", interfaces=(InterfaceFacts(1, "p1"),))


async def names(state: State) -> list[str]:
    async with state.read() as conn:
        return list((await conn.execute(sa.select(device.c.name).order_by(device.c.no))).scalars())


@pytest.mark.slow
async def test_who_waits_while_one_is_written_shares_the_next_transaction(any_state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    await any_state.create_all()
    transactions = []
    transact = any_state.transact

    async def counted(work: Any) -> Any:
        transactions.append(work)
        return await transact(work)

    monkeypatch.setattr(any_state, "transact", counted)
    taking = Intake(any_state, SystemClock())
    many = range(TOGETHER_MAX + 1)
    found = await asyncio.gather(*(taking.take(STATION, facts(n)) for n in many))
    assert all(one.new for one in found)
    assert await names(any_state) == [f"r{n}" for n in many]
    assert len(transactions) == 2  # the first alone, and all who came while it was written


async def test_two_addresses_of_one_device_seen_at_once_are_one_device(any_state: State) -> None:
    await any_state.create_all()
    taking = Intake(any_state, SystemClock())
    one, two = await asyncio.gather(*(taking.take(STATION, facts(n)) for n in (1, 1)))
    assert one.device_no == two.device_no and (one.new, two.new) == (True, False)


async def test_what_cannot_be_written_is_its_own_error_and_the_others_are_there(any_state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    await any_state.create_all()

    async def odd(conn: AsyncConnection, scope: Scope, one: DeviceFacts, now_ns: int, rules: Sequence[SiteRule]) -> Reconciled:
        found = await reconcile_in(conn, scope, one, now_ns, rules)
        if one.sys_name == "r2":
            raise ValueError("odd")
        return found

    monkeypatch.setattr(intake, "reconcile_in", odd)
    taking = Intake(any_state, SystemClock())
    found = await asyncio.gather(*(taking.take(STATION, facts(n)) for n in (1, 2, 3)), return_exceptions=True)
    assert [type(one) for one in found] == [Reconciled, ValueError, Reconciled]
    assert await names(any_state) == ["r1", "r3"]


async def test_a_cancelled_look_leaves_nobody_waiting(any_state: State) -> None:
    await any_state.create_all()
    taking = Intake(any_state, SystemClock())
    tasks = [asyncio.create_task(taking.take(STATION, facts(n))) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    async with asyncio.timeout(60):
        await asyncio.wait(tasks)
        assert (await taking.take(STATION, facts(4))).new


async def test_only_engineers_change_the_inventory(any_state: State) -> None:
    with pytest.raises(ForbiddenError):
        await Intake(any_state, SystemClock()).take(Scope(1, Role.OPERATOR, user="anna"), facts(1))
