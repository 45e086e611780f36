"""KPIs of what is no interface become samples of their own, from values of one moment."""

import numpy as np
import pytest

from perf.derived import TOGETHER_NS, narrow_derived
from perf.kpis import Example, Formula, Kpi, KpiFile, narrow_kpis
from perf.last import LastValues
from perf.query import RangeQuery
from station.batch import SampleBatch
from station.catalogue import code_of
from tests.perf.conftest import METERED, SENSOR, S, Small
from tests.perf.test_perf_pipeline import feed, polls, writing

NOW = 1_780_000_000 * S
DEVICE = 3 << 16


def told(metric: str, key: int, value: float, time_ns: int = NOW) -> SampleBatch:
    return SampleBatch.of(
        np.array([time_ns], np.int64), np.array([key << 8 | code_of(metric)], np.uint64), value=np.array([value], np.float64)
    )


def made(*batches: SampleBatch, kpis: tuple[Kpi, ...] | None = None) -> list[tuple[int, int, float]]:
    """(series, time, value) of what the last of the batches gives, the others having come before it."""
    last = LastValues()
    for batch in batches:
        last.take(batch)
    found = narrow_derived(batches[-1], last, narrow_kpis() if kpis is None else kpis)
    return list(zip(found.series.tolist(), found.time_ns.tolist(), found.value.tolist(), strict=True))


def test_a_probe_gives_the_share_that_was_answered() -> None:
    assert made(told("icmp.loss", DEVICE, 0.25)) == [(DEVICE << 8 | code_of("icmp.delivery"), NOW, 0.75)]
    assert made(told("icmp.rtt_p95", DEVICE, 0.02)) == []


def test_light_has_a_margin_and_nonsense_has_none() -> None:
    assert made(told("sensor.optical_receive_power", SENSOR, -7)) == [(SENSOR << 8 | code_of("sensor.optical_margin"), NOW, 11)]
    assert made(told("icmp.loss", DEVICE, float("nan"))) == []
    assert made(told("icmp.loss", DEVICE, 7.0)) == []  # more lost than sent: not plausible


def test_values_of_different_times_are_not_put_together_and_late_ones_tell_nothing() -> None:
    examples = [Example(says="", given={}, expect=0)]
    file = KpiFile(
        summary="",
        reference="",
        metric="sensor.optical_margin",
        formula="optical_receive_power - optical_transmit_power",
        examples=examples,
    )
    loss = (Kpi(file.metric, code_of(file.metric), Formula.parse(file.formula), file),)
    sent, received = told("sensor.optical_transmit_power", SENSOR, -2), told("sensor.optical_receive_power", SENSOR, -9, NOW + S)
    assert [value for _, _, value in made(sent, received, kpis=loss)] == [-7]
    assert made(received, kpis=loss) == []
    assert made(sent, told("sensor.optical_receive_power", SENSOR, -9, NOW + TOGETHER_NS + S), kpis=loss) == []


@pytest.mark.slow
async def test_derived_readings_and_availability_are_asked_for_as_any_other(small: Small, now_ns: int) -> None:
    async with writing(small):
        small.clock.advance(60 * S)
        await feed(small, [told("icmp.loss", 1 << 16, 0.1, now_ns)])
        await feed(small, polls(METERED, now_ns, 3))
        await small.pipeline.writer.drain()
        answered = await small.store.range(RangeQuery(1 << 16, "icmp.delivery", now_ns, now_ns + 600 * S))
        up = await small.store.range(RangeQuery(METERED, "interface.availability", now_ns, now_ns + 600 * S))
    assert answered.mean.tolist() == pytest.approx([0.9])
    assert set(up.mean.tolist()) == {1.0}
