"""Blocks from a spool over a real nats-server to the station's end: each once and in order, whatever is killed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from nats.aio.client import Client

from station.bus import intake as intake_module
from station.bus.columns import BlockError
from station.bus.intake import Intake
from station.bus.link import connect, make_streams, publish
from station.bus.settings import SpoolSettings
from station.bus.spool import Spool
from station.bus.subjects import SAMPLES, Label, stream_of
from station.clock import SystemClock
from tests.peers.bus.nats_peer import Server, cluster, running, until

MINE = "c1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    with running(one):
        yield one


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(opened(tmp_path)) as made:
        yield made


def opened(folder: Path) -> Spool:
    return Spool("samples", folder / "spool", 64 << 20, SpoolSettings(), SystemClock())


class Sink:
    """What a station would make durable: taken blocks count once `settle` says so."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.places: dict[tuple[str, str], int] = {}
        self.aside: Path | None = None
        self.settled: Callable[[], int] = lambda: len(self.taken)

    async def take(self, label: Label, block: bytes) -> int:
        self.taken.append(int(block))
        return len(self.taken)

    async def save(self, places: Mapping[tuple[str, str], int]) -> None:
        self.places |= places

    def intake(self) -> Intake:
        return Intake(SAMPLES, 8, self.take, lambda: self.settled(), self.save, self.places, lambda name: name == MINE, self.aside)


@asynccontextmanager
async def sending(spool: Spool, server: Server) -> AsyncIterator[None]:
    client = await connect(server.login)
    task = asyncio.create_task(publish(lambda: client, spool, SAMPLES, MINE))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await client.close()


@asynccontextmanager
async def receiving(sink: Sink, server: Server, replicas: int = 1) -> AsyncIterator[tuple[Client, Intake]]:
    client, intake = await connect(server.login), sink.intake()
    await make_streams(client, 64 << 20, replicas)
    task = asyncio.create_task(intake.run(client))
    try:
        yield client, intake
    finally:
        task.cancel()
        await asyncio.wait([task])
        await client.close()


async def keep(spool: Spool, numbers: range) -> None:
    for n in numbers:
        await spool.put([(n, 1, b"%d" % n)])


async def test_blocks_arrive_once_and_in_order_and_leave_the_stream_when_they_are_durable(server: Server, spool: Spool) -> None:
    sink = Sink()
    async with receiving(sink, server) as (client, _), sending(spool, server):
        await keep(spool, range(100))
        await until(lambda: sink.places.get((MINE, spool.epoch)) == 100)
        assert sink.taken == list(range(100))
        info = await client.jetstream().stream_info(stream_of(SAMPLES))
        assert info.state.messages == 0


async def test_a_block_that_is_not_durable_comes_again_to_the_next_station(server: Server, spool: Spool) -> None:
    first, second = Sink(), Sink()
    first.settled = lambda: 3
    async with sending(spool, server):
        async with receiving(first, server):
            await keep(spool, range(6))
            await until(lambda: len(first.taken) == 6 and first.places.get((MINE, spool.epoch)) == 3)
        second.places = dict(first.places)
        async with receiving(second, server):
            await keep(spool, range(6, 9))
            await until(lambda: second.places[MINE, spool.epoch] == 9)
    assert second.taken == list(range(3, 9))


async def test_a_killed_server_loses_nothing_and_doubles_nothing(server: Server, spool: Spool) -> None:
    sink = Sink()
    async with receiving(sink, server), sending(spool, server):
        for first in range(0, 90, 30):
            await keep(spool, range(first, first + 15))
            server.kill()
            await keep(spool, range(first + 15, first + 30))
            server.start()
        await until(lambda: sink.places.get((MINE, spool.epoch)) == 90)
    assert sink.taken == list(range(90))


async def test_a_collector_that_dies_sends_again_from_what_the_station_has(server: Server, tmp_path: Path) -> None:
    sink = Sink()
    async with receiving(sink, server):
        with closing(opened(tmp_path)) as spool:
            await keep(spool, range(10))
            async with sending(spool, server):
                await until(lambda: sink.places.get((MINE, spool.epoch)) == 10)
            spool.release(spool.epoch, 4)
        with closing(opened(tmp_path)) as again:
            await keep(again, range(10, 20))
            async with sending(again, server):
                await until(lambda: sink.places[MINE, again.epoch] == 20)
    assert sink.taken == list(range(20))


async def test_what_a_wiped_server_had_taken_is_asked_for_and_sent_again(tmp_path: Path, server: Server, spool: Spool) -> None:
    sink = Sink()
    async with sending(spool, server):
        async with receiving(sink, server) as (client, _):
            await keep(spool, range(5))
            await until(lambda: sink.places.get((MINE, spool.epoch)) == 5)
        await keep(spool, range(5, 10))
        await until(lambda: spool.sent == 10)
        client = await connect(server.login)
        await client.jetstream().delete_stream(stream_of(SAMPLES))
        await client.close()
        async with receiving(sink, server) as (_, intake):
            await keep(spool, range(10, 12))
            await until(lambda: intake.wanted == {(MINE, spool.epoch): 5})
            spool.go_back(5)
            await until(lambda: sink.places[MINE, spool.epoch] == 12)
    assert sink.taken == list(range(12))


async def test_a_station_that_is_behind_holds_the_senders_up_and_nothing_is_lost(server: Server, spool: Spool) -> None:
    sink = Sink()
    sink.settled = lambda: 0
    async with receiving(sink, server), sending(spool, server):
        await keep(spool, range(40))
        await until(lambda: len(sink.taken) == 8)
        await until(lambda: spool.sent == 40)
        assert (len(sink.taken), sink.places) == (8, {})
        sink.settled = lambda: len(sink.taken)
        await until(lambda: sink.places.get((MINE, spool.epoch)) == 40)
    assert sink.taken == list(range(40))


async def test_strangers_and_unreadable_labels_are_counted_and_not_taken(server: Server, spool: Spool) -> None:
    sink = Sink()
    async with receiving(sink, server) as (client, _):
        js = client.jetstream()
        await js.publish("tl.samples.stranger", b"1", headers={"Nats-Msg-Id": "e.0.1", "Tl-First": "1"})
        await js.publish(f"tl.samples.{MINE}", b"2", headers={"Nats-Msg-Id": "none"})
        await js.publish(f"tl.samples.{MINE}", b"3")
        async with sending(spool, server):
            await keep(spool, range(1))
            await until(lambda: sink.places.get((MINE, spool.epoch)) == 1)
    assert sink.taken == [0] and list(sink.places) == [(MINE, spool.epoch)]


async def test_a_block_that_can_never_be_taken_is_set_aside_and_the_next_ones_are_taken(
    server: Server, spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "AGAIN_S", 0.01)
    sink, tries = Sink(), 0

    async def take(label: Label, block: bytes) -> int:
        nonlocal tries
        if block == b"1":
            tries += 1
            raise ZeroDivisionError
        if block == b"2":
            raise BlockError("poisoned")
        return await Sink.take(sink, label, block)

    sink.take = take  # type: ignore[method-assign]
    sink.aside = tmp_path / "aside"
    async with receiving(sink, server), sending(spool, server):
        await keep(spool, range(5))
        await until(lambda: sink.places.get((MINE, spool.epoch)) == 5)
    assert (sink.taken, tries) == ([0, 3, 4], intake_module.TRIES)
    kept = {path.name: path.read_bytes() for path in sink.aside.iterdir()}
    assert kept == {f"samples-{MINE}-{spool.epoch}-{n + 1}.block": b"%d" % n for n in (1, 2)}


@pytest.mark.slow
async def test_a_cluster_of_three_that_loses_its_leader_loses_no_block(tmp_path: Path, spool: Spool) -> None:
    servers, sink = cluster(tmp_path), Sink()
    with running(*servers):
        await cluster_ready(servers)
        async with receiving(sink, servers[0], replicas=3) as (client, _), sending(spool, servers[1]):
            await keep(spool, range(20))
            await until(lambda: len(sink.taken) >= 20)
            info = await client.jetstream().stream_info(stream_of(SAMPLES))
            assert info.cluster is not None
            leader = next(one for one in servers if one._name == info.cluster.leader)
            leader.kill()
            await keep(spool, range(20, 60))
            await until(lambda: sink.places.get((MINE, spool.epoch)) == 60)
            leader.start()
            await keep(spool, range(60, 80))
            await until(lambda: sink.places.get((MINE, spool.epoch)) == 80)
    assert sink.taken == list(range(80))


async def cluster_ready(servers: list[Server]) -> None:
    """Until the three have chosen who leads JetStream."""
    client = await connect(servers[0].login)
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    await client.jetstream().account_info()
                    return
                except Exception:
                    await asyncio.sleep(0.1)
    finally:
        await client.close()
