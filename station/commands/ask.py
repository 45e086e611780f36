"""`trunkline device ask`, `device gnmi` and `device netconf`: a second opinion on a device, and what it says it has."""

import asyncio
import json
import os
from pathlib import Path

from station.commands.context import FAILED, OK, complain, say, with_store
from station.config import StationSettings
from station.state import State


def snmp(config: Path | None, data: Path | None, address: str, port: int, credential: str, oids: list[str]) -> int:
    """GET by the reference implementation (pysnmp), with a credential of the vault or the settings."""

    async def act(settings: StationSettings, folder: Path, _state: State) -> int:
        from collectors.codecs.ber import DecodeError, parse_oid
        from collectors.snmp.client import SnmpError
        from collectors.snmp.reference import get
        from station.assembly import Ground, Plan
        from station.security.text import printable

        ground = Ground(Plan(settings=settings, folder=folder, environ=os.environ))
        await ground.load_secrets()
        await ground.state.close()
        chosen = ground.credential(credential)
        if chosen is None:
            complain(f"there is no credential {credential!r}")
            return FAILED
        try:
            for varbind in await get(address, port, chosen, [parse_oid(oid.lstrip(".")) for oid in oids]):
                value = varbind.value.decode(errors="replace") if isinstance(varbind.value, bytes) else varbind.value
                say(f"{'.'.join(map(str, varbind.oid))} = {printable(str(value))}")
        except (SnmpError, DecodeError, ValueError) as error:
            complain(str(error))
            return FAILED
        return OK

    return with_store(config, data, act)


def netconf(address: str, port: int, host_key: str, login: tuple[str, Path], schema: str) -> int:
    """What a NETCONF server has, as JSON; with `schema` the text of that module."""
    from collectors import netconf_check
    from collectors.inputs.netconf import NetconfSessionError, NetconfTarget

    try:
        user, password = login[0], login[1].read_text().strip()
        target, known = (
            NetconfTarget(address=address, port=port, credential=user, host_key=host_key),
            {"username": user, "password": password},
        )
        if schema:
            say(netconf_check.schema(target, known, schema))
        else:
            say(json.dumps(netconf_check.look(target, known), indent=2))
    except (NetconfSessionError, OSError) as error:
        complain(str(error))
        return FAILED
    return OK


def gnmi(address: str, port: int, certificate: Path) -> int:
    """Capabilities by pygnmi, with the target's own certificate pinned."""
    from collectors.gnmi_check import TargetError, capabilities

    try:
        say(json.dumps(asyncio.run(asyncio.to_thread(capabilities, address, port, certificate, None)), indent=2))
    except TargetError as error:
        complain(str(error))
        return FAILED
    return OK
