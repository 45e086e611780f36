"""Late data: the octets around it are judged again from the raw counters, and the tiers above follow.

The late row itself is stored as it came; then the span it fell into is two spans, and their deltas are new
versions of the rows. What was a gap because a sample was missing becomes what it was. Many interfaces are judged
by one query; how many, their rows decide, so that a backlog costs time and not memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.blocks import Columns
from perf.counters import FIRST, LATE, CounterState, Limits, rates
from perf.names import Names
from perf.open_slots import SLOT_NS
from perf.slots import U64
from perf.wide import interface_rows, width_of
from station.batch import SampleBatch
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import METRIC_BITS
from station.telemetry.client import TelemetryClient, timestamps
from station.telemetry.schema import COUNTERS, DELTAS, RAW_FINAL, SPANS

Late = tuple[int, int]
"""(entity key, beginning of a five-minute slot): where late rows came."""

AROUND_NS: Final = 3_600 * NS_PER_S  # rows read before and behind: enough to know the cadence
TOGETHER_NS: Final = 3_600 * NS_PER_S  # slots of one such span are judged together
ROWS_MAX: Final = 100_000  # rows of one query, about 20 MB; one interface alone may have more
ENTITIES_MAX: Final = 5_000
OCTETS = tuple(code_of(f"interface.{name}") for name in ("in_octets", "out_octets"))

_OF_OCTETS = np.uint8(0b11)  # the bits of both in `rated`
_STATES = ("oper_status", "admin_status", "quality", "present", "widths", "retention")
_KEPT = ("entity", "uptime_cs", "discontinuity_cs", *COUNTERS, *DELTAS, *SPANS, "rated", "speed_bps", *_STATES)
_WHERE = (
    "entity IN {entities:Array(UInt64)} AND bitAnd(present, 3) = 3 "
    "AND time >= fromUnixTimestamp64Nano({start:Int64}) AND time < fromUnixTimestamp64Nano({end:Int64})"
)
_COUNT = f"SELECT entity, count() AS n FROM interface_raw WHERE {_WHERE} GROUP BY entity"  # noqa: S608 - values are bound; the most FINAL could give
_ROWS = (
    "SELECT toUnixTimestamp64Nano(time) AS time_ns, toUnixTimestamp64Nano(received) AS received_ns, "  # noqa: S608 - names come from the schema, values are bound
    f"{', '.join(_KEPT)} FROM interface_raw FINAL WHERE {_WHERE} "
    f"ORDER BY entity, interface_raw.time, quality, version DESC LIMIT 1 BY entity, interface_raw.time {RAW_FINAL}"
)


@dataclass(frozen=True, slots=True)
class Correction:
    """New versions of rows (columns of `interface_raw`), with the entities and instants whose tiers they change."""

    columns: Columns
    entity: U64
    time_ns: npt.NDArray[np.int64]


async def chunks(client: TelemetryClient, late: Iterable[Late]) -> list[list[Late]]:
    """The slots in lists that are judged together: of one hour, at most ROWS_MAX rows around them, entities kept whole."""
    made: list[list[Late]] = []
    for _, group in groupby(sorted(late, key=lambda pair: (pair[1] // TOGETHER_NS, pair)), key=lambda pair: pair[1] // TOGETHER_NS):
        pairs = list(group)
        entities = list(dict.fromkeys(entity for entity, _ in pairs))
        counts: dict[int, int] = {}
        for first in range(0, len(entities), ENTITIES_MAX):
            found = await client.query(_COUNT, _span(pairs) | {"entities": entities[first : first + ENTITIES_MAX]})
            counts |= dict(zip(found["entity"].tolist(), found["n"].tolist(), strict=True)) if found else {}
        made += _packed(pairs, counts)
    return made


async def corrected(client: TelemetryClient, late: list[Late], names: Names, version: int) -> Correction | None:
    """The rows of the slots, and the one behind each, judged again; None when nothing changes."""
    entities = sorted({entity for entity, _ in late})
    found = await client.query(_ROWS, _span(late) | {"entities": entities})
    if not found:
        return None
    judged = _judged_again(found, names.limits)
    changed = np.any([judged[name] != found[name] for name in ("quality", "in_delta", "out_delta")], axis=0)
    known = (judged["quality"] != FIRST) | (found["quality"] == LATE)  # what has nothing before it here may have had
    chosen = np.flatnonzero(_asked(found["entity"], found["time_ns"], late) & changed & known)
    if not len(chosen):
        return None
    columns = {name: found[name][chosen] for name in _KEPT} | {name: column[chosen] for name, column in judged.items()}
    time_ns = found["time_ns"][chosen]
    columns["time"], columns["received"] = timestamps(time_ns), timestamps(found["received_ns"][chosen])
    columns["version"] = np.full(len(chosen), version, np.uint64)
    return Correction(columns, columns["entity"], time_ns)


def _span(late: list[Late]) -> dict[str, int]:
    slots = [slot for _, slot in late]
    return {"start": min(slots) - AROUND_NS, "end": max(slots) + SLOT_NS + AROUND_NS}


def _packed(pairs: list[Late], counts: dict[int, int]) -> Iterator[list[Late]]:
    chunk: list[Late] = []
    rows = entities = 0
    for entity, group in groupby(sorted(pairs), key=lambda pair: pair[0]):
        n = counts.get(entity, 0)
        if chunk and (rows + n > ROWS_MAX or entities >= ENTITIES_MAX):
            yield chunk
            chunk, rows, entities = [], 0, 0
        chunk += group
        rows, entities = rows + n, entities + 1
    if chunk:
        yield chunk


def _asked(entity: U64, time_ns: npt.NDArray[np.int64], late: list[Late]) -> npt.NDArray[np.bool_]:
    """Which rows (by entity, then time) lie in the slots, or are the first of their entity behind one, bool[n]."""
    asked = np.zeros(len(entity), np.bool_)
    keys, starts = np.unique(entity, return_index=True)
    bounds = dict(zip(keys.tolist(), zip(starts.tolist(), [*starts[1:].tolist(), len(entity)], strict=True), strict=True))
    for key, slot in late:
        first, last = bounds.get(key, (0, 0))
        begin, end = (np.searchsorted(time_ns[first:last], (slot, slot + SLOT_NS)) + first).tolist()
        asked[begin : min(end + 1, last)] = True
    return asked


def _judged_again(found: dict[str, npt.NDArray[Any]], limits: Limits) -> dict[str, npt.NDArray[Any]]:
    """Verdict, deltas and span of the octets from a fresh state that knows the usual cadence of each interface."""
    state = CounterState.empty(limits)
    keys, starts, counts = np.unique(found["entity"], return_index=True, return_counts=True)
    for key, start, n in zip(keys.tolist(), starts.tolist(), counts.tolist(), strict=True):
        slots = state.slots_of(np.array([key << METRIC_BITS | code for code in OCTETS], np.uint64))
        if n > 2:
            state.cadence_ns[slots] = int(np.median(np.diff(found["time_ns"][start : start + n])))
    series = found["entity"].astype(np.uint64) << np.uint64(METRIC_BITS)
    batch = SampleBatch.of(
        np.tile(found["time_ns"], 2),
        np.concatenate([series | np.uint64(code) for code in OCTETS]),
        raw=np.concatenate([found["in_octets"], found["out_octets"]]),
        uptime_cs=np.tile(found["uptime_cs"], 2),
        discontinuity_cs=np.tile(found["discontinuity_cs"], 2),
        width=np.concatenate([width_of(found["widths"], code) for code in OCTETS]),
    )
    rows = interface_rows(rates(batch, state))
    return {
        "in_delta": rows.delta[0],
        "out_delta": rows.delta[1],
        "octets_span_s": rows.span_s[0],
        "rated": rows.rated & _OF_OCTETS | found["rated"] & ~_OF_OCTETS,
        "quality": rows.quality,
    }
