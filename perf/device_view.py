"""One device at a glance: a small curve of each of its interfaces and sensors, and what each sensor says now."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inventory.topology import Device, Entity
from perf.names import Names
from perf.pipeline import Pipeline
from perf.query import Sparks
from perf.store import TelemetryStore, unit_of
from station.catalogue import Metric, metrics_by_code
from station.clock import NS_PER_S
from station.series import METRIC_BITS
from station.web import iso

POINTS: Final = 48
ENTITIES_MAX: Final = 1_000  # interfaces, and sensors, of one answer


class DeviceView:
    """What `/api/v1/devices/{id}/performance` answers."""

    def __init__(self, pipeline: Pipeline, store: TelemetryStore) -> None:
        self._pipeline, self._store = pipeline, store
        self._names: Names = pipeline.names

    async def of(self, device: Device, seen: Callable[[int], bool], now_ns: int, hours: int) -> dict[str, Any]:
        """The entities of the device that are `seen`, over the last `hours`."""
        step_ns = hours * 3_600 * NS_PER_S // POINTS
        end_ns = now_ns // step_ns * step_ns
        start_ns = end_ns - POINTS * step_ns
        mine = [
            entity
            for entity in self._names.topology().entities.values()
            if entity.device_no == device.no and not entity.gone and seen(entity.key)
        ]
        ports = [entity for entity in mine if entity.kind == "interface"][:ENTITIES_MAX]
        sensors = [(entity, metric) for entity in mine if (metric := metrics_by_code().get(entity.metric))][:ENTITIES_MAX]
        keys = np.array([port.key for port in ports], np.uint64)
        series = np.array([_series(entity, metric) for entity, metric in sensors], np.uint64)
        traffic = await self._store.traffic_sparks(keys, start_ns, step_ns, POINTS)
        values = await self._store.value_sparks(series, start_ns, step_ns, POINTS)
        return {
            "step_s": step_ns / NS_PER_S,
            "time": [(start_ns + n * step_ns) // 1_000_000 for n in range(POINTS)],
            "interfaces": [_port(port, traffic) for port in ports],
            "sensors": [self._sensor(entity, metric, values) for entity, metric in sensors],
        }

    def _sensor(self, entity: Entity, metric: Metric, values: Sparks) -> dict[str, Any]:
        number = _series(entity, metric)
        last = self._pipeline.last
        slot = int(last.index.find(np.array([number], np.uint64))[0])
        known = slot >= 0
        about = {"id": entity.id, "kind": entity.kind, "name": entity.name, "metric": metric.name, "unit": unit_of(metric)}
        now = {"value": _finite(last.value[slot]) if known else None, "at": iso(int(last.time_ns[slot])) if known else None}
        return about | now | {"values": _row(values, number, 0)}


def _series(entity: Entity, metric: Metric) -> int:
    return entity.key << METRIC_BITS | metric.code


def _port(port: Entity, traffic: Sparks) -> dict[str, Any]:
    """Bits per second; null is a gap."""
    curves = ([None if value is None else 8 * value for value in _row(traffic, port.key, n)] for n in range(2))
    return {"id": port.id, **dict(zip(("in_bps", "out_bps"), curves, strict=True))}


def _row(sparks: Sparks, key: int, column: int) -> list[float | None]:
    at = sparks.rows.get(key)
    return [None] * POINTS if at is None else [_finite(value) for value in sparks.values[column, at]]


def _finite(value: float | np.floating[Any] | npt.NDArray[Any]) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
