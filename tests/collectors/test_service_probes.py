"""DNS and HTTP probes against real servers on loopback: what answers well, what answers wrongly, and what does not answer."""

import asyncio
import math
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import dns.message
import dns.rcode
import dns.rrset
import pytest
from pydantic import ValidationError

from collectors.dns_probe import answers
from collectors.http_probe import BODY_MAX, Expected, fetches
from collectors.inputs.probes import Probes
from collectors.probe_settings import DnsTarget, HttpTarget, ProbeSettings
from inventory.topology import Device, Topology
from station.batch import SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.series import series_of
from tests.peers.collectors.conftest import certificates
from tests.ports import TCP, UDP, free_port

NETWORK = Topology(devices={7: Device(no=7, id="d", name="here", site_id="", management_address="127.0.0.1")}, addresses={"127.0.0.1": 7})
CLOCK = SystemClock()
ROUND = {"count": 2, "spacing_s": 0, "timeout_s": 30}


class NameServer(asyncio.DatagramProtocol):
    """Knows www.example.net, refuses everything else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(answer_to(data).to_wire(), addr)


def answer_to(data: bytes) -> dns.message.Message:
    query = dns.message.from_wire(data)
    answer = dns.message.make_response(query)
    name = query.question[0].name
    if name.to_text() == "www.example.net.":
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.80", "192.0.2.81"))
    else:
        answer.set_rcode(dns.rcode.REFUSED)
    return answer


@asynccontextmanager
async def name_server() -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def asked(port: int, name: str, *expect: str) -> list[float | None]:
    return await answers(CLOCK, "127.0.0.1", port, (name, "A"), expect, count=2, spacing_s=0, timeout_s=30)


async def test_a_question_is_timed_when_the_answer_holds_what_is_expected() -> None:
    async with name_server() as port:
        for expect in ((), ("192.0.2.81",), ("192.0.2.80", "192.0.2.81")):
            found = await asked(port, "www.example.net", *expect)
            assert len(found) == 2
            assert all(one is not None and one > 0 for one in found)


async def test_another_answer_and_a_refusal_are_loss() -> None:
    async with name_server() as port:
        assert await asked(port, "www.example.net", "192.0.2.9") == [None, None]
        assert await asked(port, "other.example.net") == [None, None]


async def test_a_name_server_that_is_not_there_is_loss() -> None:
    found = await answers(CLOCK, "127.0.0.1", free_port(UDP), ("www.example.net", "A"), (), count=1, spacing_s=0, timeout_s=0.2)
    assert found == [None]


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2] or 200)
        body = b"all is well" if status == 200 else b"sorry"
        if self.path.startswith("/long"):
            body = b"x" * (2 * BODY_MAX) + b"the end"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/200")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # the probe had read enough

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def web(authority: Path) -> Iterator[int]:
    """A web server over TLS; its certificate lasts 30 days."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.parent / "server.crt", authority.parent / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


@pytest.mark.parametrize(
    ("path", "expected", "good"),
    [
        ("/200", Expected(), True),
        ("/200", Expected(contains="is well"), True),
        ("/200", Expected(contains="is broken"), False),
        ("/503", Expected(), False),
        ("/503", Expected(statuses=(503,)), True),
        ("/302", Expected(), True),
        ("/302", Expected(statuses=(200,)), False),
        ("/long/200", Expected(contains="the end"), False),
        ("/long/200", Expected(contains="xxx"), True),
    ],
)
async def test_a_page_is_good_by_its_status_and_its_text(web: int, authority: Path, path: str, expected: Expected, good: bool) -> None:
    found = await fetches(
        CLOCK, f"https://127.0.0.1:{web}{path}", expected, count=1, spacing_s=0, timeout_s=30, trusted=trusting(authority)
    )
    assert [one is not None for one in found.seconds] == [good]
    assert 29 < found.certificate_days <= 30


async def test_a_certificate_that_nobody_vouches_for_is_loss_and_gets_no_request(web: int) -> None:
    url = f"https://127.0.0.1:{web}/200"
    found = await fetches(CLOCK, url, Expected(), count=1, spacing_s=0, timeout_s=30, trusted=ssl.create_default_context())
    assert found.seconds == [None]
    assert math.isnan(found.certificate_days)


async def test_a_server_that_is_not_there_is_loss() -> None:
    url = f"http://127.0.0.1:{free_port(TCP)}/"
    found = await fetches(CLOCK, url, Expected(), count=2, spacing_s=0, timeout_s=30, trusted=ssl.create_default_context())
    assert found.seconds == [None, None]


async def test_rounds_become_samples_of_their_device(web: int, authority: Path) -> None:
    out: Channel[SampleBatch] = Channel("service_probes", 8)
    page = HttpTarget(address="127.0.0.1", url=f"https://127.0.0.1:{web}/200", ca_file=str(authority))
    async with name_server() as port:
        question = DnsTarget(address="127.0.0.1", port=port, name="www.example.net", expect=("192.0.2.80",))
        settings = ProbeSettings(
            dns_interval_s=60, dns=(question,), dns_spacing_s=0, http_interval_s=60, http=(page,), http_spacing_s=0, timeout_s=30
        )
        task = asyncio.create_task(Probes(settings, lambda: NETWORK, CLOCK, out, Channel("heard_of_services", 8)).run())
        try:
            batches = [await asyncio.wait_for(out.get(), 60) for _ in range(2)]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    said = {int(series): value for batch in batches for series, value in zip(batch.series, batch.value, strict=True)}
    assert said[series_of(7, 0, code_of("dns.loss"))] == said[series_of(7, 0, code_of("http.loss"))] == 0
    assert 29 < said[series_of(7, 0, code_of("http.certificate_days"))] <= 30
    assert said[series_of(7, 0, code_of("dns.rtt_p50"))] > 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dns": [{"address": "192.0.2.1", "name": "a..b"}]}, "no question"),
        ({"dns": [{"address": "192.0.2.1", "name": "a.b", "kind": "BANANA"}]}, "no question"),
        ({"http": [{"address": "192.0.2.1", "url": "ftp://a.b/"}]}, "no http or https URL"),
        ({"http": [{"address": "192.0.2.1", "url": "https://me:secret@a.b/"}]}, "without a login"),
        ({"http": [{"address": "192.0.2.1", "url": "https://a.b/", "statuses": [99]}]}, "greater than or equal to 100"),
        ({"trace": [{"address": "here.example"}]}, "here.example"),
        ({"trace": [{"address": "192.0.2.1"}, {"address": "192.0.2.1"}]}, "stands twice"),
    ],
)
def test_a_wrong_target_is_named(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ProbeSettings.model_validate(settings)
