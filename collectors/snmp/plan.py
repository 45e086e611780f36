"""What one poll of one device asks, learned once and encoded once: exact names, so that answers are columns.

A plan is a row of slots. Each request covers some slots; its first asks sysUpTime, so that every counter has
the uptime of the very answer it came in. What is asked of an interface stays in one request, and its name comes in
the same answer: numbers that came under another name are nobody's (RFC 2863, 3.1.5: an ifIndex may change hands).
Requests stand in the order of their tiers, so that a poll asks the first few of them or all.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from collectors.codecs import ber
from collectors.codecs.ber import Oid, parse_oid
from collectors.codecs.snmp import EXCEPTIONS, PduType, VarBind
from collectors.codecs.snmp_columns import number_of, width_of
from collectors.snmp.profile_model import DARK_DBM
from station.batch import NO_UPTIME, SampleBatch
from station.catalogue import metrics_by_code, metrics_by_name
from station.series import series_of

SYS_UPTIME = parse_oid("1.3.6.1.2.1.1.3.0")
_IF = parse_oid("1.3.6.1.2.1.2.2.1")
_IFX = parse_oid("1.3.6.1.2.1.31.1.1.1")
DISCONTINUITY = (*_IFX, 19)

# metric -> (the column of ifXTable, of ifTable); the 64-bit one is asked where the agent has it (RFC 2863, 3.1.6)
_INTERFACE_COLUMNS: Mapping[str, tuple[Oid | None, Oid]] = {
    "interface.in_octets": ((*_IFX, 6), (*_IF, 10)),
    "interface.out_octets": ((*_IFX, 10), (*_IF, 16)),
    "interface.in_packets": ((*_IFX, 7), (*_IF, 11)),
    "interface.out_packets": ((*_IFX, 11), (*_IF, 17)),
    "interface.in_errors": (None, (*_IF, 14)),
    "interface.out_errors": (None, (*_IF, 20)),
    "interface.in_discards": (None, (*_IF, 13)),
    "interface.out_discards": (None, (*_IF, 19)),
    "interface.oper_status": (None, (*_IF, 8)),
    "interface.admin_status": (None, (*_IF, 7)),
}
OPER_STATUS = _INTERFACE_COLUMNS["interface.oper_status"][1]
_LEAST_MW = 1e-12  # keeps the logarithm defined where it is not used
NO_SERIES = 0  # a slot that is asked for another's sake
_HEADER_OCTETS = 6  # of a variable, its name and its value
_LONGEST, _COUNTER32, _SHORTEST = 9, 5, 1  # octets of a number: a Counter64 with its leading zero; an enumeration
_PACKET_OCTETS = 1340  # of variables: with their envelope, v3's included, they fit 1,472 octets
_ID_OCTETS = 6  # a request-id of four octets with its header
_NO_ERROR, _NULL = b"\x02\x01\0\x02\x01\0", b"\x05\0"
_SHORT_NAME = 120  # octets of a name whose lengths all take one octet
_CUT_WITH_HEAD = 4  # in answers of fewer variables there is no room for a discontinuity time and a name beside sysUpTime
FAST, STATUS, SLOW = range(3)  # tiers: asked at every poll, at every few, seldom
TIERS: Mapping[str, int] = {"fast": FAST, "status": STATUS, "slow": SLOW}


@dataclass(frozen=True, slots=True)
class Item:
    """One variable to poll, whose value is the raw number times `scale` plus `offset`, or of `milliwatt` in dBm.

    `ignore` are raw numbers that mean nothing is measured, as does a value outside `low` and `high`. `states` maps
    the agent's enumeration to the metric's, `otherwise` every other number; `group` items share a request.
    `octets` is how long its value can get, so that an answer fills a packet and never exceeds it. An item that
    `expect`s a text is the name by which its group is known.
    """

    oid: Oid
    series: int
    counter: bool = False
    scale: float = 1.0
    offset: float = 0.0
    milliwatt: bool = False
    ignore: tuple[float, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    states: Mapping[int, int] | None = None
    otherwise: int | None = None
    group: int = -1
    octets: int = _LONGEST
    expect: bytes = b""
    tier: int = FAST


@dataclass(frozen=True, slots=True)
class Ratio:
    """A metric out of several slots: mean, max or sum of `parts` times scale plus offset, or sum(parts) over sum(whole).

    With `complement`, 1 less that ratio (free of total). Parts that are in `ignore` do not count.
    """

    series: int
    parts: tuple[Oid, ...]
    whole: tuple[Oid, ...] = ()
    scale: float = 1.0
    aggregate: str = "mean"
    complement: bool = False
    offset: float = 0.0
    ignore: tuple[float, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    tier: int = FAST


@dataclass(frozen=True, slots=True)
class Request:
    """One encoded GET: what stands around its request-id, the names it wants (as arcs, as octets), its first slot, its tier."""

    head: bytes
    tail: bytes
    oids: tuple[Oid, ...]
    names: tuple[bytes, ...]
    slot: int
    tier: int = FAST


@dataclass(frozen=True, slots=True)
class Readings:
    """From raw numbers to values; arrays have one entry a slot, but `ignored` (slots) and `ignored_values` one a pair."""

    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    milliwatt: npt.NDArray[np.intp]
    ignored: npt.NDArray[np.intp]
    ignored_values: npt.NDArray[np.float64]
    states: tuple[tuple[int, Mapping[int, int], float], ...]  # slot, mapping, and the state of what it lacks

    @classmethod
    def of(cls, slots: Sequence[Item]) -> "Readings":
        ignored = [(slot, value) for slot, item in enumerate(slots) for value in item.ignore]
        return cls(
            scale=np.array([item.scale for item in slots], np.float64),
            offset=np.array([item.offset for item in slots], np.float64),
            low=np.array([item.low for item in slots], np.float64),
            high=np.array([item.high for item in slots], np.float64),
            milliwatt=np.array([slot for slot, item in enumerate(slots) if item.milliwatt], np.intp),
            ignored=np.array([slot for slot, _ in ignored], np.intp),
            ignored_values=np.array([value for _, value in ignored], np.float64),
            states=tuple(
                (slot, item.states, np.nan if item.otherwise is None else item.otherwise)
                for slot, item in enumerate(slots)
                if item.states is not None
            ),
        )

    def values(self, told: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The values of raw numbers, NaN where nothing is measured (f64[n] -> f64[n])."""
        value = told * self.scale + self.offset
        milliwatts = value[self.milliwatt]
        value[self.milliwatt] = np.where(milliwatts > 0, 10 * np.log10(np.maximum(milliwatts, _LEAST_MW)), DARK_DBM)
        for slot, states, otherwise in self.states:
            value[slot] = states.get(int(told[slot]), otherwise) if np.isfinite(told[slot]) else np.nan
        value[self.ignored[told[self.ignored] == self.ignored_values]] = np.nan
        value[(value < self.low) | (value > self.high)] = np.nan
        return value


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of one poll and what their slots mean; arrays have one entry a slot.

    `direct`: the number told is the value. `kept`: it is not, or a ratio needs it, so it is read at the end of the poll.
    `expected` are the names that interfaces are known by, by slot; `asked` how many requests each tier comes to.
    """

    requests: tuple[Request, ...]
    oids: tuple[Oid, ...]
    series: npt.NDArray[np.uint64]
    counter: npt.NDArray[np.bool_]
    readings: "Readings"
    uptime_slot: npt.NDArray[np.intp]
    discontinuity_slot: npt.NDArray[np.intp]  # -1: none
    direct: npt.NDArray[np.bool_]
    kept: npt.NDArray[np.bool_]
    guard_slot: npt.NDArray[np.intp]  # of the name in the same answer, -1: none
    expected: Mapping[int, bytes]
    asked: tuple[int, ...]
    ratios: tuple[Ratio, ...] = ()
    slot_of: Mapping[Oid, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.oids)


@dataclass(frozen=True, slots=True)
class Port:
    """An interface as it is to be asked: its number, and the variable and text by which it is known (() where it has no name)."""

    if_index: int
    name_oid: Oid = ()
    name: bytes = b""


def interface_items(
    device_no: int, entity_no: int, port: Port, *, wide: bool, absent: Set[Oid], tiers: Mapping[str, int] = MappingProxyType({})
) -> list[Item]:
    """The variables of one interface, tier by tier, each behind its name and before its counters the time of their discontinuity.

    `wide`: the version has 64-bit counters; `absent`: names the agent does not know; `tiers` by metric.
    """
    items: dict[int, list[Item]] = {}
    for name, (long, short) in _INTERFACE_COLUMNS.items():
        metric, tier = metrics_by_name()[name], tiers.get(name, FAST)
        column = long if long is not None and wide and (*long, port.if_index) not in absent else short
        oid = (*column, port.if_index)
        if oid not in absent:
            counter = metric.kind == "counter"
            octets = _SHORTEST if not counter else _LONGEST if column is long else _COUNTER32
            series = series_of(device_no, entity_no, metric.code)
            items.setdefault(tier, []).append(Item(oid, series, counter, group=port.if_index, octets=octets, tier=tier))
    return [item for tier, found in items.items() for item in (*_head(port, tier, found, wide=wide, absent=absent), *found)]


def _head(port: Port, tier: int, items: Sequence[Item], *, wide: bool, absent: Set[Oid]) -> list[Item]:
    """What is asked before the variables of an interface for their sake."""
    head = []
    if port.name_oid:
        head.append(Item(port.name_oid, NO_SERIES, group=port.if_index, octets=len(port.name), expect=port.name, tier=tier))
    discontinuity = (*DISCONTINUITY, port.if_index)
    if wide and discontinuity not in absent and any(item.counter for item in items):
        head.append(Item(discontinuity, NO_SERIES, group=port.if_index, octets=_COUNTER32, tier=tier))
    return head


def build(items: Sequence[Item], ratios: Sequence[Ratio] = (), *, varbinds_max: int) -> Plan:
    """The plan of these items; a request stays within a packet and `varbinds_max` variables, and within a tier."""
    everything = _with_hidden(items, ratios)
    uptime = Item(SYS_UPTIME, NO_SERIES)
    requests: list[Request] = []
    slots: list[Item] = []
    uptime_slots: list[int] = []
    for tier in TIERS.values():
        chosen = [item for item in everything if item.tier == tier]
        for part in _parts(chosen, varbinds_max) if chosen or tier == FAST else ():
            asked = [uptime, *part]
            requests.append(_request([item.oid for item in asked], len(slots), tier))
            uptime_slots += [len(slots)] * len(asked)
            slots += asked
    return _plan(requests, slots, uptime_slots, ratios)


def _with_hidden(items: Sequence[Item], ratios: Sequence[Ratio]) -> list[Item]:
    """The items and those that only ratios need; a variable that a ratio needs is asked as often as the ratio."""
    needed: dict[Oid, int] = {}
    for ratio in ratios:
        for oid in (*ratio.parts, *ratio.whole):
            needed[oid] = min(needed.get(oid, ratio.tier), ratio.tier)
    known = {item.oid for item in items}
    seen = [replace(item, tier=needed[item.oid]) if needed.get(item.oid, SLOW) < item.tier else item for item in items]
    return [*seen, *(Item(oid, NO_SERIES, tier=tier) for oid, tier in needed.items() if oid not in known)]


def _request(oids: Sequence[Oid], slot: int, tier: int) -> Request:
    """A GET of these names, put together from their octets: a plan may have hundreds of thousands."""
    names = tuple(map(ber.oid_content, oids))
    varbinds = b"".join(_asking(name) for name in names)
    tail = _NO_ERROR + bytes((ber.SEQUENCE,)) + ber.length_octets(len(varbinds)) + varbinds
    head = bytes((PduType.GET,)) + ber.length_octets(_ID_OCTETS + len(tail)) + b"\x02\x04"
    return Request(head, tail, tuple(oids), names, slot, tier)


def _asking(name: bytes) -> bytes:
    """A variable without a value."""
    length = len(name)
    if length < _SHORT_NAME:
        return bytes((ber.SEQUENCE, length + 4, ber.OBJECT_IDENTIFIER, length)) + name + _NULL
    return ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT_IDENTIFIER, name) + _NULL)


def _plan(requests: list[Request], slots: list[Item], uptime_slots: list[int], ratios: Sequence[Ratio]) -> Plan:
    slot_of = {item.oid: slot for slot, item in enumerate(slots)}
    needed = {slot_of[oid] for ratio in ratios for oid in (*ratio.parts, *ratio.whole)}
    return Plan(
        requests=tuple(requests),
        oids=tuple(item.oid for item in slots),
        series=np.array([item.series for item in slots], np.uint64),
        counter=np.array([item.counter for item in slots], np.bool_),
        readings=Readings.of(slots),
        uptime_slot=np.array(uptime_slots, np.intp),
        discontinuity_slot=_discontinuity_slots(requests, slots),
        direct=np.array([_is_direct(item) for item in slots], np.bool_),
        kept=np.array([slot in needed or not _is_direct(item) for slot, item in enumerate(slots)], np.bool_),
        guard_slot=_guard_slots(requests, slots),
        expected={slot: item.expect for slot, item in enumerate(slots) if item.expect},
        asked=tuple(sum(request.tier <= tier for request in requests) for tier in TIERS.values()),
        ratios=tuple(ratios),
        slot_of=slot_of,
    )


def _is_direct(item: Item) -> bool:
    """Whether the number told is the value: interfaces' counters and states, which are nearly all."""
    bounded = item.low > -math.inf or item.high < math.inf
    told_otherwise = item.milliwatt or item.ignore or item.states is not None or bounded
    return item.series == NO_SERIES or not (told_otherwise or item.scale != 1 or item.offset)


