"""One look at a device: who it is, its interfaces, sensors, sessions, addresses and neighbours (inventory.facts)."""

from collections.abc import Sequence
from dataclasses import dataclass

from collectors.addresses import own_addresses, resolved_addresses
from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.family import ENTERPRISES, family_of, present
from collectors.hardware import read_hardware, read_identity
from collectors.neighbours import cdp_neighbours, forwarding_neighbours, lldp_chassis_id, lldp_neighbours, routing_neighbours
from collectors.sensors import Naming, entity_sensors, profile_sensors, told_apart
from collectors.sessions import read_sessions
from collectors.snmp.client import Limits, SnmpClient, SnmpError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import Profile, Profiles
from collectors.snmp.reader import Reader
from collectors.snmp.text import DESCR_MAX, integer_of, mac_text, text_of
from collectors.snmp.walk import Table
from inventory.facts import DeviceFacts, InterfaceFacts, NoAnswer, SensorFacts

_SYSTEM = parse_oid("1.3.6.1.2.1.1")
SYS_DESCR, SYS_OBJECT_ID, SYS_UPTIME, SYS_NAME, SYS_LOCATION = ((*_SYSTEM, i, 0) for i in (1, 2, 3, 5, 6))
_MIB_2 = parse_oid("1.3.6.1.2.1")
_ENGINE_ID = parse_oid("1.3.6.1.6.3.10.2.1.1.0")

_IF = parse_oid("1.3.6.1.2.1.2.2.1")
_IF_INDEX, _IF_DESCR, _IF_TYPE, _IF_SPEED, _IF_MAC, _IF_ADMIN, _IF_OPER = ((*_IF, i) for i in (1, 2, 3, 5, 6, 7, 8))
_IFX = parse_oid("1.3.6.1.2.1.31.1.1.1")
IF_NAME = (*_IFX, 1)
_IF_HIGH_SPEED, _IF_ALIAS = (*_IFX, 15), (*_IFX, 18)
_SPEED_UNKNOWN = 0xFFFF_FFFF  # ifSpeed at its ceiling says: see ifHighSpeed (RFC 2863)
_MBPS = 1_000_000
_FASTEST_MBPS = 100_000_000  # 100 Tbit/s: an ifHighSpeed beyond is one that an agent told in bit/s
_NET_SNMP = "1.3.6.1.4.1.8072.3."  # sysObjectID of net-snmp's own agents
INTERFACES_MAX = 20_000

_REFUSALS = {
    "wrong_digest": "wrong_credential",
    "unknown_user": "wrong_credential",
    "unsupported_security_level": "wrong_credential",
    "decryption_error": "wrong_credential",
    "authorization_error": "refused",
    "no_access": "refused",
    "timeout": "no_answer",
    "deadline": "timeout",
}
_WORST = ("wrong_credential", "refused", "malformed", "timeout", "no_answer")


@dataclass(frozen=True, slots=True)
class _System:
    sys_descr: str
    sys_object_id: str
    sys_name: str
    sys_location: str
    uptime_cs: int
    engine_id: str


async def look(
    engine: Engine,
    address: str,
    port: int,
    credentials: Sequence[SnmpCredential],
    profiles: Profiles,
    *,
    limits: Limits | None = None,
) -> DeviceFacts | NoAnswer:
    """Everything one device says, under the first credential it accepts; NoAnswer tells why there is nothing.

    `limits` bound the knock (who is there?); the tables are read under the limits of the device's profile.
    """
    reasons: set[str] = set()
    for credential in credentials:
        client = SnmpClient(engine, address, port, credential, limits or Limits(timeout_s=1.0, retries=1))
        try:
            system = await _read_system(client)
        except SnmpError as error:
            reasons.add(_REFUSALS.get(error.reason, "malformed"))
            continue
        return await _read_device(engine, client, system, profiles)
    return NoAnswer(address, next((reason for reason in _WORST if reason in reasons), "no_answer"))


async def _read_system(client: SnmpClient) -> _System:
    descr, object_id, uptime, name, location, engine_id = await client.get(
        (SYS_DESCR, SYS_OBJECT_ID, SYS_UPTIME, SYS_NAME, SYS_LOCATION, _ENGINE_ID)
    )
    if not any(varbind.exists for varbind in (descr, object_id, uptime, name)) and not await present(client, (_MIB_2, ENTERPRISES)):
        raise SnmpError("no_access", "the agent shows nothing")
    return _System(
        sys_descr=text_of(descr, DESCR_MAX),
        sys_object_id=dotted(object_id.value) if isinstance(object_id.value, tuple) else "",
        sys_name=text_of(name),
        sys_location=text_of(location),
        uptime_cs=integer_of(uptime),
        engine_id=engine_id.value.hex() if isinstance(engine_id.value, bytes) else "",
    )


