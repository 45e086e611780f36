"""Syslog over TLS (RFC 5425) from rsyslog, and from senders with and without a certificate."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from collectors.inputs.syslog import Syslog, SyslogSettings
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import SystemClock
from tests.peers.collectors.conftest import certificates, need
from tests.ports import TCP, free_port

LINE = b"<187>45: *Mar  1 00:00:24.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down"
Out = Channel[tuple[Notification, ...]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """ca.pem, and a key and certificate each for `server` and `client`."""
    certificates(tmp_path)
    return tmp_path


@pytest.fixture
async def receiver(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[int, Out]]:
    port = free_port(TCP)
    settings = SyslogSettings(
        udp_port=0,
        tls_port=port,
        tls_certificate=str(folder / "server.crt"),
        tls_key=str(folder / "server.key"),
        tls_client_ca=str(folder / "ca.pem") if request.param else "",
    )
    out: Out = Channel("syslog_tls_test", 100)
    task = asyncio.create_task(Syslog(settings, lambda: Topology(addresses={"127.0.0.1": 7}), SystemClock(), out).run())
    async with asyncio.timeout(60):
        while not await listens(port):
            await asyncio.sleep(0.02)
    yield port, out
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def send(port: int, folder: Path, octets: bytes, *, certificate: bool) -> None:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if certificate:
        context.load_cert_chain(folder / "client.crt", folder / "client.key")
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(octets)
    await writer.drain()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("receiver", [True, False], indirect=True)
async def test_only_a_certificate_that_was_asked_for_makes_a_message_authenticated(
    receiver: tuple[int, Out], folder: Path, request: pytest.FixtureRequest
) -> None:
    port, out = receiver
    await send(port, folder, b"%d %s" % (len(LINE), LINE), certificate=True)
    ((one,),) = [await asyncio.wait_for(out.get(), 60)]
    assert (one.name, one.fields["ifName"], one.device) == ("link_down", "GigabitEthernet0/1", 7)
    assert one.authenticated is request.node.callspec.params["receiver"]


@pytest.mark.parametrize("receiver", [True], indirect=True)
async def test_a_sender_without_a_certificate_is_not_heard(receiver: tuple[int, Out], folder: Path) -> None:
    port, out = receiver
    await asyncio.gather(send(port, folder, b"%d %s" % (len(LINE), LINE), certificate=False), return_exceptions=True)
    await send(port, folder, b"<13>Nov 22 00:00:00 h app: known\n", certificate=True)
    (one,) = await asyncio.wait_for(out.get(), 60)
    assert one.text == "known"


def test_a_tls_port_without_a_certificate_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ValidationError, match="tls_certificate"):
        SyslogSettings(tls_port=6514)


@pytest.mark.slow
@pytest.mark.parametrize("receiver", [True], indirect=True)
async def test_rsyslog_delivers_over_tls(receiver: tuple[int, Out], folder: Path) -> None:
    if not any(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        pytest.fail("rsyslog's TLS driver is missing: apt-get install rsyslog-gnutls")
    port, out = receiver
    (folder / "rsyslog.conf").write_text(
        f'global(workDirectory="{folder}" DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="{folder}/ca.pem" '
        f'DefaultNetstreamDriverCertFile="{folder}/client.crt" DefaultNetstreamDriverKeyFile="{folder}/client.key")\n'
        f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{folder}/log")\n'
        f'action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" StreamDriver="gtls" StreamDriverMode="1" '
        'StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="server" TCP_Framing="octet-counted" '
        'Template="RSYSLOG_SyslogProtocol23Format")\n'
    )
    arguments = [need("rsyslogd", "rsyslog"), "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "rsyslog.pid")]
    rsyslog = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            while not (folder / "log").exists():
                await asyncio.sleep(0.02)
        subprocess.run([shutil.which("logger") or "logger", "-u", str(folder / "log"), "-t", "kernel", "eth0: Link is Down"], check=True)
        (one,) = await asyncio.wait_for(out.get(), 60)
    finally:
        rsyslog.terminate()
        await rsyslog.wait()
    assert (one.name, one.fields["ifName"], one.authenticated) == ("link_down", "eth0", True)
