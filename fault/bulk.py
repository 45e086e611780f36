"""Many rows in one prepared statement: tuples straight to the driver, since naming each value again costs more than storing it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Values = tuple[Any, ...]

_PREPARED: dict[tuple[str, str, bool], str] = {}  # one entry a table, dialect and kind


async def write_many(conn: AsyncConnection, table: sa.Table, rows: Sequence[Values], *, replace: bool) -> None:
    """Insert rows whose values are in the order of the table's columns, none of a type that a driver does not take as it is.

    Where the primary key exists, `replace` changes every other column, else the row changes nothing.
    """
    if rows:
        await conn.exec_driver_sql(_prepared(conn.dialect, table, replace=replace), list(rows))


async def update_many(conn: AsyncConnection, table: sa.Table, columns: Sequence[str], rows: Sequence[Values]) -> None:
    """Set `columns` of rows that exist: values as (*columns, *primary key)."""
    if not rows:
        return
    key = (conn.dialect.name, f"{table.name}: {', '.join(columns)}", True)
    if key not in _PREPARED:
        unique = [column.name for column in table.primary_key.columns]
        where = [table.c[name] == sa.bindparam(f"of_{name}", type_=table.c[name].type) for name in unique]
        statement = sa.update(table).where(*where).values({name: sa.bindparam(name, type_=table.c[name].type) for name in columns})
        compiled = statement.compile(dialect=conn.dialect)
        wanted = sorted(columns, key=list(table.c.keys()).index)
        assert compiled.positiontup == [*wanted, *(f"of_{name}" for name in unique)] and wanted == list(columns)
        _PREPARED[key] = str(compiled)
    await conn.exec_driver_sql(_PREPARED[key], list(rows))


def _prepared(dialect: sa.Dialect, table: sa.Table, *, replace: bool) -> str:
    key = (dialect.name, table.name, replace)
    if key not in _PREPARED:
        _PREPARED[key] = _compiled(dialect, table, replace=replace)
    return _PREPARED[key]


def _compiled(dialect: sa.Dialect, table: sa.Table, *, replace: bool) -> str:
    names = [column.name for column in table.columns]
    unique = [column.name for column in table.primary_key.columns]
    insert = sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)
    if replace:
        statement = insert.on_conflict_do_update(
            index_elements=unique, set_={name: insert.excluded[name] for name in names if name not in unique}
        )
    else:
        statement = insert.on_conflict_do_nothing(index_elements=unique)
    compiled = statement.compile(dialect=dialect, column_keys=names)
    assert compiled.positiontup == names, "the driver takes values by position, in the order of the columns"
    return str(compiled)
