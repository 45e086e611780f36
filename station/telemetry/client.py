"""The station's one way to its telemetry store: columns in, columns out, through clickhouse-connect.

The driver is synchronous; its calls run in a few threads of this client's own. A driver's exception becomes
`TelemetryUnavailableError` (nobody answers, worth repeating) or `TelemetryError` (the store says no).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from station.metrics import counter, histogram
from station.series import Array
from station.telemetry.dialect import SESSION_SETTINGS

Columns = dict[str, Array]
T = TypeVar("T")

THREADS = 3
RETRY_CODES = frozenset(
    {159, 202, 241, 242, 252, 319, 999}
)  # timeout, too many queries, memory, read-only, too many parts, unknown insert, keeper

logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # each call's outcome is counted here, and its error raised
CALLS = counter("telemetry_calls", "Calls to the telemetry store.", "what", "result")
CALL_SECONDS = histogram("telemetry_call_seconds", "How long calls to the telemetry store took.", "what")


class TelemetryError(Exception):
    """The store refused a statement; `code` is ClickHouse's error number, 0 when there is none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class TelemetryUnavailableError(TelemetryError):
    """Nobody answers, or not now: the same call may succeed later."""


class TelemetryClient:
    """One telemetry store by URL (`http(s)://user:password@host:port/database`). It connects at the first call."""

    def __init__(self, url: str, *, query_timeout_s: int = 30) -> None:
        self.url = url
        self.query_timeout_s = query_timeout_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="telemetry")
        self._driver: Client | None = None

    async def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Columns:
        """The columns of a SELECT; `{name:Type}` in the text are bound from `parameters`."""
        data = await self._call("query", lambda driver: driver.raw_query(sql, dict(parameters or {}), fmt="ArrowStream"))
        return _columns(data)

    async def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """A statement without an answer: DDL, INSERT ... SELECT."""
        await self._call("command", lambda driver: driver.command(sql, dict(parameters or {})))

    async def insert(self, table: str, columns: Mapping[str, Any], token: str = "") -> None:
        """Append columns (numpy or Arrow arrays of one length) to a table. When this returns, the rows are on disk.

        A `token` used before appends nothing, in a table that keeps tokens; not even where the store died between the
        token and the rows. So it is for rows that add up; rows that replace themselves are sent again without.
        """
        block = await asyncio.get_running_loop().run_in_executor(self._threads, encode, columns)
        await self._insert(table, list(columns), memoryview(block), token)

    async def insert_stream(self, table: str, payload: bytes, token: str = "") -> None:
        """The same for columns that `encode` has packed already."""
        await self._insert(table, decode_table(payload).column_names, memoryview(payload), token)

    async def _insert(self, table: str, names: list[str], block: Any, token: str) -> None:
        settings = {"insert_deduplication_token": token} if token else {}
        await self._call("insert", lambda driver: driver.raw_insert(table, names, block, settings, "ArrowStream"))

    async def ready(self) -> bool:
        """Whether the store answers."""
        try:
            await self._call("ping", lambda driver: driver.command("SELECT 1"))
        except TelemetryError:
            return False
        return True

    async def close(self) -> None:
        if self._driver is not None:
            self._driver.close()
        await asyncio.to_thread(self._threads.shutdown)

    async def _call(self, what: str, act: Callable[[Client], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._act, what, act)

    def _act(self, what: str, act: Callable[[Client], T]) -> T:
        with CALL_SECONDS.labels(what).time():
            try:
                made = act(self._connected())
            except DatabaseError as error:
                CALLS.labels(what, "failed").inc()
                raise _mapped(error) from error
            except (ClickHouseError, OSError) as error:
                CALLS.labels(what, "unavailable").inc()
                raise TelemetryUnavailableError(str(error)) from error
        CALLS.labels(what, "ok").inc()
        return made

    def _connected(self) -> Client:
        if self._driver is None:
            parts = urlsplit(self.url)
            self._driver = clickhouse_connect.get_client(
                interface=parts.scheme,
                host=parts.hostname or "127.0.0.1",
                port=parts.port or 8123,
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                database=parts.path.strip("/") or "__default__",
                settings=dict(SESSION_SETTINGS),
                compress=parts.hostname not in ("127.0.0.1", "localhost"),
                autogenerate_session_id=False,  # calls run side by side
                form_encode_query_params=True,  # long lists of entities do not fit into a URL
                connect_timeout=5,
                send_receive_timeout=self.query_timeout_s,
            )
        return self._driver


def encode(columns: Mapping[str, Any]) -> bytes:
    """Columns as one Arrow IPC stream."""
    return _packed(pa.table(dict(columns)))


def joined(streams: list[bytes]) -> bytes:
    """One Arrow stream of several with the same columns (in whatever order)."""
    if len(streams) == 1:
        return streams[0]
    tables = [decode_table(stream) for stream in streams]
    return _packed(pa.concat_tables([table.select(tables[0].column_names) for table in tables]))


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def decode_table(data: bytes | memoryview) -> pa.Table:
    """The Arrow table of a stream made by `encode`, without a copy of its columns."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


def timestamps(time_ns: Array) -> pa.Array:
    """i64 nanoseconds as the Arrow type that a DateTime64(9, 'UTC') column takes."""
    return pa.array(time_ns.astype(np.int64, copy=False)).view(pa.timestamp("ns", "UTC"))


def seconds(time_ns: Array) -> pa.Array:
    """i64 nanoseconds as the Arrow type that a DateTime('UTC') column takes."""
    return pa.array((time_ns // 1_000_000_000).astype(np.uint32))


def _columns(data: bytes | memoryview) -> Columns:
    if not len(data):
        return {}
    table = decode_table(data)
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def _mapped(error: DatabaseError) -> TelemetryError:
    code = getattr(error, "code", None) or 0
    kind = TelemetryUnavailableError if code in RETRY_CODES or type(error) is not DatabaseError else TelemetryError
    return kind(str(error), code)
