"""chDB behind a small face: statements with bound parameters in, bytes of a format out."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from chdb.state.sqlitelike import connect

from station.telemetry.dialect import COPIES, SESSION_SETTINGS

STATEMENT_SETTINGS = SESSION_SETTINGS | {
    "async_insert": "0",  # an insert that is answered is on disk
    "max_threads": "2",
    "output_format_arrow_string_as_string": "1",
    "max_partitions_per_insert_block": "1000",
}
DEDUPLICATION = "insert_deduplication_token"


class StatementError(Exception):
    """chDB refused or failed a statement; `code` is ClickHouse's error number, 0 when it gave none."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        digits = message.partition("Code: ")[2].partition(".")[0]
        self.code = int(digits) if digits.isdigit() else 0


class Session:
    """One chDB connection, used by one thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def query(self, sql: str, output_format: str, parameters: Mapping[str, str]) -> bytes:
        """The answer in the statement's own FORMAT, else `output_format`."""
        try:
            return bytes(self._connection.query(sql, output_format, params=dict(parameters)).bytes())
        except RuntimeError as error:
            raise StatementError(str(error)) from error

    def insert(self, statement: str, input_format: str, data: Iterable[bytes], token: str) -> int:
        """Rows written by `INSERT INTO ...` from pieces of data; a token seen before writes nothing."""
        if token:
            statement += f" SETTINGS {DEDUPLICATION} = {_quoted(token)}"
        try:
            with self._connection.send_insert(statement, input_format) as stream:
                for piece in data:
                    stream.append(piece)
                return int(stream.finish().rows_written)
        except RuntimeError as error:
            raise StatementError(str(error)) from error


class Engine:
    """The chDB of one path; a session per thread over one background server."""

    def __init__(self, path: Path, memory_bytes: int) -> None:
        config = path / "owner.xml"
        config.write_text(_config(memory_bytes, path / COPIES))
        settings = STATEMENT_SETTINGS | {
            "max_memory_usage": str(memory_bytes * 3 // 4),
            "max_bytes_before_external_group_by": str(memory_bytes // 4),
            "max_bytes_before_external_sort": str(memory_bytes // 4),
        }
        arguments = "&".join(f"{name}={value}" for name, value in settings.items())
        self._url = f"file:{path}?config-file={config}&{arguments}"
        self._first = connect(self._url)  # keeps the background server while no session is open

    @contextmanager
    def session(self) -> Iterator[Session]:
        connection = connect(self._url)
        try:
            yield Session(connection)
        finally:
            connection.close()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _config(memory_bytes: int, copies: Path) -> str:
    """Server settings: small caches and pools, since the owner shares its machine with the whole station; copies go to one folder."""
    values = {
        "max_server_memory_usage": memory_bytes + (256 << 20),  # ClickHouse counts the mapped library as well
        "mark_cache_size": 32 << 20,
        "primary_index_cache_size": 32 << 20,
        "index_mark_cache_size": 8 << 20,
        "query_condition_cache_size": 1 << 20,
        "compiled_expression_cache_size": 8 << 20,
        "background_schedule_pool_initial_size": 2,
    }
    tags = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return f"<clickhouse>{tags}<backups><allowed_path>{escape(str(copies.resolve()))}</allowed_path></backups></clickhouse>\n"
