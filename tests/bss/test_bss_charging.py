"""Charging in batches is charging one after the other: nothing is given twice, and what is put in is used, held or free."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bss import balance
from bss.balance import Balances, BusyError
from bss.charging import Book, Bucket, Outcome, Step, run
from station.state import State
from tests.billing_bridge.metered import CLERK, NS

NOW = 1_790_000_000 * NS
KINDS = st.sampled_from(["reserve", "debit", "commit", "release"])
plans = st.lists(st.tuples(KINDS, st.integers(0, 4), st.integers(1, 40), st.integers(0, 5)), max_size=30)


def step(kind: Any, which: int, amount: int, later: int) -> Step:
    now_ns = NOW + later * NS
    return Step(kind, f"hold-{which}", now_ns, amount, "c" if kind in ("reserve", "debit") else "", "EUR", now_ns + 3 * NS)


def book() -> Book:
    return Book({"a": Bucket("a", "EUR", 50, 0, NOW + 4 * NS, "c"), "b": Bucket("b", "EUR", 30, 0, 0, "c")})


@given(plans)
def test_what_is_there_is_free_or_held_by_what_is_open(plan: list[tuple[Any, int, int, int]]) -> None:
    held = book()
    for each in plan:
        held.take(step(*each))
        open_ = [part for hold in held.holds.values() if hold.state == "open" for part in hold.parts]
        used = sum(part.used for hold in held.holds.values() for part in hold.parts)
        for one in held.buckets.values():
            assert one.held == sum(part.reserved for part in open_ if part.bucket_id == one.id)
        assert sum(one.amount for one in held.buckets.values()) == 80 - used


@given(plans, st.integers(1, 5))
def test_a_batch_comes_to_what_its_steps_come_to_one_by_one(plan: list[tuple[Any, int, int, int]], size: int) -> None:
    steps, alone, together = [step(*each) for each in plan], book(), book()
    outcomes: list[Outcome] = []
    for at in range(0, len(steps), size):
        outcomes += run(together, steps[at : at + size])
    assert outcomes == run(alone, steps)
    assert alone.buckets == together.buckets


@pytest.fixture
async def held(any_state: State) -> Balances:
    await any_state.create_all()
    made = Balances(any_state)
    await made.top_up(CLERK, "c", "EUR", 1_000, "voucher", NOW)
    return made


@pytest.mark.slow
async def test_steps_of_many_sessions_at_once_share_transactions_and_never_overdraw(held: Balances) -> None:
    found = await asyncio.gather(*(held.debit(CLERK, "c", "EUR", 30, f"event-{n}", NOW) for n in range(60)))
    assert sorted(outcome for outcome, _ in found) == ["done"] * 33 + ["insufficient"] * 27
    again = await asyncio.gather(*(held.debit(CLERK, "c", "EUR", 30, f"event-{n}", NOW) for n in range(60)))
    assert [outcome for outcome, _ in again] == [outcome for outcome, _ in found], "a repeated step answers what the first did"
    (left,) = await held.buckets(CLERK, "c", "EUR", NOW)
    assert (left.amount, left.held) == (10, 0)


@pytest.mark.slow
async def test_another_customer_s_hold_is_unknown(held: Balances) -> None:
    _, hold = await held.reserve(CLERK, "c", "EUR", 30, "s", NOW)
    other = replace(CLERK, customers=("somebody else",))
    assert await held.commit(other, hold, 10, NOW) == await held.release(other, hold, NOW) == Outcome.UNKNOWN
    assert await held.commit(replace(CLERK, customers=("c",)), hold, 10, NOW) == Outcome.DONE


@pytest.mark.slow
async def test_two_stations_on_one_store_give_nothing_twice(any_state: State) -> None:
    await any_state.create_all()
    one, other = Balances(any_state), Balances(any_state)
    await one.top_up(CLERK, "c", "EUR", 100, "voucher", NOW)
    asked = (side.debit(CLERK, "c", "EUR", 7, f"{n}-{side is one}", NOW) for n in range(20) for side in (one, other))
    found = await asyncio.gather(*asked)
    assert sum(outcome is Outcome.DONE for outcome, _ in found) == 14
    assert sum(bucket.amount for bucket in await one.buckets(CLERK, "c", "EUR", NOW)) == 2


@pytest.mark.slow
async def test_a_store_that_fails_fails_the_asker_and_nobody_after(tmp_path: Path) -> None:
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    held = Balances(state)
    with pytest.raises(Exception, match="no such table"):
        await held.reserve(CLERK, "c", "EUR", 1, "s", NOW)
    await state.create_all()
    assert (await held.reserve(CLERK, "c", "EUR", 1, "s", NOW))[0] is Outcome.INSUFFICIENT
    await state.close()


@pytest.mark.slow
async def test_more_than_can_wait_are_refused_at_once(held: Balances, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "WAITING_MAX", 3)
    found = await asyncio.gather(*(held.debit(CLERK, "c", "EUR", 1, f"e{n}", NOW) for n in range(5)), return_exceptions=True)
    assert sum(isinstance(one, BusyError) for one in found) == 2
    assert sum(bucket.amount for bucket in await held.buckets(CLERK, "c", "EUR", NOW)) == 997
