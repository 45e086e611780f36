"""The state store behaves alike on SQLite and PostgreSQL."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from station.state import State, insert_new, upsert

things = sa.Table(
    "things_of_a_test",
    sa.MetaData(),
    sa.Column("tenant", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)


async def made(state: State) -> State:
    async with state.engine.begin() as conn:
        await conn.run_sync(things.create)
    return state


async def rows(state: State) -> list[tuple[int, str, int]]:
    async with state.read() as conn:
        return [tuple(row) for row in await conn.execute(sa.select(things).order_by(things.c.name))]


async def test_upsert_inserts_and_changes(any_state: State) -> None:
    state = await made(any_state)
    for value in (1, 2):
        async with state.write() as conn:
            await upsert(
                conn,
                things,
                [{"tenant": 1, "name": "a", "value": value}, {"tenant": 1, "name": str(value), "value": value}],
                ["tenant", "name"],
            )
    assert await rows(state) == [(1, "1", 1), (1, "2", 2), (1, "a", 2)]


async def test_insert_new_changes_nothing_that_is_there(any_state: State) -> None:
    state = await made(any_state)
    for value in (1, 2):
        async with state.write() as conn:
            await insert_new(conn, things, [{"tenant": 1, "name": "a", "value": value}], ["tenant", "name"])
    assert await rows(state) == [(1, "a", 1)]


async def test_a_transaction_given_whole_is_written_whole_or_not_at_all(any_state: State) -> None:
    state = await made(any_state)

    async def write(conn: AsyncConnection, *, fail: bool) -> int:
        await insert_new(conn, things, [{"tenant": 1, "name": str(fail), "value": 1}], ["tenant", "name"])
        found = len((await conn.execute(sa.select(things))).all())
        return found // (0 if fail else 1)

    assert await state.transact(partial(write, fail=False)) == 1
    with pytest.raises(ZeroDivisionError):
        await state.transact(partial(write, fail=True))

    async def names(conn: AsyncConnection) -> list[str]:
        return list((await conn.execute(sa.select(things.c.name))).scalars())

    assert await state.collect(names) == ["False"]


async def test_transactions_of_both_kinds_follow_each_other(any_state: State) -> None:
    state = await made(any_state)
    async with state.write() as conn:
        await upsert(conn, things, [{"tenant": 1, "name": "a", "value": 0}], ["tenant", "name"])

    async def grow(conn: AsyncConnection) -> None:
        before = (await conn.execute(sa.select(things.c.value).with_for_update())).scalar_one()
        await conn.execute(sa.update(things).values(value=before + 1))

    async def grow_too() -> None:
        async with state.write() as conn:
            await grow(conn)

    await asyncio.gather(*(state.transact(grow) if n % 2 else grow_too() for n in range(20)))
    assert await rows(state) == [(1, "a", 20)]


async def test_an_embedded_transaction_that_waits_for_something_else_is_refused(tmp_path: Path) -> None:
    state = await made(State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}"))

    async def wait(conn: AsyncConnection) -> None:
        await insert_new(conn, things, [{"tenant": 1, "name": "a", "value": 1}], ["tenant", "name"])
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="something else"):
        await state.transact(wait)
    assert await rows(state) == []
    await state.close()


async def test_a_write_that_fails_leaves_nothing(any_state: State) -> None:
    state = await made(any_state)

    async def write_and_fail() -> None:
        async with state.write() as conn:
            await upsert(conn, things, [{"tenant": 1, "name": "a", "value": 1}], ["tenant", "name"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    assert await rows(state) == []


async def test_many_writers_wait_for_each_other(any_state: State) -> None:
    state = await made(any_state)

    async def add_one() -> None:
        async with state.write() as conn:
            held = (await conn.execute(sa.select(things.c.value).where(things.c.name == "n").with_for_update())).scalar() or 0
            await asyncio.sleep(0)
            await upsert(conn, things, [{"tenant": 1, "name": "n", "value": held + 1}], ["tenant", "name"])

    await add_one()
    await asyncio.gather(*(add_one() for _ in range(8)))
    assert await rows(state) == [(1, "n", 9)]


async def test_sqlite_runs_durable(tmp_path: Path) -> None:
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    async with state.read() as conn:
        pragmas = [(await conn.execute(sa.text(f"PRAGMA {name}"))).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]
    await state.close()
    assert pragmas == ["wal", 2, 1]
