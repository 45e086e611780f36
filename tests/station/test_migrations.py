"""A migrated database is the declared one, on both engines; a newer one is refused."""

import importlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from station.migrate import NewerSchemaError, migrate
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
