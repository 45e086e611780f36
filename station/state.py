"""The state store: SQLAlchemy 2 Core over SQLite (embedded) or PostgreSQL (by URL), one code base.

Every table hangs on `metadata`, is declared in its package's `store.py` and carries `tenant` first in
each unique key. SQLite runs in WAL with synchronous=FULL and one writer at a time.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.dml import Insert

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=_NAMES)

SQLITE_BUSY_MS = 10_000
Row = Mapping[str, Any]
T = TypeVar("T")
Work = Callable[[AsyncConnection], Coroutine[Any, Any, T]]


class State:
    """One state store. `read()` gives a connection, `write()` a transaction that commits on leaving.

    Each statement on these costs SQLite four turns between the loop and a thread. What has many statements and awaits
    nothing else is given whole to `collect` and `transact`: an embedded store runs it in one thread without any turn.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.embedded = url.startswith("sqlite")
        self._engine = _engine(url)
        self._direct = _direct_engine(url) if self.embedded else None
        self._writer = asyncio.Lock()

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as conn:
            yield conn

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed when the block ends, rolled back when it raises. SQLite has one writer at a time."""
        if not self.embedded:
            async with self._engine.begin() as conn:
                yield conn
            return
        async with self._writer, self._engine.begin() as conn:
            yield conn

    async def collect(self, work: Work[T]) -> T:
        """What `work` reads; it awaits its connection and nothing else."""
        if self._direct is None:
            async with self.read() as conn:
                return await work(conn)
        return await asyncio.to_thread(_run, self._direct, work)

    async def transact(self, work: Work[T]) -> T:
        """`work` as one transaction, undone when it raises; it awaits its connection and nothing else."""
        if self._direct is None:
            async with self.write() as conn:
                return await work(conn)
        async with self._writer:
            running = asyncio.create_task(asyncio.to_thread(_run, self._direct, work))
            try:
                return await asyncio.shield(running)
            finally:
                await asyncio.wait([running])  # a thread cannot be cancelled; nobody writes beside it

    async def create_all(self) -> None:
        """Make every declared table; for tests. A station migrates (`station.migrate`)."""
        async with self._engine.begin() as conn:
            await conn.run_sync(metadata.create_all)

    async def close(self) -> None:
        await self._engine.dispose()
        if self._direct is not None:
            self._direct.dispose()


class _Direct:
    """A connection whose answers are there when they are awaited."""

    def __init__(self, conn: sa.Connection) -> None:
        self._conn, self.dialect = conn, conn.dialect

    async def execute(self, *asked: Any) -> sa.CursorResult[Any]:
        return self._conn.execute(*asked)

    async def exec_driver_sql(self, *asked: Any) -> sa.CursorResult[Any]:
        return self._conn.exec_driver_sql(*asked)


def _run(engine: sa.Engine, work: Work[T]) -> T:
    """Run `work` to its end in this thread, in a transaction."""
    with engine.begin() as conn:
        running = work(cast(AsyncConnection, _Direct(conn)))
        try:
            running.send(None)
        except StopIteration as ended:
            return cast(T, ended.value)
        running.close()
        raise RuntimeError("this transaction waits for something else than its connection")


def _engine(url: str) -> AsyncEngine:
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": SQLITE_BUSY_MS / 1000})
    _keep_pragmas(engine.sync_engine)
    return engine


def _direct_engine(url: str) -> sa.Engine:
    engine = sa.create_engine(sa.make_url(url).set(drivername="sqlite"), connect_args={"timeout": SQLITE_BUSY_MS / 1000})
    _keep_pragmas(engine)
    return engine


def _keep_pragmas(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def pragmas(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


@cache
def rows_where(table: sa.Table, *names: str) -> sa.Select[Any]:
    """The rows whose columns of these names have the values bound by the same names.

    Made once: to make a statement costs more than to run it.
    """
    return sa.select(table).where(*(table.c[name] == sa.bindparam(name) for name in names))


async def records(conn: AsyncConnection, query: sa.Select[Any], bound: Row | None = None) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries, at little more than half of what the driver's own mappings cost."""
    result = await conn.execute(query, bound)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


async def upsert(
    conn: AsyncConnection, table: sa.Table, rows: Sequence[Row], key: Sequence[str], *, update: Sequence[str] | None = None
) -> None:
    """Insert rows, or change `update` (default: every other column) where `key` exists; one executemany for all."""
    if not rows:
        return
    changed = tuple(name for name in (update if update is not None else rows[0]) if name not in key)
    await conn.execute(_merging(conn.dialect.name, table, tuple(key), changed), list(rows))


async def insert_new(conn: AsyncConnection, table: sa.Table, rows: Sequence[Row], key: Sequence[str]) -> None:
    """Insert the rows whose `key` is new; the others change nothing."""
    if rows:
        await conn.execute(_merging(conn.dialect.name, table, tuple(key), ()), list(rows))


async def insert_whole(conn: AsyncConnection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that name every column, in the table's own order: the driver takes them as they are."""
    if rows:
        await conn.exec_driver_sql(_insert_text(table, conn.dialect), list(rows))


@cache
def _insert_text(table: sa.Table, dialect: sa.Dialect) -> str:
    return str(sa.insert(table).compile(dialect=dialect))


def among(conn: AsyncConnection, column: "sa.Column[str]", values: Collection[str]) -> sa.ColumnElement[bool]:
    """Where `column` is one of any number of texts: one bound value, so that neither a limit nor the statement grows with them."""
    if conn.dialect.name == "sqlite":
        held = sa.func.json_each(json.dumps(sorted(values))).table_valued("value")
        return column.in_(sa.select(held.c.value))
    return column == sa.any_(sa.cast(sorted(values), postgresql.ARRAY(sa.Text)))


@cache
def _merging(dialect: str, table: sa.Table, key: tuple[str, ...], changed: tuple[str, ...]) -> Insert:
    """Insert, or where `key` exists change these columns, or nothing. There are as many as places in the code that ask."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if not changed:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    return insert.on_conflict_do_update(index_elements=list(key), set_={name: insert.excluded[name] for name in changed})
