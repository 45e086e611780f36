"""Bringing the state store's schema to this version: forward only, after a copy, never on a newer database."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from station.state import State

SCRIPTS = Path(__file__).parent / "migrations"


class NewerSchemaError(Exception):
    """The database was written by a newer Trunkline; this one does not touch it."""


async def migrate(state: State) -> str:
    """Upgrade the schema to this version's head and return its revision; an embedded store is copied first.

    Raises NewerSchemaError where the database's revision is unknown here.
    """
    async with state.read() as conn:
        current = await conn.run_sync(_revision)
    head = ScriptDirectory.from_config(_config()).get_current_head() or ""
    _refuse_newer(current)
    if current == head:
        return head
    if current is not None and state.embedded:
        await _copy(state, current)
    async with state.engine.begin() as conn:
        await conn.run_sync(_upgrade)
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(current: str | None) -> None:
    if current is None:
        return
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


def _upgrade(connection: sa.Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
