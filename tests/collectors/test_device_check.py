"""`trunkline device test`: each step says in words how it stands, and nothing a device answers breaks it."""

import socket
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.device_check import KNOCK, Check, Finding, date_and_time_ns
from collectors.recording import answering, read_recording
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import shipped_profiles
from station.clock import NS_PER_S, SystemClock
from tests.ports import UDP, free_port

GOOD = SnmpCredential(community="public")
ROUTER = """
1.3.6.1.2.1.1.1.0|4|a router
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.55555.1
1.3.6.1.2.1.1.3.0|67|4711
1.3.6.1.2.1.1.5.0|4|r1
1.3.6.1.2.1.2.2.1.8.1|2|1
1.3.6.1.2.1.2.2.1.8.2|2|2
1.3.6.1.2.1.4.20.1.2.192.0.2.1|2|1
1.3.6.1.2.1.15.3.1.2.192.0.2.2|2|6
1.3.6.1.2.1.25.1.2.0|4x|07d00101000000002b0000
1.3.6.1.2.1.31.1.1.1.1.1|4|ge-0/0/1
1.3.6.1.2.1.31.1.1.1.1.2|4|ge-0/0/2
1.3.6.1.2.1.31.1.1.1.6.1|70|17
1.3.6.1.6.3.12.1.2.1.3.97|4x|c000020900a2
1.3.6.1.6.3.12.1.2.1.3.98|4x|c0
1.0.8802.1.1.2.1.4.1.1.5.0.1.7|4|x
1.0.8802.1.1.2.1.4.1.1.7.0.1.7|4|eth0
"""


async def check(port: int, *credentials: SnmpCredential, knock: Limits = KNOCK) -> dict[str, Finding]:
    engine = Engine()
    try:
        found = await Check(engine, shipped_profiles(), SystemClock(), "127.0.0.1", port, knock=knock).run(credentials)
    finally:
        engine.close()
    return {one.what: one for one in found}


async def test_a_router_is_told_step_by_step() -> None:
    async with answering(read_recording(ROUTER)) as port:
        found = await check(port, GOOD)
    assert found.pop("ping").verdict in ("works", "absent")
    told = {what: (one.verdict, one.says) for what, one in found.items()}
    assert told.pop("SNMP v2c as 'default'")[0] == "works"
    assert told.pop("clock")[1].endswith("s behind the station's: see its NTP")
    assert told == {
        "device": ("works", "r1, profile generic"),
        "interfaces": ("works", "2, 1 up"),
        "addresses": ("works", "2"),
        "LLDP and CDP": ("works", "1 neighbours, by LLDP"),
        "sensors": ("absent", "none shown in the tables of its profile"),
        "sessions": ("works", "1"),
        "serial number": ("absent", "not shown (ENTITY-MIB)"),
        "64-bit counters": ("partly", "1 of 2 interfaces; what the others count wraps in minutes"),
        "traps": ("works", "the device sends them to 192.0.2.9:162"),
    }


async def test_an_agent_that_shows_nothing_else_is_told_so() -> None:
    async with answering(read_recording("1.3.6.1.2.1.1.5.0|4|bare\n1.3.6.1.2.1.25.1.2.0|4|now")) as port:
        found = await check(port, GOOD)
    assert {what: one.verdict for what, one in found.items() if what in ("interfaces", "clock", "traps", "64-bit counters")} == {
        "interfaces": "fails",
        "clock": "absent",
        "traps": "absent",
        "64-bit counters": "absent",
    }


async def test_a_closed_port_and_a_silent_one_are_two_things() -> None:
    once = Limits(timeout_s=0.05, retries=0)
    found = await check(free_port(UDP), GOOD, knock=once)
    assert found["SNMP v2c as 'default'"].verdict == "fails"
    assert [one.says for what, one in found.items() if what.startswith("UDP port")] == ["nobody listens there: Connection refused"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = await check(silent.getsockname()[1], GOOD, knock=once)
    assert [one.says.partition(":")[0] for what, one in found.items() if what.startswith("UDP port")] == ["silent"]


async def test_without_a_credential_that_is_what_is_said() -> None:
    found = await check(free_port(UDP))
    assert found["SNMP"].says == "there is no credential to try: see `trunkline credential add`"


@pytest.mark.parametrize(
    ("octets", "at"),
    [
        ("07ea0b19051e0f00", datetime(2026, 11, 25, 5, 30, 15, tzinfo=UTC)),
        ("07ea0b19051e0f002b0200", datetime(2026, 11, 25, 3, 30, 15, tzinfo=UTC)),
        ("07ea0b19051e0f002d0330", datetime(2026, 11, 25, 9, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_date_is_read_with_its_zone(octets: str, at: datetime) -> None:
    assert date_and_time_ns(bytes.fromhex(octets)) == int(at.timestamp()) * NS_PER_S


@given(st.binary(max_size=12))
def test_any_octets_are_a_date_or_none(octets: bytes) -> None:
    told = date_and_time_ns(octets)
    assert told is None or isinstance(told, int)