def _discontinuity_slots(requests: Sequence[Request], slots: Sequence[Item]) -> npt.NDArray[np.intp]:
    """Of each counter the slot of its interface's discontinuity time in the same answer, -1 where that is not asked."""
    found = np.full(len(slots), -1, np.intp)
    for request in requests:
        asked = range(request.slot, request.slot + len(request.oids))
        times = {slots[slot].group: slot for slot in asked if slots[slot].oid[:-1] == DISCONTINUITY}
        for slot in asked:
            if slots[slot].counter:
                found[slot] = times.get(slots[slot].group, -1)
    return found


def _guard_slots(requests: Sequence[Request], slots: Sequence[Item]) -> npt.NDArray[np.intp]:
    """Of each variable the slot of its interface's name in the same answer, -1 where that is not asked."""
    found = np.full(len(slots), -1, np.intp)
    for request in requests:
        asked = range(request.slot, request.slot + len(request.oids))
        names = {slots[slot].group: slot for slot in asked if slots[slot].expect}
        for slot in asked:
            found[slot] = names.get(slots[slot].group, -1)
    return found


def _parts(items: Iterable[Item], varbinds_max: int) -> Iterable[list[Item]]:
    """Items in requests: groups stay whole; one too large is cut, and each piece asks its name and discontinuity time again.

    Without any item one empty part remains.
    """
    part: list[Item] = []
    octets = 0
    for group in _groups(items):
        size = sum(len(ber.oid_content(item.oid)) + _HEADER_OCTETS + item.octets for item in group)
        if part and (len(part) + len(group) >= varbinds_max or octets + size > _PACKET_OCTETS):
            yield part
            part, octets = [], 0
        part, octets = part + group, octets + size
        head = [item for item in part[:2] if (item.expect or item.oid[:-1] == DISCONTINUITY) and varbinds_max > _CUT_WITH_HEAD]
        while len(part) >= varbinds_max > 1:
            yield part[: varbinds_max - 1]
            part = part[varbinds_max - 1 :]
            part = head + part if part else part
    yield part


