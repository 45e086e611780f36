"""`trunkline collector ...`: name, enrol, run and revoke collectors that run apart."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from station.commands.context import FAILED, OK, answer, complain, data_folder, say, settings_in_force, show, with_store
from station.settings import Fault, SettingsError

if TYPE_CHECKING:
    from station.config import StationSettings
    from station.state import State


def run(config: Path | None, data: Path | None) -> int:
    """Run the collector of this data folder until a signal comes; 1 when it has not enrolled."""

    def act() -> int:
        from station.lean import lean

        lean()
        from station.apart.collector import run_collector
        from station.apart.identity import NotEnrolledError, load
        from station.lean import leave, settle
        from station.logs import set_up

        folder = data_folder(data)
        settings = settings_in_force(config, folder)
        try:
            identity = load(folder)
        except NotEnrolledError as error:
            complain(str(error))
            return FAILED
        set_up()

        async def until_stopped() -> None:
            settle()
            await run_collector(identity, settings, folder, say)
            leave()

        asyncio.run(until_stopped())
        return OK

    return answer(act)


def enrol(data: Path | None, invitation_file: Path) -> int:
    from station.apart.identity import FILE
    from station.apart.identity import enrol as become
    from station.bus.registry import RegistryError

    folder = data_folder(data)
    if (folder / FILE).exists():
        complain(f"{folder / FILE}: this folder is a collector's already")
        return FAILED
    try:
        identity = asyncio.run(become(folder, invitation_file.read_text()))
    except (RegistryError, TimeoutError, OSError) as error:
        complain(f"not enrolled: {error or 'the station does not answer'}")
        return FAILED
    say(f"{identity.name} is enrolled; start it with: trunkline collector run")
    return OK


def add(config: Path | None, data: Path | None, values: dict[str, Any]) -> int:
    """Print an invitation for a new collector."""

    async def act(settings: "StationSettings", folder: Path, state: "State") -> int:
        from pydantic import ValidationError

        from station.bus.registry import NewCollector, Registry, RegistryError, invitation
        from station.bus.server import BusFolder
        from station.clock import SystemClock
        from station.scope import STATION

        try:
            new = NewCollector.model_validate(values)
        except ValidationError as error:
            faults = [Fault("command line", 0, str(one["loc"][0]), one["msg"]) for one in error.errors()]
            raise SettingsError(*faults) from error
        if not settings.bus.on:
            raise SettingsError(Fault("settings", 0, "bus", "set [bus] listen or url, so that collectors can reach the station"))
        try:
            _, token = await Registry(state, SystemClock()).add(STATION, new)
        except RegistryError as error:
            complain(str(error))
            return FAILED
        say(invitation(BusFolder(folder, settings.bus).outward(), token))
        return OK

    return with_store(config, data, act)


def listed(config: Path | None, data: Path | None, as_json: bool) -> int:
    async def act(_: "StationSettings", __: Path, state: "State") -> int:
        from station.bus.registry import Registry
        from station.clock import SystemClock
        from station.web import iso

        rows = await Registry(state, SystemClock()).rows()
        columns = ("name", "vrf", "site", "enrolled_at", "revoked_at", "id")
        told = [row | {f"{act}_at": iso(row[f"{act}_ns"]) for act in ("enrolled", "revoked")} for row in rows]
        show([{name: row[name] for name in columns} for row in told], columns, as_json)
        return OK

    return with_store(config, data, act)


def revoke(config: Path | None, data: Path | None, name: str) -> int:
    async def act(_: "StationSettings", __: Path, state: "State") -> int:
        from station.bus.registry import Registry
        from station.clock import SystemClock
        from station.scope import STATION

        registry = Registry(state, SystemClock())
        keys = [row["id"] for row in await registry.rows() if row["name"] == name]
        if not keys or not await registry.revoke(STATION, keys[0]):
            complain(f"there is no living collector named {name!r}")
            return FAILED
        return OK

    return with_store(config, data, act)
