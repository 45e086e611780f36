"""A migrated database is the declared one, on both engines; a newer one is refused."""

import importlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from station.migrate import SNAPSHOT, NewerSchemaError, head_of, migrate, snapshot, upgrade
from station.state import State, metadata

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("station", "inventory", "collectors", "perf", "fault", "billing_bridge", "bss", "dashboards")


def stores() -> list[str]:
    """Every module that declares tables."""
    found = [file for package in PACKAGES for file in (ROOT / package).rglob("store.py") if "station.state import" in file.read_text()]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in found]


def differences(connection: sa.Connection) -> list[object]:
    for name in stores():
        importlib.import_module(name)
    found: list[object] = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    return found


async def test_the_migrated_schema_is_the_declared_one(any_state: State) -> None:
    head = await migrate(any_state)
    assert await migrate(any_state) == head
    async with any_state.read() as conn:
        assert await conn.run_sync(differences) == []


def schema_of(connection: sa.Connection) -> list[tuple[str, ...]]:
    rows = connection.execute(sa.text("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name"))
    return [tuple(row) for row in rows]


async def test_a_new_database_is_what_the_migrations_make_of_an_empty_one(tmp_path: Path) -> None:
    with sa.create_engine("sqlite://").begin() as connection:
        upgrade(connection)
        migrated, script = schema_of(connection), snapshot(connection)
    assert SNAPSHOT.read_text() == script, "station/migrations/schema.sql is not of these migrations: run scripts/schema"
    new = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    assert await migrate(new) == head_of(script)
    async with new.read() as conn:
        assert await conn.run_sync(schema_of) == migrated
        assert await conn.run_sync(differences) == []
    await new.close()


async def test_an_older_database_is_copied_and_brought_to_the_same_schema(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with sa.create_engine(f"sqlite:///{file}").begin() as connection:
        upgrade(connection, "0001")
    old, new = State(f"sqlite+aiosqlite:///{file}"), State(f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    assert await migrate(old) == await migrate(new)
    for state in (old, new):
        async with state.read() as conn:
            assert await conn.run_sync(differences) == []
        await state.close()
    assert [copy.name for copy in tmp_path.glob("state.*.db")] == ["state.0001.db"]


async def test_a_newer_database_is_refused_and_left_alone(any_state: State) -> None:
    await migrate(any_state)
    async with any_state.write() as conn:
        await conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerSchemaError, match="9999"):
        await migrate(any_state)


async def test_an_empty_database_is_not_worth_a_copy(tmp_path: Path) -> None:
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    async with state.write() as conn:
        await conn.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    assert await migrate(state)
    await state.close()
    assert not list(tmp_path.glob("state.*.db"))