def _groups(items: Iterable[Item]) -> Iterable[list[Item]]:
    groups: dict[tuple[int, Oid], list[Item]] = {}
    for item in items:
        groups.setdefault((item.group, () if item.group >= 0 else item.oid), []).append(item)
    return groups.values()


@dataclass(frozen=True, slots=True)
class Answers:
    """What a poll brought, one entry a slot: the number told (NaN: none), its 64 bits, how many the type has, and when.

    `absent` are the slots whose names the agent does not know, `unlike` those of interfaces' names that are not as expected.
    """

    told: npt.NDArray[np.float64]
    raw: npt.NDArray[np.uint64]
    width: npt.NDArray[np.uint8]
    time_ns: npt.NDArray[np.int64]
    absent: set[int]
    unlike: set[int] = field(default_factory=set)

    @classmethod
    def blank(cls, plan: Plan) -> "Answers":
        n = len(plan)
        return cls(np.full(n, np.nan), np.zeros(n, np.uint64), np.zeros(n, np.uint8), np.zeros(n, np.int64), set())

    def put(self, slot: int, varbinds: Sequence[VarBind], time_ns: int, expected: Mapping[int, bytes] = MappingProxyType({})) -> None:
        """Decoded variables, from this slot on."""
        for i, varbind in enumerate(varbinds, slot):
            self.told[i], self.raw[i] = number_of(varbind)
            self.width[i], self.time_ns[i] = width_of(varbind), time_ns
            if varbind.tag in EXCEPTIONS:
                self.absent.add(i)
            if i in expected and varbind.value != expected[i]:
                self.unlike.add(i)


