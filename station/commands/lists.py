"""`trunkline alarm list`, `device list` and `device show`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from station.commands.context import FAILED, OK, USAGE, complain, say, show, with_store
from station.config import StationSettings
from station.scope import STATION
from station.state import State
from station.web import iso

ALARM_COLUMNS = ("perceived_severity", "raised_at", "device", "object", "text", "count", "ack_state")
DEVICE_COLUMNS = ("name", "status", "management_address", "vendor", "model", "profile", "site", "last_seen_at")
INTERFACE_COLUMNS = ("if_index", "name", "alias", "speed_bps", "admin_status", "oper_status")


def alarms(config: Path | None, data: Path | None, line: str, as_json: bool) -> int:
    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        from fault.filters import FilterError, parse
        from fault.queries import AlarmQuery, list_alarms
        from fault.resources import Resources
        from fault.views import alarm_json
        from inventory.picture import Picture
        from station.hub import Hub

        try:
            terms = tuple(parse(line))
        except FilterError as error:
            complain(f"{line!r}: {error}")
            return USAGE
        picture = Picture(state, Hub())
        resources = Resources(await picture.reload())
        async with state.read() as conn:
            page = await list_alarms(conn, STATION, AlarmQuery(terms=terms, limit=1000), resources)
        show([alarm_json(alarm) for alarm in page.alarms], ALARM_COLUMNS, as_json)
        return OK

    return with_store(config, data, act)


async def _devices(state: State) -> list[dict[str, Any]]:
    from inventory.picture import Picture
    from station.hub import Hub

    topology = await Picture(state, Hub()).reload()
    rows = []
    for device in sorted(topology.devices.values(), key=lambda device: device.name):
        site = topology.sites.get(device.site_id)
        interfaces = [asdict(entity) for entity in topology.interfaces_of.get(device.no, ())]
        rows.append(
            asdict(device) | {"site": site.name if site else "", "last_seen_at": iso(device.last_seen_ns), "interfaces": interfaces}
        )
    return rows


def devices(config: Path | None, data: Path | None, as_json: bool) -> int:
    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        rows = [{name: row[name] for name in ("id", *DEVICE_COLUMNS)} for row in await _devices(state)]
        show(rows, DEVICE_COLUMNS, as_json)
        return OK

    return with_store(config, data, act)


def device(config: Path | None, data: Path | None, name: str, as_json: bool) -> int:
    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        found = next((row for row in await _devices(state) if name in (row["name"], row["id"], row["management_address"])), None)
        if found is None:
            complain(f"there is no device {name!r}")
            return FAILED
        if as_json:
            say(json.dumps(found))
            return OK
        show([found], DEVICE_COLUMNS, as_json=False)
        say("")
        show(found["interfaces"], INTERFACE_COLUMNS, as_json=False)
        return OK

    return with_store(config, data, act)
