"""Last values on to a Prometheus remote-write receiver (specification 1.0): protobuf, snappy, in order, again after a failure.

A series is sent when a newer sample of it was heard since the last time. What cannot be delivered waits in memory up to
a bound; then the oldest is lost and counted, as the receiver would refuse what comes out of order.
"""

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from perf.labels import labels_of
from perf.last import LastColumns, LastValues
from perf.metrics import REMOTE_WRITE_SAMPLES, REMOTE_WRITE_WAITING
from perf.names import Names
from perf.settings import RemoteWriteSettings
from perf.slots import SlotIndex, grown
from station.catalogue import metrics_by_code
from station.series import MAX_METRIC, METRIC_BITS
from station.varint import varint

HEADERS: Final = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "trunkline",
}
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0
SAMPLE: Final = np.dtype([("tag", "u1"), ("length", "u1"), ("value_tag", "u1"), ("value", "<f8"), ("time_tag", "u1"), ("time", "u1", 6)])
"""Field 2 of a TimeSeries: the value as a double, and milliseconds as a varint, which has six octets from 2005 to 2109."""
TOO_MANY_REQUESTS: Final = 429
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One body, and how many samples it has."""

    body: bytes
    samples: int


class RemoteWrite:
    """`run` sends until cancelled; `login` gives name and password of a vault's login."""

    def __init__(self, settings: RemoteWriteSettings, last: LastValues, names: Names, login: Callable[[str], Mapping[str, str]]) -> None:
        self._settings, self._last, self._names, self._login = settings, last, names, login
        self._prefixes: dict[int, bytes] = {}
        self._version = -1
        self._index = SlotIndex()
        self._sent_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._waiting: deque[Request] = deque()
        self._came = asyncio.Event()
        REMOTE_WRITE_WAITING.set_function(self._waiting.__len__)

    async def run(self) -> None:
        if not self._settings.url:
            return
        async with httpx.AsyncClient(timeout=self._settings.timeout_s) as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._gather())
            tasks.create_task(self._deliver(client))

    async def _gather(self) -> None:
        while True:
            await asyncio.sleep(self._settings.interval_s)
            for request in await asyncio.to_thread(lambda: list(self.requests())):
                if len(self._waiting) >= self._settings.waiting_requests:
                    REMOTE_WRITE_SAMPLES.labels("lost").inc(self._waiting.popleft().samples)
                self._waiting.append(request)
            self._came.set()

    def requests(self) -> Iterator[Request]:
        """What was heard since the last call, as bodies of at most `request_samples`."""
        self._follow()
        fresh = self._fresh(self._last.columns())
        prefixes = [self._prefix(series) for series in fresh.series.tolist()]
        known = np.array([bool(prefix) for prefix in prefixes], bool)
        samples, prefixes = _samples(fresh)[known].tobytes(), [prefix for prefix in prefixes if prefix]
        size, most = SAMPLE.itemsize, self._settings.request_samples
        for at in range(0, len(prefixes), most):
            some = prefixes[at : at + most]
            tails = (samples[n * size : (n + 1) * size] for n in range(at, at + len(some)))
            body = b"".join(part for pair in zip(some, tails, strict=True) for part in pair)
            yield Request(pa.compress(body, codec="snappy", asbytes=True), len(some))

    def _fresh(self, last: LastColumns) -> LastColumns:
        """The series with a newer sample than was sent; they count as sent from now on."""
        slots = self._index.slots_of(last.series)
        self._sent_ns = grown(self._sent_ns, self._index.count)
        newer = (last.time_ns > self._sent_ns[slots]) & ~np.isnan(_values(last))
        self._sent_ns[slots[newer]] = last.time_ns[newer]
        return LastColumns(last.series[newer], last.time_ns[newer], last.value[newer], last.raw[newer], last.quality[newer])

    def _follow(self) -> None:
        version = self._names.topology().version
        if version != self._version:
            self._version = version
            self._prefixes.clear()

    def _prefix(self, series: int) -> bytes:
        """The beginning of a TimeSeries up to its sample, which has the same size in all; empty when nobody knows the series."""
        known = self._prefixes.get(series)
        if known is None:
            pairs = labels_of(self._names.topology(), series >> METRIC_BITS)
            known = self._prefixes[series] = b"" if pairs is None else _time_series(series & MAX_METRIC, pairs)
        return known

    async def _deliver(self, client: httpx.AsyncClient) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            await self._came.wait()
            if not self._waiting:
                self._came.clear()
                continue
            request = self._waiting[0]
            outcome = await self._post(client, request)
            if outcome == "again":
                REMOTE_WRITE_SAMPLES.labels("again").inc(request.samples)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
                continue
            delay_s = FIRST_DELAY_S
            REMOTE_WRITE_SAMPLES.labels(outcome).inc(request.samples)
            if self._waiting and self._waiting[0] is request:
                self._waiting.popleft()

    async def _post(self, client: httpx.AsyncClient, request: Request) -> str:
        """`sent`, `refused` (the receiver will not take it at any time) or `again`."""
        try:
            answer = await client.post(self._settings.url, content=request.body, headers=HEADERS | self._authorization())
        except httpx.HTTPError as error:
            log.warning("remote write does not get through", error=str(error) or type(error).__name__)
            return "again"
        if answer.is_success:
            return "sent"
        if answer.is_server_error or answer.status_code == TOO_MANY_REQUESTS:
            return "again"
        log.error("remote write is refused", status=answer.status_code, says=answer.text[:200])
        return "refused"

    def _authorization(self) -> dict[str, str]:
        login = self._login(self._settings.credential) if self._settings.credential else {}
        password = login.get("password", "")
        if not password:
            return {}
        if name := login.get("username", ""):
            return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}
        return {"Authorization": f"Bearer {password}"}


def _values(last: LastColumns) -> npt.NDArray[np.float64]:
    """A counter's raw total, a gauge's value."""
    counters = np.zeros(MAX_METRIC + 1, bool)
    counters[[code for code, metric in metrics_by_code().items() if metric.kind == "counter"]] = True
    return np.where(counters[(last.series & np.uint64(MAX_METRIC)).astype(np.int64)], last.raw.astype(np.float64), last.value)


def _samples(last: LastColumns) -> npt.NDArray[np.void]:
    """SAMPLE[k]."""
    made = np.zeros(len(last.series), SAMPLE)
    made["tag"], made["length"] = 0x12, SAMPLE.itemsize - 2
    made["value_tag"], made["value"] = 0x09, _values(last)
    made["time_tag"] = 0x10
    ms = last.time_ns // 1_000_000
    for n in range(6):
        made["time"][:, n] = ms >> 7 * n & 0x7F | (0x80 if n < 5 else 0)
    return made


def _time_series(code: int, pairs: Mapping[str, str]) -> bytes:
    labels = {"__name__": f"trunkline_{metrics_by_code()[code].prometheus}", **{name: value for name, value in pairs.items() if value}}
    inside = b"".join(_field(1, _field(1, name.encode()) + _field(2, labels[name].encode(errors="replace"))) for name in sorted(labels))
    return b"\x0a" + varint(len(inside) + SAMPLE.itemsize) + inside


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload
