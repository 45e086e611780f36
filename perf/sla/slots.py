"""What objectives are judged by: five-minute values of probes and of access ports, from the telemetry store."""

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from perf.sla.objectives import SLOT_NS
from perf.sla.terms import Objective
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import ENTITY_BITS, METRIC_BITS
from station.telemetry.client import TelemetryClient

F64 = npt.NDArray[np.float64]
MEASURED: Final = {"latency": ("rtt_p50", 1_000.0), "jitter": ("jitter", 1_000.0), "loss": ("loss", 100.0)}
_SPAN: Final = "time >= toDateTime({start:UInt32}, 'UTC') AND time < toDateTime({end:UInt32}, 'UTC')"
_SLOT: Final = "intDiv(toUnixTimestamp(time) - {start:UInt32}, 300)"
_PROBED: Final = (
    f"SELECT series AS k, {_SLOT} AS slot, toFloat64(mean) AS v FROM sample_5m FINAL WHERE series IN {{keys:Array(UInt64)}} AND {_SPAN}"  # noqa: S608 - our own words
)


class Slots(Protocol):
    """Gives the slots of a month; the telemetry store does, and tests do."""

    async def read(self, objective: Objective, keys: npt.NDArray[np.uint64], first_ns: int, count: int) -> dict[int, F64]: ...


class StoredSlots:
    """Reads the five-minute tiers."""

    def __init__(self, client: TelemetryClient) -> None:
        self._client = client

    async def read(self, objective: Objective, keys: npt.NDArray[np.uint64], first_ns: int, count: int) -> dict[int, F64]:
        """By entity key of an access port: f64[count] in the sli's unit from `first_ns` on, NaN where nobody measured.

        Throughput is what the port carried where it dropped packets, infinite where it dropped none.
        """
        if not len(keys) or count <= 0:
            return {}
        if objective.sli == "throughput":
            return await self._ask(_ports(objective), keys, keys, first_ns, count)
        name, scale = MEASURED[objective.sli]
        series = (keys >> np.uint64(ENTITY_BITS)) << np.uint64(ENTITY_BITS + METRIC_BITS) | np.uint64(code_of(f"{objective.probe}.{name}"))
        found = await self._ask(_PROBED, np.unique(series), series, first_ns, count)
        return {int(key): found[int(one)] * scale for key, one in zip(keys, series, strict=True) if int(one) in found}

    async def _ask(
        self, sql: str, wanted: npt.NDArray[np.uint64], names: npt.NDArray[np.uint64], first_ns: int, count: int
    ) -> dict[int, F64]:
        span = {"start": first_ns // NS_PER_S, "end": (first_ns + count * SLOT_NS) // NS_PER_S}
        found = await self._client.query(sql, {**span, "keys": wanted.tolist()})
        if not found or not len(found["k"]):
            return {}
        keys, row = np.unique(found["k"].astype(np.uint64), return_inverse=True)
        table = np.full((len(keys), count), np.nan)
        table[row, found["slot"].astype(np.intp)] = found["v"]
        return dict(zip(keys.tolist(), table, strict=True))


def _ports(objective: Objective) -> str:
    """A port's `out` goes to the customer."""
    way = "out" if objective.direction == "to_customer" else "in"
    value = f"if({way}_discards_rate_max > 0, toFloat64({way}_octets_rate_mean) * 8 / 1e6, if(isFinite({way}_octets_rate_mean), inf, nan))"
    return f"SELECT entity AS k, {_SLOT} AS slot, {value} AS v FROM interface_5m FINAL WHERE entity IN {{keys:Array(UInt64)}} AND {_SPAN}"  # noqa: S608 - our own words
