"""`trunkline run` and `trunkline up`: a station on its settings until it is stopped."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from station.commands.context import FAILED, OK, answer, complain, data_folder, say, settings_in_force
from station.settings import Fault, SettingsError

if TYPE_CHECKING:
    from station.config import StationSettings


def run(config: Path | None, data: Path | None, port: int | None, changes: Sequence[tuple[str, str, Any]]) -> int:
    """`changes` are (table, key, value) that the command line sets over the file."""

    def act() -> int:
        folder = data_folder(data)
        settings = settings_in_force(config, folder)
        for table, key, value in [*changes, *([("web", "port", port)] if port is not None else [])]:
            settings = changed(settings, table, key, value)
        return start(settings, folder)

    return answer(act)


def up(
    config: Path | None, data: Path | None, port: int | None, ranges: tuple[str, ...], community_file: Path | None, snmp_port: int | None
) -> int:
    changes: list[tuple[str, str, Any]] = [("inventory", "ranges", ranges)]
    if community_file is not None:
        if not community_file.is_file():
            complain(f"{community_file}: no such file")
            return FAILED
        changes.append(("inventory", "community_file", str(community_file.resolve())))
    if snmp_port is not None:
        changes.append(("inventory", "port", snmp_port))
    return run(config, data, port, changes)


def changed(settings: "StationSettings", table: str, key: str, value: Any) -> "StationSettings":
    """The settings with one value replaced, checked like any other; SettingsError names the option."""
    from pydantic import ValidationError

    values = settings.model_dump()
    values[table] = values[table] | {key: value}
    try:
        return type(settings).model_validate(values)
    except ValidationError as error:
        says = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(Fault("command line", 0, f"{table}.{key}", says)) from error


def start(settings: "StationSettings", folder: Path) -> int:
    """Run until a signal comes; exit code 1 when the port, the folder or the key cannot be had."""
    from station.lean import lean, leave

    lean()
    from station.assembly import Plan, run_station
    from station.logs import set_up
    from station.migrate import NewerSchemaError
    from station.security.vault import VaultError

    set_up()
    plan = Plan(settings=settings, folder=folder, environ=os.environ)

    async def until_stopped() -> None:
        await run_station(plan, lambda link: say(f"Trunkline is up: {link}"))
        leave()

    try:
        asyncio.run(until_stopped())
    except (OSError, NewerSchemaError, VaultError) as error:
        complain(f"the station cannot start: {error}")
        return FAILED
    return OK
