"""What travels between stages: columns, checked when made and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt


class Quality(IntEnum):
    """The verdict on one sample; it rides along to the chart and to the bill.

    FIRST: no earlier sample to compare with. GAP: the span to the earlier sample exceeds what the poll
    cadence allows. RESET: the counter restarted (RFC 2863, ifCounterDiscontinuityTime; sysUpTime).
    SUSPECT: plausible by size but not provable. DUPLICATE, LATE: repeated or older instant.
    Only GOOD, WRAPPED and INTERPOLATED carry a usable delta.
    """

    GOOD = 0
    WRAPPED = 1
    INTERPOLATED = 2
    FIRST = 3
    GAP = 4
    RESET = 5
    SUSPECT = 6
    DUPLICATE = 7
    LATE = 8


NO_UPTIME = np.int64(-1)


@dataclass(frozen=True, slots=True, eq=False)
class SampleBatch:
    """Samples as columns, all of length n.

    `time_ns` i64 UTC, `series` u64 (station.series), `value` f64 (a gauge's value or, after
    `perf.counters`, a counter's rate per second, NaN where there is none), `quality` u8 (Quality),
    `raw` u64 (a counter's exact integer; 0 for gauges), `delta` u64 (exact increase, after
    `perf.counters`; 0 where quality carries none), `uptime_cs` i64 (sysUpTime in 1/100 s of the poll,
    -1 if unknown), `discontinuity_cs` i64 (ifCounterDiscontinuityTime, -1 if unknown), `width` u8 (how many
    bits the counter that was read has: 32 or 64; 0 if unknown, then its name decides).
    """

    time_ns: npt.NDArray[np.int64]
    series: npt.NDArray[np.uint64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]
    raw: npt.NDArray[np.uint64]
    delta: npt.NDArray[np.uint64]
    uptime_cs: npt.NDArray[np.int64]
    discontinuity_cs: npt.NDArray[np.int64]
    width: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        n = len(self.time_ns)
        for name, dtype in _SAMPLE_COLUMNS.items():
            column = getattr(self, name)
            assert column.dtype == dtype and column.shape == (n,), f"{name}: {column.dtype}{column.shape}, want {dtype}({n},)"

    def __len__(self) -> int:
        return len(self.time_ns)

    @classmethod
    def of(
        cls,
        time_ns: npt.NDArray[np.int64],
        series: npt.NDArray[np.uint64],
        *,
        value: npt.NDArray[np.float64] | None = None,
        raw: npt.NDArray[np.uint64] | None = None,
        uptime_cs: npt.NDArray[np.int64] | None = None,
        discontinuity_cs: npt.NDArray[np.int64] | None = None,
        width: npt.NDArray[np.uint8] | None = None,
    ) -> Self:
        """A batch fresh from a collector: what is not given is zero, NaN or unknown."""
        n = len(time_ns)
        unknown = np.full(n, NO_UPTIME)
        return cls(
            time_ns=time_ns,
            series=series,
            value=np.full(n, np.nan) if value is None else value,
            quality=np.zeros(n, np.uint8),
            raw=np.zeros(n, np.uint64) if raw is None else raw,
            delta=np.zeros(n, np.uint64),
            uptime_cs=unknown if uptime_cs is None else uptime_cs,
            discontinuity_cs=unknown if discontinuity_cs is None else discontinuity_cs,
            width=np.zeros(n, np.uint8) if width is None else width,
        )

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Self:
        """The batch of the given rows (indices or mask)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _SAMPLE_COLUMNS})

    @classmethod
    def concat(cls, batches: "list[SampleBatch]") -> "SampleBatch":
        """One batch of many, in the order given."""
        return cls(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in _SAMPLE_COLUMNS}) if batches else cls.empty()

    @classmethod
    def empty(cls) -> Self:
        return cls(**{name: np.zeros(0, dtype) for name, dtype in _SAMPLE_COLUMNS.items()})


_SAMPLE_COLUMNS: dict[str, np.dtype[np.generic]] = {
    "time_ns": np.dtype(np.int64),
    "series": np.dtype(np.uint64),
    "value": np.dtype(np.float64),
    "quality": np.dtype(np.uint8),
    "raw": np.dtype(np.uint64),
    "delta": np.dtype(np.uint64),
    "uptime_cs": np.dtype(np.int64),
    "discontinuity_cs": np.dtype(np.int64),
    "width": np.dtype(np.uint8),
}


class Fields(dict[str, str]):
    """Fields that are never changed once told, so that a message which repeats is known by them at once."""

    __slots__ = ("_hash",)

    def __hash__(self) -> int:  # type: ignore[override]
        try:
            return self._hash
        except AttributeError:
            self._hash: int = hash(tuple(self.items()))
            return self._hash


NO_FIELDS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Notification:
    """One message from the network as a collector heard it, before any rule gave it a meaning.

    `time_ns` arrival by the station's clock; `source` the sender's address; `device` its dense number
    (0: unknown sender); `protocol` snmp_trap | syslog | gnmi | mqtt | netconf | poll | alertmanager;
    `name` the notification's own name (linkDown, or the OID where no MIB names it; syslog MSGID or
    mnemonic; poll: unreachable, reachable, rebooted); `fields` varbinds or structured data by name,
    values as text, instance suffix dropped (ifIndex, ifAdminStatus, ...); `authenticated` is False for
    v1/v2c and plain syslog: such a message alone never clears or triggers automation.
    """

    time_ns: int
    source: str
    device: int
    protocol: str
    name: str
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS)
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One proposed change of one alarm: what `fault` turns into a state (RFC 8632, X.733).

    `resource` is the public id of an inventory resource; `severity` an X.733 perceived severity in lower
    case or "cleared"; `alarm_type` dotted (`communications.link_down`); `source` names the rule or
    threshold that said so.
    """

    time_ns: int
    resource: str
    alarm_type: str
    severity: str
    text: str
    qualifier: str = ""
    source: str = ""
    event_type: str = "communicationsAlarm"
    probable_cause: str = "indeterminate"
    proposed_repair: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS)
    authenticated: bool = True


Batch = SampleBatch | tuple[Notification, ...] | tuple[Event, ...]
