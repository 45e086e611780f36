"""`trunkline backup`, `restore`, `db upgrade` and `grafana export`."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from station.commands.context import FAILED, OK, USAGE, answer, complain, data_folder, say, settings_in_force, with_store
from station.config import StationSettings
from station.migrate import NewerSchemaError
from station.state import State

POSTGRES = "the state store is PostgreSQL: use pg_dump and pg_restore"


def upgrade(config: Path | None, data: Path | None) -> int:
    async def act(_settings: StationSettings, _folder: Path, _state: State) -> int:
        say("the state store is at this version")
        return OK

    try:
        return with_store(config, data, act)
    except NewerSchemaError as error:
        complain(str(error))
        return FAILED


def backup(config: Path | None, data: Path | None, file: Path) -> int:
    """SQLite's online backup: consistent while the station writes, and whole before it takes its name."""

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        database = state.engine.url.database
        if not state.embedded or database is None:
            complain(POSTGRES)
            return USAGE
        size = await asyncio.to_thread(_copy, Path(database), file)
        say(f"{file}: {size} bytes")
        return OK

    return with_store(config, data, act)


def restore(config: Path | None, data: Path | None, file: Path) -> int:
    """Check the backup and put it in place; the data of now is kept beside it."""

    def act() -> int:
        folder = data_folder(data)
        state = State(settings_in_force(config, folder).state_url(folder))
        if not state.embedded or state.engine.url.database is None:
            complain(POSTGRES)
            return USAGE
        wrong = _fault_of(file)
        if wrong:
            complain(f"{file}: {wrong}")
            return FAILED
        target = Path(state.engine.url.database)
        if target.exists():
            _copy(target, target.with_suffix(".before-restore.db"))
        _copy(file, target)
        say(f"restored {file}; `trunkline db upgrade` brings it to this version")
        return OK

    return answer(act)


def _copy(source: Path, target: Path) -> int:
    """Copy one database over another; return the bytes of the copy."""
    fresh = target.with_name(target.name + ".new")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(fresh)) as other:
        one.backup(other)
    for leftover in ("-wal", "-shm"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    fresh.replace(target)
    return target.stat().st_size


def _fault_of(file: Path) -> str:
    """Why this file is no backup; empty when it is one."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as conn:
            (verdict,) = conn.execute("PRAGMA integrity_check").fetchone()
            conn.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        return f"not a backup of a state store: {error}"
    return "" if verdict == "ok" else verdict


def export_grafana(folder: Path) -> int:
    from dashboards.grafana import export

    export(folder)
    say(f"dashboards and provisioning are in {folder}")
    return OK
