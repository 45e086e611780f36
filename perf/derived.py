"""KPIs of devices, sensors and probes: a sample of their own whenever one of their metrics comes, from the last values of the others."""

from typing import Final

import numpy as np

from perf.kpis import Kpi
from perf.last import LastValues
from perf.slots import U64
from station.batch import SampleBatch
from station.catalogue import metrics_by_code, metrics_by_name
from station.clock import NS_PER_S
from station.series import METRIC_BITS, entity_keys, metrics_of

TOGETHER_NS: Final = 900 * NS_PER_S  # values farther apart are not of one moment


def narrow_derived(batch: SampleBatch, last: LastValues, kpis: tuple[Kpi, ...]) -> SampleBatch:
    """What the KPIs are at the newest instants of a rated batch that `last` has taken; where one has no value there is no sample."""
    codes = metrics_of(batch.series)
    parts = [SampleBatch.concat([])]
    for kpi in kpis:
        inputs = _inputs(kpi)
        rows = np.flatnonzero(np.isin(codes, list(inputs.values())))
        if len(rows):
            parts.append(_made(kpi, inputs, last, np.unique(entity_keys(batch.series[rows])), int(batch.time_ns[rows].min())))
    return SampleBatch.concat(parts)


def _made(kpi: Kpi, inputs: dict[str, int], last: LastValues, keys: U64, since_ns: int) -> SampleBatch:
    times = np.stack([last.latest_ns(code, keys) for code in inputs.values()])
    newest = times.max(axis=0)
    value = kpi.formula.values({name: last.latest(code, keys) for name, code in inputs.items()})
    metric = metrics_by_code()[kpi.code]
    there = (times.min(axis=0) >= newest - TOGETHER_NS) & (newest >= since_ns) & (value >= metric.low) & (value <= metric.high)
    return SampleBatch.of(newest[there], keys[there] << np.uint64(METRIC_BITS) | np.uint64(kpi.code), value=value[there])


def _inputs(kpi: Kpi) -> dict[str, int]:
    family = kpi.metric.rpartition(".")[0]
    return {name: metrics_by_name()[f"{family}.{name}"].code for name in sorted(kpi.formula.names)}
