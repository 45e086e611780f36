"""The station's one way to its telemetry store: columns in, columns out, through clickhouse-connect.

Columns go in as blocks of ClickHouse's Native format, which are columns as they lie in memory: nobody converts
anything, and blocks that follow one another are one insert. Answers come as Arrow. The driver is synchronous; its
calls run in a few threads of this client's own. A driver's exception becomes `TelemetryUnavailableError` (nobody
answers, worth repeating) or `TelemetryError` (the store says no).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from station.metrics import counter, histogram
from station.series import Array
from station.telemetry.dialect import SESSION_SETTINGS
from station.varint import varint

Columns = dict[str, Array]
T = TypeVar("T")

_TYPES: Final = {np.dtype(f"{name}{bits}".lower()): f"{name}{bits}" for name in ("UInt", "Int") for bits in (8, 16, 32, 64)} | {
    np.dtype(np.float32): "Float32",
    np.dtype(np.float64): "Float64",
    np.dtype("datetime64[ns]"): "DateTime64(9, 'UTC')",
}
"""What a column's values are called on their way; the store casts where a table says otherwise."""

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

    async def insert(self, table: str, columns: Mapping[str, Array], token: str = "") -> None:
        """Append columns of one length to a table. When this returns, the rows are on disk.

        A `token` used before appends nothing, in a table that keeps tokens; not even where the store died between the
        token and the rows. So it is for rows that add up; rows that replace themselves are sent again without.
        """
        block = await asyncio.get_running_loop().run_in_executor(self._threads, encode, columns)
        await self.insert_stream(table, block, token)

    async def insert_stream(self, table: str, payload: bytes, token: str = "") -> None:
        """The same for what `encode` has packed already, be it several blocks one after the other."""
        settings = {"insert_deduplication_token": token} if token else {}
        body: Any = memoryview(payload)  # the driver would put the statement before `bytes`, and copy them for it
        await self._call("insert", lambda driver: driver.raw_insert(table, None, body, settings, "Native"))

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


def encode(columns: Mapping[str, Array]) -> bytes:
    """Columns of one length as one block of the Native format: counts, then name, type and values of each column."""
    parts: list[Any] = [varint(len(columns)), varint(len(next(iter(columns.values()))))]
    for name, column in columns.items():
        parts += [_text(name), _text(_TYPES[column.dtype]), np.ascontiguousarray(column).view(np.uint8).data]
    return b"".join(parts)


@cache
def _text(text: str) -> bytes:
    return varint(len(text.encode())) + text.encode()


def timestamps(time_ns: Array) -> Array:
    """i64 nanoseconds as what a DateTime64(9, 'UTC') column takes."""
    return time_ns.astype(np.int64, copy=False).view("datetime64[ns]")


def seconds(time_ns: Array) -> Array:
    """i64 nanoseconds as what a DateTime('UTC') column takes."""
    return (time_ns // 1_000_000_000).astype(np.uint32)


def _columns(data: bytes | memoryview) -> Columns:
    if not len(data):
        return {}
    table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def _mapped(error: DatabaseError) -> TelemetryError:
    code = getattr(error, "code", None) or 0
    kind = TelemetryUnavailableError if code in RETRY_CODES or type(error) is not DatabaseError else TelemetryError
    return kind(str(error), code)
