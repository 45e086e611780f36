"""Our client and pysnmp ask the same agent the same: the answers must be equal, tags and all."""

import subprocess
import warnings
from collections.abc import AsyncIterator

import pytest

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.codecs.snmp import Value
from collectors.codecs.usm import Auth, Priv
from collectors.snmp import reference
from collectors.snmp.client import SnmpClient, TargetUnreachableError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from tests.peers.collectors.conftest import PUBLIC, Peer, need
from tests.ports import UDP, free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated names of its own while it is imported
    from pysnmp.hlapi.v3arch import asyncio as hlapi

# pysnmp calls deprecated names of pysmi while it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ASKED = tuple(
    parse_oid(oid)
    for oid in (
        "1.3.6.1.2.1.1.2.0",  # sysObjectID, an object identifier
        "1.3.6.1.2.1.1.5.0",  # sysName, octets
        "1.3.6.1.2.1.2.1.0",  # ifNumber, an integer
        "1.3.6.1.2.1.2.2.1.5.1",  # ifSpeed, a Gauge32
        "1.3.6.1.2.1.2.2.1.6.1",  # ifPhysAddress of the loopback, no octets
        "1.3.6.1.2.1.4.20.1.1.127.0.0.1",  # ipAdEntAddr, an IpAddress
        "1.3.6.1.2.1.1.99.0",  # no such object
        "1.3.6.1.2.1.1.5.7",  # no such instance
    )
)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


# each algorithm once beside another, as far as pysnmp has it
SECURED = [
    (None, None),
    (Auth.MD5, None),
    (Auth.MD5, Priv.DES),
    (Auth.SHA1, Priv.AES128),
    (Auth.SHA224, Priv.AES192),
    (Auth.SHA256, Priv.AES256),
    (Auth.SHA384, Priv.DES),
    (Auth.SHA512, Priv.AES128),
]


async def test_the_client_says_what_pysnmp_says(snmpd: Peer, engine: Engine) -> None:
    ours = await SnmpClient(engine, snmpd.address, snmpd.port, PUBLIC).get(ASKED)
    assert await reference.get(snmpd.address, snmpd.port, PUBLIC, ASKED) == ours


@pytest.mark.slow
@pytest.mark.parametrize(("auth", "priv"), SECURED, ids=str)
async def test_the_client_says_what_pysnmp_says_under_every_algorithm(
    snmpd: Peer, engine: Engine, auth: Auth | None, priv: Priv | None
) -> None:
    credential = snmpd.user(auth, priv)
    ours = await SnmpClient(engine, snmpd.address, snmpd.port, credential).get(ASKED)
    assert await reference.get(snmpd.address, snmpd.port, credential, ASKED) == ours


IF, IFX = parse_oid("1.3.6.1.2.1.2.2.1"), parse_oid("1.3.6.1.2.1.31.1.1.1")
STEADY = (*((*IF, column) for column in (1, 2, 3, 4, 5, 6, 7, 8)), *((*IFX, column) for column in (1, 15, 16)))


async def walked_by_pysnmp(peer: Peer, columns: tuple[Oid, ...]) -> dict[Oid, Value]:
    """GETBULK column by column, as pysnmp walks."""
    engine, found = hlapi.SnmpEngine(), {}
    target = await hlapi.UdpTransportTarget.create((peer.address, peer.port))
    for column in columns:
        start = hlapi.ObjectType(hlapi.ObjectIdentity(column))
        walk = hlapi.bulk_walk_cmd(
            engine, hlapi.CommunityData("public"), target, hlapi.ContextData(), 0, 10, start, lexicographicMode=False, lookupMib=False
        )
        async for failed, status, _, varbinds in walk:
            assert not failed and not status
            for name, value in varbinds:
                varbind = reference.varbind_of(tuple(name), value)
                found[varbind.oid] = varbind.value
    engine.close_dispatcher()
    return found


def walked_by_net_snmp(peer: Peer, columns: tuple[Oid, ...]) -> dict[Oid, str]:
    """snmpbulkwalk's own texts."""
    found = {}
    for column in columns:
        form = "-Onqet" + ("x" if column == (*IF, 6) else "")  # physical addresses always in hex
        command = [need("snmpbulkwalk", "snmp"), "-v2c", "-c", "public", form, f"{peer.address}:{peer.port}", dotted(column)]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            oid, _, text = line.partition(" ")
            found[parse_oid(oid)] = text.strip('" ')
    return found


@pytest.mark.slow
async def test_the_same_walk_by_pysnmp_by_net_snmp_and_by_us_gives_the_same_values(snmpd: Peer, engine: Engine) -> None:
    table = await SnmpClient(engine, snmpd.address, snmpd.port, PUBLIC).walk(STEADY)
    ours = {(*column, *row): cell.value for column, cells in table.columns.items() for row, cell in cells.items()}
    assert table.complete and len(ours) >= len(STEADY)
    assert await walked_by_pysnmp(snmpd, STEADY) == ours
    assert walked_by_net_snmp(snmpd, STEADY) == {oid: _as_net_snmp(oid, value) for oid, value in ours.items()}


def _as_net_snmp(oid: Oid, value: Value) -> str:
    if oid[:-1] == (*IF, 6):
        assert isinstance(value, bytes)
        return " ".join(f"{octet:02X}" for octet in value)
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.slow
async def test_the_client_says_what_pysnmp_says_in_version_1(snmpd: Peer, engine: Engine) -> None:
    credential = SnmpCredential(version="1", community="public")
    ours = await SnmpClient(engine, snmpd.address, snmpd.port, credential).get(ASKED[:6])
    assert await reference.get(snmpd.address, snmpd.port, credential, ASKED[:6]) == ours


@pytest.mark.slow
async def test_silence_is_the_same_error_on_both_paths() -> None:
    with pytest.raises(TargetUnreachableError):
        await reference.get("127.0.0.1", free_port(UDP), PUBLIC, ASKED[:1], timeout_s=0.2, retries=0)
