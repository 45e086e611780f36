"""Against net-snmp's originators: traps and informs of every version arrive named, and informs are answered."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping

import pytest
from pydantic import SecretStr

from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.settings import CredentialSettings, TrapSettings
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import SystemClock
from tests.peers.collectors.conftest import need, until

USER = CredentialSettings(
    version="3",
    user="trapper",
    auth_protocol="sha256",
    auth_password=SecretStr("authentic-1234"),
    priv_protocol="aes128",
    priv_password=SecretStr("private-5678"),
)
V3 = ["-v3", "-u", "trapper", "-l", "authPriv", "-a", "SHA-256", "-A", "authentic-1234", "-x", "AES", "-X", "private-5678"]
IF_ROW = ".1.3.6.1.2.1.2.2.1"
LINK_DOWN = f".1.3.6.1.6.3.1.1.5.3 {IF_ROW}.1.2 i 2 {IF_ROW}.7.2 i 1 {IF_ROW}.8.2 i 2".split()
EXPECTED = {"index": "2", "ifIndex": "2", "ifAdminStatus": "up", "ifOperStatus": "down"}


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, Channel[tuple[Notification, ...]]]]:
    out = Channel[tuple[Notification, ...]]("test traps", 100)
    settings = TrapSettings(port=0, users={"trapper": USER}, communities=(SecretStr("public"),))
    made = Receiver(settings, topology=lambda: Topology(addresses={"127.0.0.1": 7}), mibs=shipped_mibs(), out=out, clock=SystemClock())
    running = asyncio.create_task(made.run())
    await until(lambda: made.port)
    yield made, out
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _send(program: str, port: int, *arguments: str) -> int:
    command = [need(program, "snmp"), *arguments[: -len(LINK_DOWN)], f"127.0.0.1:{port}", "", *arguments[-len(LINK_DOWN) :]]
    return (await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "arguments", "authenticated"),
    [
        ("snmptrap", ["-v2c", "-c", "public"], False),
        ("snmpinform", ["-v2c", "-c", "public"], False),
        ("snmptrap", ["-e", "0x8000000001020304", *V3], True),
        ("snmpinform", V3, True),
    ],
    ids=["v2c trap", "v2c inform", "v3 trap", "v3 inform"],
)
async def test_a_link_down_arrives_named(
    receiver: tuple[Receiver, Channel[tuple[Notification, ...]]], program: str, arguments: list[str], authenticated: bool
) -> None:
    made, out = receiver
    assert await _send(program, made.port, *arguments, *LINK_DOWN) == 0  # an inform that is not answered fails
    async with asyncio.timeout(60):
        (heard,) = await out.get()
    fields: Mapping[str, str] = heard.fields
    assert (heard.name, heard.device, heard.source, heard.authenticated) == ("linkDown", 7, "127.0.0.1", authenticated)
    assert fields == EXPECTED
