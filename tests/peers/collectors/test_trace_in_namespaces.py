"""Traces over real routers: a chain of network namespaces, a route that moves to another router, and a hop that stays silent."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from collectors.inputs.probes import Probes
from collectors.probe_settings import ProbeSettings, TraceTarget
from collectors.trace import Tracer, Way
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.series import series_of
from tests.peers.lab.routed_lab import Lab, Node, missing_programs, namespace_error

T = TypeVar("T")
LINKS = [("nms", "r1"), ("r1", "r2"), ("r2", "far"), ("r1", "r3"), ("r3", "far")]
SYSCTLS = {"ip_forward": "1", "conf/all/rp_filter": "0", "conf/default/rp_filter": "0", "icmp_ratelimit": "0"}
R1, R2, R3, FAR = "198.18.1.1", "198.18.2.1", "198.18.4.1", "198.18.255.4"


class StaticLab(Lab):
    """Routers without daemons, only routes: to `far` over r2, or over r3."""

    def _boot(self, node: Node) -> None:
        self.inside(node.name, lambda: [Path(f"/proc/sys/net/ipv4/{name}").write_text(value) for name, value in SYSCTLS.items()])

    def start(self) -> None:
        super().start()
        self.ip("r2", "route", "add", "198.18.1.0/31", "via", "198.18.2.0")
        self.ip("r3", "route", "add", "198.18.1.0/31", "via", "198.18.4.0")
        self.ip("far", "route", "add", "198.18.1.0/31", "via", "198.18.3.0")
        self.ip("r2", "route", "add", FAR, "via", "198.18.3.1")
        self.ip("r3", "route", "add", FAR, "via", "198.18.5.1")
        self.over("r2")

    def filter_icmp(self, name: str) -> None:
        """Let a router forward and say nothing of it."""
        for words in (("table", "inet", "lab"), ("chain", "inet", "lab", "out", "{ type filter hook output priority 0; }")):
            self.run_in(name, "nft", "add", *words)
        self.run_in(name, "nft", "add", "rule", "inet", "lab", "out", "icmp", "type", "time-exceeded", "drop")

    def pass_icmp(self, name: str) -> None:
        self.run_in(name, "nft", "delete", "table", "inet", "lab")

    def run_in(self, name: str, *command: str) -> None:
        process = self.popen(name, command)
        assert process.wait(30) == 0, command

    def over(self, name: str) -> None:
        """From r1 on the way to far goes over this one."""
        self.ip("r1", "route", "replace", FAR, "via", R2 if name == "r2" else R3)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticLab]:
    if missing := missing_programs():
        pytest.fail(f"missing: apt-get install {' '.join(missing)}")
    if why := namespace_error():
        pytest.skip(f"the kernel allows no network namespaces: {why}")
    made = StaticLab(tmp_path_factory.mktemp("lab"), LINKS)
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def way(tracer: Tracer) -> Way:
    return await tracer.trace(tries=3, timeout_s=5.0)


async def test_a_way_is_its_routers_and_the_target_and_moves_with_the_route(lab: StaticLab) -> None:
    tracer = lab.inside("nms", lambda: Tracer(SystemClock(), FAR))
    try:
        lab.over("r2")
        first, again = await way(tracer), await way(tracer)
        lab.over("r3")
        moved = await way(tracer)
    finally:
        tracer.close()
    assert (first.hops, first.reached) == ((R1, R2, FAR), True)
    assert first.rtt_s is not None
    assert not first.differs(again)
    assert (moved.hops, moved.differs(first)) == ((R1, R3, FAR), True)


async def test_a_router_that_says_nothing_is_a_silent_hop_and_no_change(lab: StaticLab) -> None:
    tracer = lab.inside("nms", lambda: Tracer(SystemClock(), FAR))
    try:
        lab.over("r2")
        whole = await way(tracer)
        lab.filter_icmp("r2")
        silent = await tracer.trace(tries=1, timeout_s=1.0)
    finally:
        tracer.close()
        lab.pass_icmp("r2")
    assert (silent.hops, silent.reached, silent.differs(whole)) == ((R1, "", FAR), True, False)


async def test_a_moved_way_is_told_once_with_both_ways(lab: StaticLab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab.inside("nms", lambda: Tracer(SystemClock(), FAR))
    monkeypatch.setattr("collectors.inputs.probes.Tracer", lambda *_: made)  # the socket of the node, the rest is the station's
    out: Channel[SampleBatch] = Channel("traced", 64)
    heard: Channel[tuple[Notification, ...]] = Channel("heard_of_ways", 8)
    network = Topology(devices={7: Device(no=7, id="d", name="far", site_id="", management_address=FAR)}, addresses={FAR: 7})
    settings = ProbeSettings(trace_interval_s=0.2, trace=(TraceTarget(address=FAR),), trace_tries=3, timeout_s=5)
    lab.over("r2")
    task = asyncio.create_task(Probes(settings, lambda: network, SystemClock(), out, heard).run())
    try:
        batch = await asyncio.wait_for(out.get(), 60)
        lab.over("r3")
        (told,) = await asyncio.wait_for(heard.get(), 60)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    said = {int(series): value for series, value in zip(batch.series, batch.value, strict=True)}
    assert said[series_of(7, 0, code_of("trace.hops"))] == 3
    assert said[series_of(7, 0, code_of("trace.reached"))] == 1
    assert (told.name, told.device, told.fields) == (
        "pathChanged",
        7,
        {"target": FAR, "before": f"{R1} {R2} {FAR}", "after": f"{R1} {R3} {FAR}"},
    )


def test_what_one_of_two_ways_does_not_know_is_no_difference() -> None:
    known = Way(("a", "b", "t"), True, 0.1)
    assert not known.differs(Way(("a", "", "t"), True, 0.1))
    assert not known.differs(Way(("a",), False, None))
    assert known.differs(Way(("a", "t"), True, 0.1))
    assert known.differs(Way(("x", "b"), False, None))