def samples(plan: Plan, answers: Answers, only: npt.NDArray[np.bool_] | None = None, tier: int = SLOW) -> SampleBatch:
    """The samples of one poll, or of `only` these slots: counters raw, gauges scaled, states mapped; and the ratios up to a tier."""
    value = plan.readings.values(answers.told)
    known = ~np.isin(plan.guard_slot, list(answers.unlike)) if answers.unlike else True
    keep = np.flatnonzero((plan.series != NO_SERIES) & ~np.isnan(value) & known & (True if only is None else only))
    counter = plan.counter[keep]
    polled = SampleBatch.of(
        answers.time_ns[keep],
        plan.series[keep],
        value=np.where(counter, np.nan, value[keep]),
        raw=np.where(counter, answers.raw[keep], np.uint64(0)),
        uptime_cs=_ticks(answers, plan.uptime_slot[keep]),
        discontinuity_cs=_ticks(answers, plan.discontinuity_slot[keep]),
        width=np.where(counter, answers.width[keep], np.uint8(0)),
    )
    ratios = _ratios(plan, answers.told, answers.time_ns, tier)
    return SampleBatch.concat([polled, ratios]) if len(ratios) else polled


def _ticks(answers: Answers, slots: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """TimeTicks of these slots, NO_UPTIME where there are none."""
    told = (slots >= 0) & np.isfinite(answers.told[slots])
    return np.where(told, answers.raw[slots].view(np.int64), NO_UPTIME)


def _ratios(plan: Plan, told: npt.NDArray[np.float64], time_ns: npt.NDArray[np.int64], tier: int) -> SampleBatch:
    found: list[tuple[int, int, float]] = []
    is_number = np.isfinite(told)
    for ratio in plan.ratios:
        if ratio.tier > tier:
            continue
        parts = [plan.slot_of[oid] for oid in ratio.parts if is_number[plan.slot_of[oid]]]
        whole = [plan.slot_of[oid] for oid in ratio.whole if is_number[plan.slot_of[oid]]]
        worked = work_out(ratio, told[parts].tolist(), told[whole].tolist())
        if worked is not None:
            found.append((int(time_ns[parts].max()), ratio.series, worked))
    return SampleBatch.of(
        np.array([row[0] for row in found], np.int64),
        np.array([row[1] for row in found], np.uint64),
        value=np.array([row[2] for row in found], np.float64),
    )


def work_out(ratio: Ratio, parts: Sequence[float], whole: Sequence[float]) -> float | None:
    """The value of a metric from the raw numbers of its slots; None where they do not suffice, or cannot be."""
    parts = [part for part in parts if part not in ratio.ignore]
    if not parts or (ratio.whole and sum(whole) <= 0):
        return None
    if ratio.whole:
        share = sum(parts) / sum(whole)
        value = 1 - share if ratio.complement else share
    else:
        total = {"max": max(parts), "sum": sum(parts), "mean": sum(parts) / len(parts)}[ratio.aggregate]
        value = total * ratio.scale + ratio.offset
    return value if ratio.low <= value <= ratio.high else None


def is_polled_metric(code: int) -> bool:
    """Whether the catalogue knows this code as something a device is asked for."""
    metric = metrics_by_code().get(code)
    return metric is not None and not metric.derived
