"""Bringing the state store's schema to this version: forward only, after a copy, never on a newer database.

A new embedded database is made from `migrations/schema.sql`, which is what the migrations make of an empty one: to run
them all takes the newcomer half a second. `scripts/schema` writes that file, and a test compares the two.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from station.state import State

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS: Final = Path(__file__).parent / "migrations"
SNAPSHOT: Final = SCRIPTS / "schema.sql"
_REVISION: Final = sa.text("SELECT version_num FROM alembic_version")
_STAMP: Final = re.compile(r"^INSERT INTO alembic_version VALUES \('(\w+)'\);$", re.MULTILINE)


class NewerSchemaError(Exception):
    """The database was written by a newer Trunkline; this one does not touch it."""


async def migrate(state: State) -> str:
    """Upgrade the schema to this version's head and return its revision; an embedded store is copied first.

    Raises NewerSchemaError where the database's revision is unknown here.
    """
    script = SNAPSHOT.read_text()
    head = head_of(script)
    async with state.read() as conn:
        tables, current = await conn.run_sync(_found)
    if current == head:
        return head
    if not tables and state.embedded:
        await _make(state, script)
        return head
    _refuse_newer(current)
    if current is not None and state.embedded:
        await _copy(state, current)
    async with state.engine.begin() as conn:
        await conn.run_sync(upgrade)
    return head


def head_of(script: str) -> str:
    """The revision that a snapshot of the schema has."""
    stamp = _STAMP.search(script)
    assert stamp is not None
    return stamp[1]


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations that this database has not had, up to a revision."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def snapshot(connection: sa.Connection) -> str:
    """The schema of a migrated SQLite database as the script that makes it, in one transaction."""
    made = sa.text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid")
    revision = connection.execute(_REVISION).scalar_one()
    statements = [*connection.execute(made).scalars(), f"INSERT INTO alembic_version VALUES ('{revision}')"]  # noqa: S608 - our own name
    return "\n".join(["BEGIN IMMEDIATE;", *(f"{statement};" for statement in statements), "COMMIT;", ""])


async def _make(state: State, script: str) -> None:
    async with state.engine.connect() as conn:
        raw = (await conn.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.executescript(script)


def _found(connection: sa.Connection) -> tuple[bool, str | None]:
    """Whether there are tables, and the revision they are of."""
    names = sa.inspect(connection).get_table_names()
    if "alembic_version" not in names:
        return bool(names), None
    return True, connection.execute(_REVISION).scalar_one_or_none()


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def _refuse_newer(current: str | None) -> None:
    if current is None:
        return
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(_config()).get_revision(current)
    except CommandError as error:
        raise NewerSchemaError(f"the database's schema {current} is newer than this version of Trunkline") from error


async def _copy(state: State, revision: str) -> None:
    """A consistent copy beside the database, named by the revision it holds."""
    database = state.engine.url.database
    assert database is not None
    target = Path(database).with_suffix(f".{revision}.db")
    target.unlink(missing_ok=True)
    async with state.engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(sa.text("VACUUM INTO :target"), {"target": str(target)})
