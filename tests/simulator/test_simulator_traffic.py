"""Counters are a closed form of time: they only rise, any split of time gives the same sum, both ends of a link agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.build import build
from simulator.traffic import IN, NS_PER_S, OUT, TERMS, Boots, Traffic, flow_keys, flows, integral

WORLD = build(1, 24)
NOW_NS = 1_795_000_000 * NS_PER_S
BOOTS = Boots.of(WORLD, NOW_NS, {})
ROWS = np.arange(len(WORLD.interfaces))
FLOWS, KEYS = flows(WORLD), flow_keys(WORLD)


def octets_at(*times_ns: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return integral(FLOWS.reshape(-1, TERMS), KEYS.reshape(-1), np.array(times_ns, np.int64))


@pytest.mark.slow
@given(st.integers(0, 40 * 86_400 * 1000), st.integers(1, 3_600_000))
def test_a_counter_never_falls(start_ms: int, span_ms: int) -> None:
    start_ns = NOW_NS + start_ms * 1_000_000
    before, after = octets_at(start_ns, start_ns + span_ms * 1_000_000).T
    assert (after >= before).all()


@pytest.mark.slow
@given(st.integers(0, 40 * 86_400 * 1000))
def test_one_instant_and_many_read_alike(at_ms: int) -> None:
    at_ns = NOW_NS + at_ms * 1_000_000
    times = [at_ns + n * 300 * NS_PER_S for n in range(5)]
    together = octets_at(*times)
    alone = np.column_stack([octets_at(t) for t in times])
    assert np.abs(together - alone).max() <= 1  # the last bit of a float may differ with the width of the machine's vectors


def test_the_rate_follows_the_day_and_stays_below_the_line() -> None:
    hours = octets_at(*(NOW_NS + n * 3600 * NS_PER_S for n in range(8 * 24)))
    rate = np.diff(hours, axis=1).reshape(len(ROWS), 2, -1) * 8 / 3600
    speed = np.array([interface.speed_bps for interface in WORLD.interfaces])
    used = speed > 0
    assert (rate.max(axis=(1, 2))[used] < 0.8 * speed[used]).all()
    port = WORLD.services[1].interface
    assert rate[port, OUT].max() > 1.6 * rate[port, OUT].min()


def test_what_one_end_sends_the_other_receives() -> None:
    start, end = octets_at(NOW_NS, NOW_NS + 3600 * NS_PER_S).T.reshape(2, -1, 2)
    for link in WORLD.links:
        assert (end - start)[link.a.interface, OUT] == (end - start)[link.b.interface, IN]


def test_a_cut_moves_traffic_to_the_other_side_and_loses_no_octet() -> None:
    traffic = Traffic(WORLD, BOOTS, NOW_NS)
    cut = WORLD.link_between("ham-core-1", "ber-core-1")
    other = WORLD.link_between("ber-core-2", "fra-core-2")
    before = traffic.octets(ROWS, NOW_NS + 60 * NS_PER_S)
    traffic.change(flows(WORLD, [cut.number]), NOW_NS + 60 * NS_PER_S)
    assert (traffic.octets(ROWS, NOW_NS + 60 * NS_PER_S) == before).all()
    after = traffic.octets(ROWS, NOW_NS + 120 * NS_PER_S)
    normal = before - traffic_before(NOW_NS)
    assert ((after - before)[cut.a.interface] == 0).all()
    assert (after - before)[other.a.interface].sum() > 1.3 * normal[other.a.interface].sum()


def traffic_before(t_ns: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return Traffic(WORLD, BOOTS, t_ns).octets(ROWS, t_ns)


def test_a_restart_counts_from_zero() -> None:
    traffic = Traffic(WORLD, BOOTS, NOW_NS)
    traffic.restart(ROWS[:5], NOW_NS)
    assert (traffic.octets(ROWS, NOW_NS)[:5] == 0).all()
    assert (traffic.octets(ROWS, NOW_NS)[6] > 0).all()


def test_a_later_boot_counts_from_its_instant() -> None:
    boots = Boots.of(WORLD, NOW_NS, {3: NOW_NS - 600 * NS_PER_S})
    assert boots.at(3, NOW_NS - 601 * NS_PER_S) < boots.at(3, NOW_NS) == NOW_NS - 600 * NS_PER_S
    row = WORLD.devices[3].interfaces[1].number
    assert 0 < Traffic(WORLD, boots, NOW_NS).octets(np.array([row]), NOW_NS)[0, OUT] < 10**12
