"""`trunkline device test` against net-snmp's agent under credentials that are wrong: each fault is told by its name."""

from dataclasses import replace

import pytest

from collectors.codecs.usm import Auth, Priv
from collectors.device_check import Check, Finding
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import shipped_profiles
from station.clock import SystemClock
from tests.peers.collectors.conftest import PUBLIC, Peer

SECURE = "user-sha256-aes128"


async def check(snmpd: Peer, credential: SnmpCredential) -> dict[str, Finding]:
    engine, once = Engine(), Limits(timeout_s=0.5, retries=0)
    try:
        found = await Check(engine, shipped_profiles(), SystemClock(), snmpd.address, snmpd.port, knock=once).run([credential])
    finally:
        engine.close()
    return {one.what: one for one in found}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user": "nobody"}, "the agent does not know the user"),
        ({"auth_password": "another-1234"}, "the authentication password or protocol is another"),
        ({"auth_protocol": "sha512"}, "the authentication password or protocol is another"),
        ({"priv_password": "another-5678"}, "the privacy password or protocol is another"),
        ({"priv_protocol": "", "priv_password": ""}, "the agent knows the credential and may show it nothing"),
    ],
    ids=["user", "authentication password", "authentication protocol", "privacy password", "no privacy"],
)
async def test_what_is_wrong_with_a_user_is_told_by_its_name(snmpd: Peer, change: dict[str, str], says: str) -> None:
    good = snmpd.user(Auth.SHA256, Priv.AES128)
    found = await check(snmpd, replace(good, **change))
    knock = next(one for what, one in found.items() if what.startswith("SNMP v3"))
    assert knock.verdict != "works" and says in knock.says


@pytest.mark.slow
async def test_a_wrong_community_is_silence_at_an_open_port(snmpd: Peer) -> None:
    found = await check(snmpd, replace(PUBLIC, community="wrong"))
    assert [(one.verdict, one.says.partition(":")[0]) for what, one in found.items() if what != "ping"] == [
        ("fails", "no answer"),
        ("fails", "silent"),
    ]


@pytest.mark.slow
async def test_the_right_user_is_told_everything(snmpd: Peer) -> None:
    found = await check(snmpd, snmpd.user(Auth.SHA256, Priv.AES128))
    works = {what for what, one in found.items() if one.verdict == "works"}
    assert {"device", "interfaces", "addresses", "64-bit counters", "clock"} <= works
