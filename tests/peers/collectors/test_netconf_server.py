"""The NETCONF input against Debian's netconfd over SSH: state, events, a wrong host key, a cut session."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]
import pytest
from ncclient import manager

from collectors.inputs.netconf import NETCONF_RECONNECTS, Netconf, NetconfSessionError, NetconfSettings, NetconfTarget
from collectors.netconf_check import look, schema
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.series import entity_key, metrics_of, series_of
from tests.peers.collectors.conftest import until
from tests.peers.collectors.netconf_server import LOGIN, SshServer, netconfd

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOPOLOGY = Topology(
    devices={7: Device(no=7, id="d", name="r1", site_id="", management_address="127.0.0.1")},
    entities={entity_key(7, n): Entity(entity_key(7, n), f"if-{n}", "interface", name) for n, name in enumerate(("lo", "v1", "v2"), 1)},
    addresses={"127.0.0.1": 7},
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with netconfd(tmp_path_factory.mktemp("netconfd")) as made:
        yield made


class Heard:
    """An input that runs, and what came out of it."""

    def __init__(self, target: NetconfTarget, login: dict[str, str]) -> None:
        self.samples: Channel[SampleBatch] = Channel("netconf_samples_test", 100)
        self.events: Channel[tuple[Notification, ...]] = Channel("netconf_events_test", 100)
        settings = NetconfSettings(targets=(target,))
        self.input = Netconf(settings, lambda: TOPOLOGY, SystemClock(), lambda _: login, self.samples, self.events, backoff_first_s=0.1)

    async def event(self, name: str) -> Notification:
        async with asyncio.timeout(60):
            while True:
                (said,) = await self.events.get()
                if said.name == name:
                    return said


@asynccontextmanager
async def running(target: NetconfTarget, login: dict[str, str] = LOGIN) -> AsyncIterator[Heard]:
    heard = Heard(target, login)
    task = asyncio.create_task(heard.input.run())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def target_of(server: SshServer, **more: Any) -> NetconfTarget:
    return NetconfTarget(**{"address": "127.0.0.1", "port": server.port, "credential": "core", "host_key": server.key.get_base64()} | more)


def change(server: SshServer, text: str) -> None:
    """Another administrator's committed change."""
    with manager.connect(
        host="127.0.0.1", port=server.port, hostkey_verify=False, look_for_keys=False, allow_agent=False, timeout=60, **LOGIN
    ) as session:
        session.edit_config(f'<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{text}</config>', target="candidate")
        session.commit()


@pytest.mark.parametrize("by", ["subtree", "xpath"])
async def test_state_of_a_real_server_becomes_samples(server: SshServer, by: str) -> None:
    async with running(target_of(server, stream="", interval_s=1, filter=by)) as heard:
        first = await asyncio.wait_for(heard.samples.get(), 60)
        second = await asyncio.wait_for(heard.samples.get(), 60)
        assert heard.input.covered == {7}
    found = dict(zip(first.series.tolist(), zip(first.raw.tolist(), first.value.tolist(), strict=True), strict=True))
    assert found[series_of(7, 2, code_of("interface.oper_status"))][1] == 1
    assert code_of("interface.in_octets") in metrics_of(first.series)
    assert second.time_ns[0] > first.time_ns[0]
    octets = series_of(7, 2, code_of("interface.out_octets"))
    assert second.raw[second.series.tolist().index(octets)] >= found[octets][0]


async def change_until_heard(server: SshServer, heard: Heard, first: int) -> Notification:
    """Commit changes until one is heard: the subscription may take a moment to hold."""
    for n in range(first, first + 10):
        text = f'<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><contact>noc-{n}</contact></system>'
        await asyncio.to_thread(change, server, text)
        try:
            return await asyncio.wait_for(heard.event("netconf-config-change"), 2)
        except TimeoutError:
            continue
    pytest.fail("no event was heard")


async def test_a_committed_change_is_an_event_and_a_cut_session_comes_back(server: SshServer) -> None:
    async with running(target_of(server, interval_s=0)) as heard:
        said = await change_until_heard(server, heard, 0)
        assert (said.device, said.protocol, said.authenticated) == (7, "netconf", True)
        assert said.fields["changed-by/username"] == "root"
        server.cut()
        assert await change_until_heard(server, heard, 100)


async def test_what_happened_while_no_session_stood_is_heard_afterwards_and_nothing_twice(server: SshServer) -> None:
    async with running(target_of(server, interval_s=0)) as heard:
        first = await change_until_heard(server, heard, 200)
    while len(heard.events):
        await heard.events.get()
    text = '<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system"><contact>while nobody listened</contact></system>'
    await asyncio.to_thread(change, server, text)
    again = asyncio.create_task(heard.input.run())
    try:
        missed = await heard.event("netconf-config-change")
    finally:
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
    assert missed.fields["eventTime"] >= first.fields["eventTime"]
    assert missed.fields["changed-by/session-id"] != first.fields["changed-by/session-id"]


