"""`trunkline device test`: what works and what does not between the station and one device, in plain words."""

import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from station.commands.context import FAILED, OK, PARTLY, USAGE, complain, show, with_store
from station.config import StationSettings
from station.state import State

if TYPE_CHECKING:
    from collectors.device_check import Finding

COLUMNS = ("what", "verdict", "says")


def device(config: Path | None, data: Path | None, host: str, port: int | None, names: Sequence[str], *, as_json: bool) -> int:
    """Exit code 1 when no credential works, 3 when something works only in part."""

    async def act(settings: StationSettings, folder: Path, _state: State) -> int:
        from collectors.device_check import Check
        from collectors.snmp.engine import Engine
        from collectors.snmp.profiles import shipped_profiles
        from station.assembly import Ground, Plan
        from station.clock import SystemClock

        ground = Ground(Plan(settings=settings, folder=folder, environ=os.environ))
        await ground.load_secrets()
        await ground.state.close()
        credentials = [known for name in names if (known := ground.credential(name))] if names else ground.credentials()
        unknown = [name for name in names if ground.credential(name) is None]
        address = _address(host)
        if unknown or not address:
            complain(f"there is no credential {unknown[0]!r}" if unknown else f"{host!r} is no address, and no name that means one")
            return USAGE
        engine = Engine()
        try:
            check = Check(engine, shipped_profiles(), SystemClock(), address, port or settings.inventory.port)
            found = [*await check.run(credentials), *_receivers(settings, address)]
        finally:
            engine.close()
        show([one._asdict() for one in found], COLUMNS, as_json)
        return _code(found)

    return with_store(config, data, act)


def _code(found: "Sequence[Finding]") -> int:
    snmp = [one.verdict for one in found if one.what.startswith("SNMP")]
    if not any(verdict in ("works", "partly") for verdict in snmp):
        return FAILED
    return PARTLY if any(one.verdict == "partly" for one in found) else OK


def _address(host: str) -> str:
    """The address itself, or the first that the name means; "" for neither."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])
    except OSError:
        return ""


def _receivers(settings: StationSettings, address: str) -> "list[Finding]":
    """Whether the device could reach what the station hears messages with."""
    from collectors.device_check import Finding

    found = []
    for what, place in (("traps", settings.traps.address), ("syslog", settings.syslog.address)):
        local = place.startswith("127.") or place == "::1"
        if local and not ip_address(address).is_loopback:
            says = f'the station hears {what} on loopback only: set address = "0.0.0.0" under [{what}]'
            found.append(Finding(f"the station's {what} receiver", "partly", says))
    return found
