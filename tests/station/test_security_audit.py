"""The audit: what was done is written with it, and whatever is altered afterwards is found."""

import asyncio
import random
from contextlib import suppress

import pytest
import sqlalchemy as sa

from station.scope import STATION, Role, Scope
from station.security import audit
from station.security.store import audit as table
from station.security.store import audit_head
from station.state import State

COLUMNS = ("at_ns", "actor", "act", "object", "before", "after", "reason", "hash")


async def write(state: State, count: int, scope: Scope = STATION) -> None:
    async with state.write() as conn:
        for n in range(count):
            await audit.record(conn, scope, "alarm.shelve", f"alarm:{n}", now_ns=n, before={"b": 1, "a": n}, after=None, reason="work")


async def test_a_sound_chain_verifies_and_lists_newest_first(state: State) -> None:
    assert await audit.verify(state) is None
    await write(state, 25)
    assert await audit.verify(state) is None
    [newest] = await audit.rows(state, STATION, limit=1)
    assert (newest["seq"], newest["object"], newest["before"]) == (25, "alarm:24", '{"a":24,"b":1}')
    assert [row["seq"] for row in await audit.rows(state, STATION, before_seq=23, limit=2)] == [22, 21]


async def test_what_is_rolled_back_leaves_no_row(state: State) -> None:
    await write(state, 1)
    with suppress(RuntimeError):
        async with state.write() as conn:
            await audit.record(conn, STATION, "act", "object", now_ns=1)
            raise RuntimeError
    await write(state, 1)
    assert await audit.verify(state) is None and len(await audit.rows(state, STATION)) == 2


async def test_many_writers_make_one_chain_per_tenant(state: State) -> None:
    other = Scope(2, Role.ADMIN, "other")
    await asyncio.gather(*(write(state, 3, scope) for scope in (STATION, other) * 8))
    assert await audit.verify(state) is None
    assert len(await audit.rows(state, other)) == 24


@pytest.mark.parametrize("column", COLUMNS)
async def test_one_changed_byte_of_any_column_is_found(state: State, column: str) -> None:
    await write(state, 40)
    seq = random.Random(column).randrange(1, 41)
    async with state.write() as conn:
        mine = table.c.seq == seq
        value = (await conn.execute(sa.select(table.c[column]).where(mine))).scalar_one()
        changed = value + 1 if isinstance(value, int) else ("x" if value[0] != "x" else "y") + value[1:]
        await conn.execute(sa.update(table).where(mine).values({column: changed}))
    broken = await audit.verify(state)
    assert broken is not None and (broken.tenant, broken.seq) == (1, seq)


@pytest.mark.parametrize(("first", "last", "found_at"), [(1, 1, 1), (17, 20, 17), (40, 40, 40), (1, 40, 1), (30, 40, 30)])
async def test_deleted_rows_are_found_the_tail_by_the_head(state: State, first: int, last: int, found_at: int) -> None:
    await write(state, 40)
    async with state.write() as conn:
        await conn.execute(sa.delete(table).where(table.c.seq.between(first, last)))
    broken = await audit.verify(state)
    assert broken is not None and broken.seq == found_at


async def test_a_forged_tail_a_missing_head_and_a_head_set_back_are_found(state: State) -> None:
    await write(state, 10)
    for forged in (
        sa.update(audit_head).values(seq=9),
        sa.update(audit_head).values(seq=10, hash="0" * 64),
        sa.delete(audit_head),
    ):
        async with state.write() as conn:
            await conn.execute(forged)
        assert await audit.verify(state) is not None


async def test_two_rows_that_changed_places_are_found(state: State) -> None:
    await write(state, 10)
    async with state.write() as conn:
        for before, after in ((4, 99), (5, 4), (99, 5)):
            await conn.execute(sa.update(table).where(table.c.seq == before).values(seq=after))
    broken = await audit.verify(state)
    assert broken is not None and broken.seq == 4


async def test_hostile_and_huge_details_are_kept_bounded(state: State) -> None:
    scope = Scope(1, Role.ADMIN, "x" * 500)
    async with state.write() as conn:
        await audit.record(
            conn, scope, "a" * 500, "\0\ud800\x1b[2J" + "o" * 500, now_ns=1, before="x" * 200_000, after={"n": "\0\ud800"}, reason="\0r"
        )
    [row] = await audit.rows(state, STATION)
    assert len(row["before"]) < 200 and len(row["object"]) == 255 and row["reason"] == "r" and "\0" not in row["after"]
    assert await audit.verify(state) is None


async def test_the_first_rows_of_two_writers_at_once_are_one_chain(any_state: State) -> None:
    await any_state.create_all()
    both = asyncio.Barrier(2) if not any_state.embedded else None  # an embedded store has one writer at a time

    async def write(n: int) -> None:
        async with any_state.write() as conn:
            await conn.execute(sa.select(sa.func.count()).select_from(table))
            if both is not None:
                await both.wait()
            await audit.record(conn, STATION, "first", f"row:{n}", now_ns=n)

    await asyncio.gather(write(1), write(2))
    assert await audit.verify(any_state) is None
    assert len(await audit.rows(any_state, STATION)) == 2
