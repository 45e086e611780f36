"""Against net-snmp's agent: every version and algorithm, and one whole look."""

import subprocess
from collections.abc import AsyncIterator

import pytest

from collectors.codecs.ber import parse_oid
from collectors.codecs.snmp import NO_SUCH_OBJECT
from collectors.codecs.usm import Auth, Priv
from collectors.facts import look
from collectors.snmp.client import Limits, SnmpClient, SnmpError, TargetUnreachableError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import DeviceFacts, NoAnswer
from tests.peers.collectors.conftest import PUBLIC, USERS, Peer, need
from tests.ports import UDP, free_port

SYS_NAME, SYS_UPTIME = parse_oid("1.3.6.1.2.1.1.5.0"), parse_oid("1.3.6.1.2.1.1.3.0")
IF_TABLE = parse_oid("1.3.6.1.2.1.2.2.1")
QUICK = Limits(timeout_s=0.2, timeout_min_s=0.2, retries=1)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize(("auth", "priv"), [(None, None), *USERS], ids=str)
async def test_snmpd_answers_every_algorithm(snmpd: Peer, engine: Engine, auth: Auth | None, priv: Priv | None) -> None:
    client = SnmpClient(engine, snmpd.address, snmpd.port, snmpd.user(auth, priv))
    name, missing = await client.get((SYS_NAME, (*SYS_NAME[:-2], 99, 0)))
    assert name.value == b"peer-1"
    assert missing.tag == NO_SUCH_OBJECT
    assert not client.problems


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_walk_gives_what_net_snmp_gives(snmpd: Peer, engine: Engine, version: str) -> None:
    columns = tuple((*IF_TABLE, i) for i in (1, 2, 3, 4, 7))
    client = SnmpClient(engine, snmpd.address, snmpd.port, SnmpCredential(version=version, community="public"))
    table = await client.walk(columns)
    ours = {(*column, *index): varbind.value for column, cells in table.columns.items() for index, varbind in cells.items()}
    command = [need("snmpbulkwalk", "snmp"), "-v2c", "-c", "public", "-On", "-Oq", "-Oe", f"127.0.0.1:{snmpd.port}", "1.3.6.1.2.1.2.2.1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    theirs = {parse_oid(oid): text for oid, _, text in (line.partition(" ") for line in lines)}
    assert table.complete and set(ours) == {oid for oid in theirs if oid[: len(IF_TABLE) + 1] in columns}
    for oid, value in ours.items():
        assert (value.decode() if isinstance(value, bytes) else str(value)) == theirs[oid].strip('"')


async def test_one_look_finds_the_agent_under_the_second_credential(snmpd: Peer, engine: Engine) -> None:
    wrong = SnmpCredential(version="3", user="nobody", name="wrong")
    right = SnmpCredential(community="public", name="right")
    facts = await look(engine, snmpd.address, snmpd.port, (wrong, right), shipped_profiles())
    assert isinstance(facts, DeviceFacts)
    assert (facts.sys_name, facts.sys_location, facts.credential, facts.problems) == ("peer-1", "Hamburg", "right", ())
    loopback = next(interface for interface in facts.interfaces if interface.name == "lo")
    assert (loopback.if_type, loopback.oper_status) == (24, 1)
    assert facts.addresses[0] == "127.0.0.1"
    assert bytes.fromhex(facts.engine_id)


@pytest.mark.parametrize(
    "credential",
    [
        SnmpCredential(version="3", user="nobody"),
        SnmpCredential(version="3", user="user-sha256", auth_protocol="sha256", auth_password="not-the-one"),
        SnmpCredential(version="3", user="user", auth_protocol="sha256", auth_password="whatever-1"),
    ],
    ids=["unknown user", "wrong password", "no such level"],
)
async def test_a_wrong_user_is_told_from_silence(snmpd: Peer, engine: Engine, credential: SnmpCredential) -> None:
    assert await look(engine, snmpd.address, snmpd.port, (credential,), shipped_profiles(), limits=QUICK) == NoAnswer(
        "127.0.0.1", "wrong_credential"
    )


async def test_a_dead_address_is_unreachable_after_its_retries(engine: Engine) -> None:
    client = SnmpClient(engine, "127.0.0.1", free_port(UDP), PUBLIC, QUICK)
    with pytest.raises(TargetUnreachableError):
        await client.get((SYS_UPTIME,))
    assert client.problems == {"timeout": 2}
    assert len(engine) == 0


async def test_a_wrong_community_is_silence(snmpd: Peer, engine: Engine) -> None:
    client = SnmpClient(engine, snmpd.address, snmpd.port, SnmpCredential(community="wrong"), QUICK)
    with pytest.raises(SnmpError):
        await client.walk((IF_TABLE,))
