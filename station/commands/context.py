"""What commands share: the settings and the data folder in force, an open store, and answers as table or JSON."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from station.settings import SettingsError, load

if TYPE_CHECKING:
    from station.config import StationSettings
    from station.state import State

T = TypeVar("T")
OK, FAILED, USAGE, PARTLY = 0, 1, 2, 3
FOLDER_MODE = 0o700


def say(text: str) -> None:
    """A line for the person; nothing from a device reaches this without `printable`."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def data_folder(given: Path | None) -> Path:
    """Where the station keeps everything: as given, else /var/lib/trunkline for root, else the user's data folder."""
    if given is not None:
        folder = given
    elif os.geteuid() == 0:
        folder = Path("/var/lib/trunkline")
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "trunkline"
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    return folder.resolve()


def settings_in_force(config: Path | None, folder: Path | None = None) -> "StationSettings":
    """The settings of `config`, else of `<data>/station.toml` when it is there, else the defaults; all with overrides."""
    from station.config import StationSettings

    beside = folder / "station.toml" if folder else None
    path = config or (beside if beside and beside.exists() else None)
    return load(StationSettings, path, os.environ)


def answer(act: Callable[[], int]) -> int:
    """Run a command; faults of the settings go to the person, with exit code 2."""
    try:
        return act()
    except SettingsError as error:
        complain(str(error))
        return USAGE


@asynccontextmanager
async def opened(config: Path | None, data: Path | None) -> "AsyncIterator[tuple[StationSettings, Path, State]]":
    """Settings, data folder and the migrated state store, closed when the block ends."""
    from station.migrate import migrate
    from station.state import State

    folder = data_folder(data)
    settings = settings_in_force(config, folder)
    state = State(settings.state_url(folder))
    try:
        await migrate(state)
        yield settings, folder, state
    finally:
        await state.close()


def with_store(config: Path | None, data: Path | None, act: "Callable[[StationSettings, Path, State], Coroutine[Any, Any, int]]") -> int:
    """Run one command that needs the state store."""

    async def inside() -> int:
        async with opened(config, data) as (settings, folder, state):
            return await act(settings, folder, state)

    return answer(lambda: asyncio.run(inside()))


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Rows as one JSON array, or as a table whose cells hold nothing that a terminal would obey."""
    from station.security.text import printable

    if as_json:
        say(json.dumps(list(rows), default=str))
        return
    cells = [[printable(str(row.get(name) if row.get(name) is not None else "")) for name in columns] for row in rows]
    widths = [max([len(name), *(len(line[n]) for line in cells)]) for n, name in enumerate(columns)]
    for line in [[name.upper() for name in columns], *cells]:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@asynccontextmanager
async def opened_telemetry(settings: "StationSettings", folder: Path, *, timeout_s: int = 30) -> AsyncIterator[Any]:
    """A client of the telemetry store: the running station's, the cluster's, or of an owner started for this command."""
    from station.telemetry.client import TelemetryClient
    from station.telemetry.supervisor import OwnerProcess

    published = folder / "telemetry.url"
    url = settings.telemetry.url or (published.read_text().strip() if published.exists() else "")
    if url:
        client = TelemetryClient(url, query_timeout_s=timeout_s)
        if await client.ready():
            yield client
            await client.close()
            return
    async with OwnerProcess(folder / "telemetry", memory_mb=settings.telemetry.memory_mb) as owner:
        client = TelemetryClient(owner.url, query_timeout_s=timeout_s)
        yield client
        await client.close()
