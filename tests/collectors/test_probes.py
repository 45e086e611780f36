"""Probes: packets as the RFCs draw them, what a round says, loss by direction, and any bytes."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.stamp import STAMPSessionReflectorTestUnauthenticated, STAMPSessionSenderTestUnauthenticated
from scapy.layers.inet import ICMP

from collectors.codecs import echo, twamp
from collectors.codecs.ber import DecodeError
from collectors.inputs.probes import Probes
from collectors.pings import Pings
from collectors.probe_results import percentile, summary
from collectors.probe_settings import ProbeSettings, TwampTarget
from collectors.twamp import Reflector, measure
from inventory.topology import Device, Topology
from station.batch import SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import NS_PER_S, SystemClock
from station.series import series_of

NOW = 1_700_000_000 * NS_PER_S + 123_456_789
NETWORK = Topology(
    devices={7: Device(no=7, id="d", name="here", site_id="", management_address="127.0.0.1")}, addresses={"127.0.0.1": 7, "::1": 7}
)


def test_a_round_is_loss_percentiles_and_jitter() -> None:
    found = summary([0.010, None, 0.020, 0.012, None])
    assert (found.sent, found.received, round(found.loss_ratio, 3)) == (5, 3, 0.4)
    assert (found.rtt_p50_s, found.rtt_p95_s, round(found.jitter_s, 6)) == (0.012, 0.020, 0.009)


def test_a_round_without_an_answer_has_loss_and_no_time() -> None:
    found = summary([None, None])
    assert found.loss_ratio == 1
    assert all(math.isnan(value) for value in (found.rtt_p50_s, found.rtt_p99_s, found.jitter_s))


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_was_seen(values: list[float], share: float) -> None:
    found = percentile(sorted(values), share)
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert found in values


def test_scapy_reads_our_sender_and_our_reflector() -> None:
    sent = STAMPSessionSenderTestUnauthenticated(twamp.request(5, NOW))
    assert (sent.seq, len(twamp.request(5, NOW))) == (5, 44)
    answer = STAMPSessionReflectorTestUnauthenticated(twamp.reflect(twamp.request(5, NOW), 9, NOW + 10, NOW + 20))
    assert (answer.seq, answer.seq_sender, answer.ttl_sender) == (9, 5, 255)


@given(st.integers(0, 4_000_000_000 * NS_PER_S))
def test_a_time_comes_back_from_its_stamp(time_ns: int) -> None:
    assert abs(twamp.from_ntp(twamp.ntp(time_ns)) - time_ns) <= 1


@given(st.binary(max_size=100))
def test_any_bytes_are_an_answer_or_refused(octets: bytes) -> None:
    for read in (twamp.reflected, lambda o: echo.reply(o, ipv6=False, with_ip_header=True), lambda o: twamp.reflect(o, None, 0, 0)):
        try:
            read(octets)
        except DecodeError:
            continue


def test_an_answer_is_as_long_as_what_it_answers() -> None:
    assert [len(twamp.reflect(bytes(n), 0, 0, 0)) for n in (14, 44, 1400)] == [44, 44, 1400]


def test_scapy_agrees_on_the_checksum() -> None:
    ours = echo.request(0x1234, 7, ipv6=False)
    read = ICMP(ours)
    said = read.chksum
    read.chksum = None
    assert ICMP(bytes(read)).chksum == said
    assert echo.reply(b"\0" + ours[1:], ipv6=False) == (0x1234, 7)


@pytest.fixture
async def reflector() -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Reflector(SystemClock()), local_addr=("127.0.0.1", 0))
    yield transport.get_extra_info("sockname")[1]
    transport.close()


async def test_a_sender_measures_against_a_reflector(reflector: int) -> None:
    found = await measure(SystemClock(), "127.0.0.1", reflector, count=20, interval_s=0, timeout_s=5)
    assert all(one is not None and 0 <= one < 1 for one in found)


async def test_what_the_reflector_does_not_answer_is_lost() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = await measure(SystemClock(), "127.0.0.1", silent.getsockname()[1], count=3, interval_s=0, timeout_s=0.05)
    assert found == [None, None, None]


async def test_a_sweep_hears_every_address_and_what_cannot_be_sent_is_lost() -> None:
    pings = Pings(SystemClock(), ipv6=False)
    addresses = [f"127.0.0.{n}" for n in range(1, 101)]
    try:
        found = await pings.round([*addresses, "255.255.255.255"], count=3, rate_per_s=100_000, timeout_s=5)
    finally:
        pings.close()
    assert found.pop("255.255.255.255") == [None] * 3
    assert [one for results in found.values() for one in results if one is None] == []


async def test_rounds_become_samples_of_their_device(reflector: int) -> None:
    out: Channel[SampleBatch] = Channel("probes_test", 8)
    target = (TwampTarget(address="127.0.0.1", port=reflector),)
    settings = ProbeSettings(icmp_interval_s=60, twamp_interval_s=60, twamp=target, twamp_count=3, twamp_spacing_s=0)
    task = asyncio.create_task(Probes(settings, lambda: NETWORK, SystemClock(), out, Channel("heard_of_probes", 8)).run())
    batches = [await asyncio.wait_for(out.get(), 60) for _ in range(2)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    said = {int(series): value for batch in batches for series, value in zip(batch.series, batch.value, strict=True)}
    kinds = [f"{kind}.{name}" for kind in ("icmp", "twamp") for name in ("loss", "rtt_p50", "rtt_p95", "rtt_p99", "jitter")]
    assert sorted(said) == sorted(series_of(7, 0, code_of(name)) for name in kinds)
    assert said[series_of(7, 0, code_of("icmp.loss"))] == said[series_of(7, 0, code_of("twamp.loss"))] == 0
