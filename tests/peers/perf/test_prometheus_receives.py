"""Debian's Prometheus takes the station's remote write; a receiver that fails or refuses costs nothing but its own queue."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from perf.last import LastValues
from perf.names import Names
from perf.remote_write import RemoteWrite
from perf.settings import RemoteWriteSettings
from station.batch import SampleBatch
from tests.peers.perf.test_prometheus_scrapes import answer
from tests.perf.conftest import METERED, S, topology
from tests.perf.test_perf_pipeline import poll
from tests.ports import TCP, free_port

pytestmark = pytest.mark.slow


def heard(last: LastValues, time_ns: int, octets: int) -> SampleBatch:
    batch = poll(METERED, time_ns, (octets, octets))
    last.take(batch)
    return batch


def sender(last: LastValues, url: str, login: Callable[[str], dict[str, str]] = lambda _: {}, **settings: float) -> RemoteWrite:
    picture = topology()
    return RemoteWrite(RemoteWriteSettings(url=url, credential="tsdb", interval_s=1, **settings), last, Names(lambda: picture), login)


@asynccontextmanager
async def running(sender: RemoteWrite) -> AsyncIterator[None]:
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_prometheus_has_every_series_with_its_labels_and_totals(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    assert program, "Prometheus is missing: apt-get install prometheus"
    (tmp_path / "prometheus.yml").write_text("global: {}\n")
    own = free_port(TCP)
    arguments = ["--config.file", f"{tmp_path}/prometheus.yml", "--storage.tsdb.path", f"{tmp_path}/tsdb"]
    arguments += ["--web.listen-address", f"127.0.0.1:{own}", "--web.enable-remote-write-receiver"]
    peer = await asyncio.create_subprocess_exec(program, *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last = LastValues()
    heard(last, time.time_ns(), 2**40 + 5)
    try:
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}")
        async with running(sender(last, f"http://127.0.0.1:{own}/api/v1/write")), client:
            found = await answer(client, "trunkline_interface_receive_bytes_total")
            states = await answer(client, 'trunkline_interface_oper_status{node="ham-core-1"}')
    finally:
        peer.terminate()
        await peer.wait()
    assert [(row["metric"]["interface"], row["metric"]["alias"], row["value"][1]) for row in found] == [
        ("xe-0/0/1", 'to "Berlin"\n\\', str(2**40 + 5))
    ]
    assert states[0]["value"][1] == "1"


class Receiver:
    """Answers with the given statuses, then 204; keeps what it took."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: list[bytes] = []
        self.asked: list[dict[str, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
                body = await reader.readexactly(int(fields["content-length"]))
                status = self.statuses.pop(0) if self.statuses else 204
                self.asked.append(fields)
                if status == 204:
                    self.taken.append(body)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[str]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/write"
    finally:
        server.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_fails_is_sent_again_in_order_and_what_is_refused_is_left() -> None:
    receiver, last = Receiver(503, 429, 204, 400), LastValues()
    now_ns = time.time_ns()
    login = {"username": "kim", "password": "secret"}
    async with receiving(receiver) as url, running(sender(last, url, lambda _: login, request_samples=1)):
        heard(last, now_ns, 1)
        await until(lambda: len(receiver.asked) >= 5)
        heard(last, now_ns + S, 2)
        seen = len(receiver.asked)
        await until(lambda: len(receiver.asked) > seen)
    assert {fields["authorization"] for fields in receiver.asked} == {"basic a2ltonnly3jlda=="}
    assert {fields["content-encoding"] for fields in receiver.asked} == {"snappy"}
    assert receiver.taken


def test_a_series_is_sent_when_it_is_newer_and_only_then() -> None:
    last, now_ns = LastValues(), time.time_ns()
    remote = sender(last, "http://127.0.0.1:1/")
    batch = heard(last, now_ns, 7)
    (first,) = remote.requests()
    assert first.samples == len(batch)
    assert list(remote.requests()) == []
    heard(last, now_ns + S, 8)
    (second,) = remote.requests()
    assert second.samples == len(batch)
