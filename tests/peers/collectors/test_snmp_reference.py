"""Our client and pysnmp ask the same agent the same: the answers must be equal, tags and all."""

from collections.abc import AsyncIterator

import pytest

from collectors.codecs.ber import parse_oid
from collectors.codecs.usm import Auth, Priv
from collectors.snmp import reference
from collectors.snmp.client import SnmpClient, TargetUnreachableError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from tests.peers.collectors.conftest import PUBLIC, Peer, free_port

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


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2c", "noAuthNoPriv", "sha256", "sha256-aes128", "sha512-aes256"])
async def test_the_client_says_what_pysnmp_says(snmpd: Peer, engine: Engine, version: str) -> None:
    users = {
        "noAuthNoPriv": snmpd.user(None, None),
        "sha256": snmpd.user(Auth.SHA256, None),
        "sha256-aes128": snmpd.user(Auth.SHA256, Priv.AES128),
        "sha512-aes256": snmpd.user(Auth.SHA512, Priv.AES256),
    }
    credential = users.get(version, PUBLIC)
    ours = await SnmpClient(engine, snmpd.address, snmpd.port, credential).get(ASKED)
    assert await reference.get(snmpd.address, snmpd.port, credential, ASKED) == ours


@pytest.mark.slow
async def test_the_client_says_what_pysnmp_says_in_version_1(snmpd: Peer, engine: Engine) -> None:
    credential = SnmpCredential(version="1", community="public")
    ours = await SnmpClient(engine, snmpd.address, snmpd.port, credential).get(ASKED[:6])
    assert await reference.get(snmpd.address, snmpd.port, credential, ASKED[:6]) == ours


@pytest.mark.slow
async def test_silence_is_the_same_error_on_both_paths() -> None:
    with pytest.raises(TargetUnreachableError):
        await reference.get("127.0.0.1", free_port(), PUBLIC, ASKED[:1], timeout_s=0.2, retries=0)