async def _read_device(engine: Engine, knocked: SnmpClient, system: _System, profiles: Profiles) -> DeviceFacts:
    profile = await family_of(knocked, system.sys_object_id, system.sys_descr, profiles)
    client = SnmpClient(engine, knocked.address, knocked.port, knocked.credential, profile.client_limits())
    client.security = knocked.security  # what was learned of a v3 engine is not asked again
    reader = Reader(client)
    interfaces = present_interfaces(await read_interfaces(reader), system.sys_object_id)
    hardware = await read_hardware(reader)
    model, serial = await read_identity(reader, profile)
    named = await lldp_neighbours(reader, interfaces) + await cdp_neighbours(reader, interfaces)
    own = await own_addresses(reader, client.address, interfaces)
    routed, resolved = await routing_neighbours(reader, interfaces, own.subnets), await resolved_addresses(reader, interfaces)
    return DeviceFacts(
        address=client.address,
        snmp_port=client.port,
        credential=client.credential.name,
        sys_name=system.sys_name,
        sys_descr=system.sys_descr,
        sys_object_id=system.sys_object_id,
        sys_location=system.sys_location,
        uptime_cs=system.uptime_cs,
        engine_id=system.engine_id,
        chassis_id=await lldp_chassis_id(reader),
        serial=serial or hardware.serial,
        model=model or hardware.model,
        vendor=profile.vendor,
        profile=profile.name,
        interfaces=interfaces,
        sensors=await _read_sensors(reader, profile, Naming.of(interfaces, hardware)),
        neighbours=(named or await forwarding_neighbours(reader, interfaces)) + routed + resolved.neighbours,
        heard=resolved.heard,
        addresses=own.seen,
        subnets=own.subnets,
        lasting=own.lasting,
        problems=tuple(reader.problems),
    )


async def read_interfaces(reader: Reader) -> tuple[InterfaceFacts, ...]:
    """The rows of ifTable, with ifXTable's columns where the agent has them, by ifIndex."""
    table = await reader.table("ifTable", (_IF_INDEX, _IF_DESCR, _IF_TYPE, _IF_SPEED, _IF_MAC, _IF_ADMIN, _IF_OPER))
    extended = await reader.table("ifXTable", (IF_NAME, _IF_HIGH_SPEED, _IF_ALIAS))
    rows = sorted({row for found in (table, extended) for column in found.columns.values() for row in column})
    if len(rows) > INTERFACES_MAX:
        reader.problems.append(f"ifTable: {len(rows)} rows, the first {INTERFACES_MAX} are kept")
    return tuple(_interface(row, table, extended) for row in rows[:INTERFACES_MAX] if len(row) == 1)


def present_interfaces(interfaces: Sequence[InterfaceFacts], sys_object_id: str) -> tuple[InterfaceFacts, ...]:
    """Without the rows that net-snmp keeps of interfaces which are gone and made again.

    A kernel gives a name to one interface at a time and each new one a higher number, so of equal names the highest is there.
    """
    if not sys_object_id.startswith(_NET_SNMP):
        return tuple(interfaces)
    newest: dict[str, int] = {}
    for one in interfaces:
        newest[one.name] = max(one.if_index, newest.get(one.name, 0))
    return tuple(one for one in interfaces if newest[one.name] == one.if_index)


def _interface(row: Oid, table: Table, extended: Table) -> InterfaceFacts:
    descr = text_of(table.column(_IF_DESCR).get(row))
    mac = table.column(_IF_MAC).get(row)
    return InterfaceFacts(
        if_index=row[0],
        name=text_of(extended.column(IF_NAME).get(row)) or descr or f"if{row[0]}",
        descr=descr,
        alias=text_of(extended.column(_IF_ALIAS).get(row)),
        if_type=integer_of(table.column(_IF_TYPE).get(row)),
        speed_bps=_speed_bps(integer_of(table.column(_IF_SPEED).get(row)), integer_of(extended.column(_IF_HIGH_SPEED).get(row))),
        mac=mac_text(mac.value) if mac else "",
        admin_status=integer_of(table.column(_IF_ADMIN).get(row)),
        oper_status=integer_of(table.column(_IF_OPER).get(row)),
    )


def _speed_bps(if_speed: int, if_high_speed: int) -> int:
    """ifSpeed is exact below its ceiling, ifHighSpeed is in Mbit/s (RFC 2863, 3.1.7); what cannot be a speed is 0, unknown."""
    if_speed = max(if_speed, 0)
    if if_high_speed > _FASTEST_MBPS:
        return if_high_speed
    if if_high_speed > 0 and (if_speed in (0, _SPEED_UNKNOWN) or if_high_speed * _MBPS > _SPEED_UNKNOWN):
        return if_high_speed * _MBPS
    return if_speed


async def _read_sensors(reader: Reader, profile: Profile, naming: Naming) -> tuple[SensorFacts, ...]:
    found = [
        *await entity_sensors(reader, naming.hardware, profile, naming.by_name),
        *await profile_sensors(reader, profile, naming),
        *await read_sessions(reader, profile),
    ]
    return tuple(told_apart(found))
