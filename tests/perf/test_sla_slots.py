"""Objectives are judged by what the telemetry store keeps: five-minute means of probes, and ports that dropped packets."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from perf.sla.objectives import SLOT_NS
from perf.sla.slots import StoredSlots
from perf.sla.terms import Objective
from station.catalogue import code_of
from station.telemetry.client import seconds
from tests.perf.conftest import HOUR, METERED, PLAIN, Small

pytestmark = pytest.mark.slow
KEYS = np.array([METERED, PLAIN], np.uint64)


async def probed(small: Small, name: str, start_ns: int, *values: float) -> None:
    n = len(values)
    series = np.full(n, 1 << 24 | code_of(name), np.uint64)
    times = seconds(start_ns + np.arange(n) * SLOT_NS)
    mean = np.array(values, np.float32)
    columns = {"series": series, "time": times, "count": np.ones(n, np.uint32), "min": mean, "mean": mean, "max": mean}
    await small.client.insert("sample_5m", columns | {"version": np.ones(n, np.uint64)})


async def test_a_probe_s_slots_are_those_of_the_device_in_the_unit_of_the_promise(small: Small, now_ns: int) -> None:
    start = now_ns - HOUR
    await probed(small, "icmp.rtt_p50", start, 0.004, 0.25)
    await probed(small, "icmp.loss", start, 0, 0.02)
    await probed(small, "twamp.rtt_p50", start, 9, 9)
    read = StoredSlots(small.client).read
    latency = await read(Objective(sli="latency", at_most=Decimal(1)), KEYS, start, 3)
    loss = await read(Objective(sli="loss", at_most=Decimal(1)), KEYS, start, 1)
    np.testing.assert_allclose(latency[METERED], [4, 250, np.nan], rtol=1e-6)
    assert set(latency) == {METERED, PLAIN}
    np.testing.assert_allclose(loss[PLAIN], [0])
    assert await read(Objective(sli="jitter", at_most=Decimal(1)), KEYS, start, 3) == {}
    assert await read(Objective(sli="jitter", at_most=Decimal(1)), KEYS[:0], start, 3) == {}


async def test_throughput_is_what_a_port_carried_while_it_dropped_packets(small: Small, now_ns: int) -> None:
    start = now_ns - HOUR
    rate = np.array([10e6, 10e6], np.float32)
    given: dict[str, Any] = {"entity": np.full(2, METERED, np.uint64), "time_ns": start + np.arange(2) * SLOT_NS}
    given |= {"in_octets": np.zeros(2, np.uint64), "out_octets": np.full(2, 3_000_000_000, np.uint64)}
    given |= {f"out_octets_rate_{name}": rate for name in ("min", "mean", "max")}
    given |= {"out_discards_rate_max": np.array([0, 2.5], np.float32)}
    await small.store.insert_interface_tier("5m", given, 1)
    found = await StoredSlots(small.client).read(Objective(sli="throughput", at_least=Decimal(100)), KEYS, start, 3)
    assert set(found) == {METERED}
    np.testing.assert_allclose(found[METERED], [np.inf, 80, np.nan])
