"""The simulated past: one curve with the live agents, and in its last month a gap, a reboot and a late correction."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from simulator.build import build
from simulator.history import DAY_NS, SLOT_S, late, metered, poll_times, tiers
from simulator.incidents import HOUR_NS, incidents, last_month
from simulator.network import NS_PER_S, Network
from simulator.traffic import IN, Boots
from station.batch import SampleBatch
from station.catalogue import code_of

WORLD = build(1, 60)
NOW_NS = int(datetime(2026, 11, 24, 20, 0, 7, tzinfo=UTC).timestamp()) * NS_PER_S
WHAT = incidents(WORLD, NOW_NS)
BOOTS = Boots.of(WORLD, NOW_NS, WHAT.again_ns(WORLD))
IN_OCTETS = code_of("interface.in_octets")


def resolve(device: str, interface: str) -> int | None:
    """Entity keys as a station would give them: the interface's number under its device's."""
    return WORLD.by_name[device].number + 1 << 16 | WORLD.interface(device, interface).number


def key_of(interface: int) -> int:
    key = resolve(WORLD.devices[WORLD.device_of[interface]].name, WORLD.interfaces[interface].name)
    assert key is not None
    return key


def month_end(days: int = 4) -> SampleBatch:
    return SampleBatch.concat(
        list(metered(WORLD, BOOTS, WHAT, resolve, start_ns=WHAT.month_end_ns - days * DAY_NS, end_ns=WHAT.month_end_ns))
    )


def of(batch: SampleBatch, interface: int) -> SampleBatch:
    return batch.take(batch.series == np.uint64(key_of(interface) << 8 | IN_OCTETS))


@pytest.mark.parametrize(
    ("now", "month"),
    [((2026, 11, 24), (2026, 10)), ((2026, 1, 1), (2025, 12)), ((2026, 3, 31), (2026, 2)), ((2024, 3, 1), (2024, 2))],
)
def test_the_last_closed_month(now: tuple[int, int, int], month: tuple[int, int]) -> None:
    start_ns, end_ns = last_month(int(datetime(*now, 5, tzinfo=UTC).timestamp()) * NS_PER_S)
    start, end = (datetime.fromtimestamp(ns / NS_PER_S, UTC) for ns in (start_ns, end_ns))
    assert (start.year, start.month, start.day, end.day) == (*month, 1, 1)


@pytest.mark.parametrize("after_s", [0, 1, 59, 299, 301])
def test_a_day_that_has_just_begun_brings_what_was_polled_of_it(after_s: int) -> None:
    midnight_ns = NOW_NS // DAY_NS * DAY_NS
    end_ns = midnight_ns + after_s * NS_PER_S
    days = list(metered(WORLD, BOOTS, WHAT, resolve, start_ns=midnight_ns - DAY_NS, end_ns=end_ns))
    blocks = list(tiers(WORLD, BOOTS, resolve, start_ns=midnight_ns - DAY_NS, end_ns=end_ns))
    assert all(batch.time_ns.max(initial=0) < end_ns for batch in days)
    assert len(days[0]) > 0
    assert max(int(block.slot_ns.max()) for block in blocks) <= end_ns - SLOT_S * NS_PER_S


@pytest.mark.parametrize("day", range(1, 31))
def test_35_days_hold_every_incident_on_any_day(day: int) -> None:
    now_ns = int(datetime(2026, 8, day, 1, tzinfo=UTC).timestamp()) * NS_PER_S
    what = incidents(WORLD, now_ns)
    spans = (what.gap, what.reboot, what.late)
    assert len({WORLD.device_of[span.interface] for span in spans}) == 3
    for span in spans:
        assert max(now_ns - 35 * DAY_NS, what.month_start_ns) < span.start_ns < span.end_ns < what.month_end_ns
    assert what.month_end_ns < what.late_received_ns < now_ns


def test_history_ends_where_the_live_counters_go_on() -> None:
    last = SampleBatch.concat(list(metered(WORLD, BOOTS, WHAT, resolve, start_ns=NOW_NS - HOUR_NS, end_ns=NOW_NS)))
    live = Network(WORLD, BOOTS, NOW_NS).traffic
    for service in WORLD.services:
        sample = of(last, service.interface)
        same = live.octets(np.array([service.interface]), int(sample.time_ns[-1]))
        assert abs(int(sample.raw[-1]) - int(same[0, IN])) <= 1
        assert live.octets(np.array([service.interface]), NOW_NS)[0, IN] > int(sample.raw[-1])


def test_every_metered_interface_counts_upwards_but_for_the_one_reboot() -> None:
    batch = month_end()
    for service in WORLD.services:
        falls = np.flatnonzero(np.diff(of(batch, service.interface).raw.astype(np.int64)) < 0)
        if service.interface == WHAT.reboot.interface:
            (at,) = falls
            before, after = of(batch, service.interface).time_ns[at : at + 2]
            assert before < WHAT.reboot.end_ns <= after
            assert of(batch, service.interface).uptime_cs[at + 1] == (after - WHAT.reboot.end_ns) // 10_000_000
        else:
            assert len(falls) == 0


def test_the_gap_is_forty_minutes_without_a_sample() -> None:
    times = of(month_end(), WHAT.gap.interface).time_ns
    longest = max(later - earlier for earlier, later in pairwise(times.tolist()))
    assert 40 * 60 <= longest / NS_PER_S < 51 * 60


def test_late_samples_are_exactly_those_withheld() -> None:
    (came,) = late(WORLD, BOOTS, WHAT, resolve, start_ns=WHAT.month_start_ns, end_ns=NOW_NS)
    assert came.received_ns > WHAT.month_end_ns
    withheld = of(came.batch, WHAT.late.interface)
    present = of(month_end(), WHAT.late.interface)
    asked = poll_times(WORLD, WORLD.device_of[WHAT.late.interface], WHAT.month_end_ns - 4 * DAY_NS, WHAT.month_end_ns)
    assert sorted({*withheld.time_ns.tolist(), *present.time_ns.tolist()}) == asked.tolist()
    assert not set(withheld.time_ns.tolist()) & set(present.time_ns.tolist())
    assert len(withheld) == 30


def test_any_split_of_the_past_gives_the_same_samples() -> None:
    start_ns, end_ns = NOW_NS - 2 * DAY_NS, NOW_NS
    whole = SampleBatch.concat(list(metered(WORLD, BOOTS, WHAT, resolve, start_ns=start_ns, end_ns=end_ns)))
    cut_ns = start_ns + 31 * HOUR_NS + 17 * NS_PER_S
    spans = (start_ns, cut_ns), (cut_ns, end_ns)
    parts = [batch for a, b in spans for batch in metered(WORLD, BOOTS, WHAT, resolve, start_ns=a, end_ns=b)]
    split = SampleBatch.concat(parts)
    assert (whole.time_ns == split.time_ns).all() and (whole.series == split.series).all()
    assert np.abs(whole.raw.astype(np.int64) - split.raw.astype(np.int64)).max() <= 1
    assert (np.diff(whole.time_ns) >= 0).all()


def test_unknown_interfaces_are_left_out() -> None:
    nothing = list(metered(WORLD, BOOTS, WHAT, lambda device, interface: None, start_ns=NOW_NS - HOUR_NS, end_ns=NOW_NS))
    assert [len(batch) for batch in nothing] == [0]
    assert list(tiers(WORLD, BOOTS, lambda device, interface: None, start_ns=NOW_NS - HOUR_NS, end_ns=NOW_NS)) == []


def test_five_minute_rows_agree_with_the_counters() -> None:
    (rows,) = tiers(WORLD, BOOTS, resolve, start_ns=NOW_NS - 3 * HOUR_NS, end_ns=NOW_NS)
    interface = WORLD.interface("ham-agg-1", "xe-0/0/1").number
    mine = rows.entity == np.uint64(key_of(interface))
    first, last = int(rows.slot_ns[mine][0]), int(rows.slot_ns[mine][-1]) + SLOT_S * NS_PER_S
    traffic = Network(WORLD, BOOTS, NOW_NS).traffic
    counted = traffic.octets(np.array([interface]), last) - traffic.octets(np.array([interface]), first)
    assert np.abs(rows.octets[mine].astype(np.int64).sum(axis=0) - counted[0]).max() <= 2
    low, mean, high = (rows.rate[mine][:, :, k] for k in range(3))
    assert ((low <= mean * 1.0001) & (mean <= high * 1.0001)).all()
    assert (high * 8 < WORLD.interfaces[interface].speed_bps).all()
    assert not {key_of(service.interface) for service in WORLD.services} & set(rows.entity.tolist())