def test_a_server_says_its_modules_streams_and_schemas(server: SshServer, tmp_path: Path) -> None:
    target = target_of(server)
    said = look(target, LOGIN)
    assert "ietf_interfaces_state" in said["read"] or "ietf_interfaces" in said["read"]
    assert said["streams"] == {"NETCONF": True}
    assert set(said["modules"]) >= {"ietf-interfaces", "ietf-system"}
    assert "module ietf-interfaces" in schema(target, LOGIN, "ietf-interfaces")
    with pytest.raises(NetconfSessionError):
        schema(target, LOGIN, "no-such-module")
    password = tmp_path / "password"
    password.write_text(LOGIN["password"])
    arguments = ["--host-key", server.key.get_base64(), "--user", LOGIN["username"], "--password-file", str(password)]
    command = [sys.executable, "-m", "station.cli", "device", "netconf", "127.0.0.1", "--port", str(server.port), *arguments]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert json.loads(told)["streams"] == {"NETCONF": True}


async def test_a_wrong_host_key_is_refused_before_a_password_is_shown(server: SshServer) -> None:
    other = paramiko.ECDSAKey.generate(bits=256).get_base64()
    shown, refused = len(server.shown), NETCONF_RECONNECTS.labels("unknown_host_key")
    before = refused._value.get()
    async with running(target_of(server, host_key=other)):
        await until(lambda: refused._value.get() > before + 1, 20)
    assert len(server.shown) == shown


async def test_a_wrong_password_is_counted_and_tried_again(server: SshServer) -> None:
    counted = NETCONF_RECONNECTS.labels("authentication")
    before = counted._value.get()
    async with running(target_of(server, interval_s=0), {"username": "station", "password": "wrong"}):
        await until(lambda: counted._value.get() > before + 1, 20)


@pytest.mark.parametrize("key", ["AAAA", base64.b64encode(b"not a key").decode()])
async def test_a_host_key_that_is_none_is_a_refusal_not_a_crash(server: SshServer, key: str) -> None:
    counted = NETCONF_RECONNECTS.labels("transport")
    before = counted._value.get()
    async with running(target_of(server, host_key=key, interval_s=0)):
        await until(lambda: counted._value.get() > before, 20)


OLD_SERVER = """
import re, sys
END = "]]>]]>"
BASE = 'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
def say(text):
    sys.stdout.write(text + END)
    sys.stdout.flush()
capabilities = ["urn:ietf:params:netconf:base:1.0", "urn:ietf:params:netconf:capability:yang-library:1.0?revision=2016-06-21"]
named = "".join(f"<capability>{c}</capability>" for c in capabilities)
say(f"<hello {BASE}><capabilities>{named}</capabilities><session-id>1</session-id></hello>")
MODULE = "<module><name>openconfig-interfaces</name><revision>2021-04-06</revision></module>"
LIBRARY = f'<modules-state xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library">{MODULE}</modules-state>'
LEAVES = "<oper-status>UP</oper-status><counters><in-octets>18446744073709551615</in-octets></counters>"
ENTRY = f"<interface><name>v1</name><state>{LEAVES}</state></interface>"
STATE = f'<interfaces xmlns="http://openconfig.net/yang/interfaces">{ENTRY}</interfaces>'
heard = ""
while text := sys.stdin.read(1):
    heard += text
    if not heard.endswith(END):
        continue
    found = re.search('message-id="([^"]+)"', heard)
    if found:
        body = "<ok/>" if "close-session" in heard else f"<data>{LIBRARY if 'yang-library' in heard else STATE}</data>"
        say(f'<rpc-reply {BASE} message-id="{found[1]}">{body}</rpc-reply>')
    heard = ""
"""


OF_SCHEMAS = OLD_SERVER.replace(
    "urn:ietf:params:netconf:capability:yang-library:1.0?revision=2016-06-21", "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
).replace(
    "f'<modules-state xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-library\">{MODULE}</modules-state>'",
    "'<netconf-state xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring\"><schemas><schema>'"
    "'<identifier>openconfig-interfaces</identifier><version>2021-04-06</version></schema></schemas></netconf-state>'",
).replace("'yang-library' in heard", "'schemas' in heard")  # fmt: skip


@pytest.mark.parametrize("program", [OLD_SERVER, OF_SCHEMAS], ids=["library", "schemas"])
async def test_a_server_of_base_1_0_that_names_its_modules_only_in_the_library_is_read(program: str) -> None:
    old = SshServer([sys.executable, "-c", program], {})
    try:
        async with running(target_of(old, stream="", interval_s=1)) as heard:
            batch = await asyncio.wait_for(heard.samples.get(), 60)
    finally:
        old.close()
    found = dict(zip(batch.series.tolist(), zip(batch.raw.tolist(), batch.value.tolist(), strict=True), strict=True))
    assert found[series_of(7, 2, code_of("interface.in_octets"))][0] == (1 << 64) - 1
    assert found[series_of(7, 2, code_of("interface.oper_status"))][1] == 1
