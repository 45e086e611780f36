"""`trunkline backup`, `restore`, `db upgrade` and `grafana export`."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from station.commands.context import (
    FAILED,
    OK,
    USAGE,
    answer,
    complain,
    data_folder,
    opened_telemetry,
    say,
    settings_in_force,
    with_store,
)
from station.config import StationSettings
from station.migrate import NewerSchemaError
from station.state import State
from station.telemetry.backup import COPY_TIMEOUT_S, back_up, fault_of
from station.telemetry.backup import restore as put_back
from station.telemetry.client import TelemetryClient, TelemetryError
from station.telemetry.owner import held
from station.telemetry.supervisor import OwnerProcess

CLUSTER = "the telemetry store is a cluster: use its own BACKUP and RESTORE"
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


def backup(config: Path | None, data: Path | None, file: Path, telemetry: Path | None) -> int:
    """SQLite's online backup: consistent while the station writes, and whole before it takes its name; then the samples."""

    async def act(settings: StationSettings, folder: Path, state: State) -> int:
        database = state.engine.url.database
        if not state.embedded or database is None:
            complain(POSTGRES)
            return USAGE
        size = await asyncio.to_thread(_copy, Path(database), file)
        say(f"{file}: {size} bytes")
        return OK if telemetry is None else await _backup_telemetry(settings, folder, telemetry)

    return with_store(config, data, act)


def restore(config: Path | None, data: Path | None, file: Path, telemetry: Path | None) -> int:
    """Check the backups and put them in place; the data of now is kept beside them."""

    def act() -> int:
        folder = data_folder(data)
        settings = settings_in_force(config, folder)
        state = State(settings.state_url(folder))
        if not state.embedded or state.engine.url.database is None:
            complain(POSTGRES)
            return USAGE
        wrong = _fault_of(file)
        if wrong:
            complain(f"{file}: {wrong}")
            return FAILED
        if telemetry is not None:
            done = asyncio.run(_restore_telemetry(settings, folder, telemetry))
            if done != OK:
                return done
        target = Path(state.engine.url.database)
        if target.exists():
            _copy(target, target.with_suffix(".before-restore.db"))
        _copy(file, target)
        say(f"restored {file}; `trunkline db upgrade` brings it to this version")
        return OK

    return answer(act)


async def _backup_telemetry(settings: StationSettings, folder: Path, target: Path) -> int:
    if settings.telemetry.url:
        complain(CLUSTER)
        return USAGE
    if await asyncio.to_thread(target.exists):
        complain(f"{target} exists already")
        return FAILED
    async with opened_telemetry(settings, folder, timeout_s=COPY_TIMEOUT_S) as client:
        size = await back_up(client, folder / "telemetry", target)
    say(f"{target}: {size} bytes")
    return OK


async def _restore_telemetry(settings: StationSettings, folder: Path, source: Path) -> int:
    """Into a fresh store; the one of now stands beside it, and comes back where the copy cannot be read."""
    store, before = folder / "telemetry", folder / "telemetry.before-restore"
    wrong = CLUSTER if settings.telemetry.url else await asyncio.to_thread(_telemetry_fault_of, folder, source, before)
    if wrong:
        complain(wrong)
        return USAGE if wrong == CLUSTER else FAILED
    if await asyncio.to_thread(store.exists):
        await asyncio.to_thread(store.rename, before)
    try:
        async with OwnerProcess(store, memory_mb=settings.telemetry.memory_mb) as owner:
            client = TelemetryClient(owner.url, query_timeout_s=COPY_TIMEOUT_S)
            await put_back(client, store, source)
            await client.close()
    except TelemetryError as error:
        complain(f"{source}: {error}")
        await asyncio.to_thread(shutil.rmtree, store)
        if await asyncio.to_thread(before.exists):
            await asyncio.to_thread(before.rename, store)
        return FAILED
    say(f"restored {source}")
    return OK


def _telemetry_fault_of(folder: Path, source: Path, before: Path) -> str:
    if held(folder / "telemetry"):
        return "the station is running: stop it first"
    if before.exists():
        return f"{before} is there from an earlier restore: move it away first"
    return fault_of(source)


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
