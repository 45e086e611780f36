"""`trunkline discover`: one look at every address, without running the station."""

import asyncio
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from station.commands.context import FAILED, OK, USAGE, answer, complain, data_folder, settings_in_force, show
from station.config import StationSettings

if TYPE_CHECKING:
    from inventory.ledger import Looked

COLUMNS = ("address", "outcome", "device", "took_ms", "says")


def discover(config: Path | None, data: Path | None, ranges: tuple[str, ...], as_json: bool) -> int:
    """Exit code 1 when nothing answered, 2 when a range is none."""

    def act() -> int:
        folder = data_folder(data)
        return asyncio.run(_discover(settings_in_force(config, folder), folder, ranges, as_json))

    return answer(act)


async def _discover(settings: StationSettings, folder: Path, ranges: tuple[str, ...], as_json: bool) -> int:
    from collectors.facts import look
    from collectors.snmp.engine import Engine
    from collectors.snmp.profiles import shipped_profiles
    from inventory.discovery import Discovery, DiscoveryError
    from inventory.facts import DeviceFacts, NoAnswer
    from station.assembly import Ground, Plan
    from station.scope import STATION

    ground = Ground(Plan(settings=settings, folder=folder, environ=os.environ))
    await ground.open()
    engine, profiles = Engine(), shipped_profiles()

    async def look_at(address: str) -> DeviceFacts | NoAnswer:
        return await look(engine, address, settings.inventory.port, ground.credentials(), profiles)

    discovery = Discovery(ground.state, ground.picture, ground.hub, ground.clock, look_at, settings.inventory)
    try:
        run = await discovery.discover(STATION, ranges)
    except DiscoveryError as error:
        complain(str(error))
        return USAGE
    finally:
        engine.close()
        await ground.state.close()
    names = {device.no: device.name for device in ground.picture.current().devices.values()}
    lines = sorted(run.ledger.values(), key=lambda line: (line.outcome, ip_address(line.address).packed))
    show([_row(line, names) for line in lines], COLUMNS, as_json)
    return OK if run.outcomes.get("answered") else FAILED


def _row(line: "Looked", names: Mapping[int, str]) -> dict[str, Any]:
    told = {"address": line.address, "outcome": line.outcome, "took_ms": line.took_ms, "says": line.says}
    return told | {"device": names.get(line.device_no, "")}
