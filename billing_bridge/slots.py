"""Counters to five-minute slots, in exact integers.

    samples --spans--> verdict and increase per pair of neighbours --fill--> octets and mark per slot

A slot holds the octets that the counters prove to have passed within it. The increase between two samples is
spread evenly over the span between them: a border at x gets floor(D * (x - a) / (b - a)) of the increase D of the
span (a, b] behind it. Differences of floors telescope, so the shares of one increase always sum to it and no split
of a period changes a total. For this rule instants are whole milliseconds, rounded down.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

from billing_bridge.samples import InterfaceSamples
from station.batch import Quality
from station.clock import NS_PER_MS, NS_PER_S

SLOT_S = 300
SLOT_NS = SLOT_S * NS_PER_S
SLOT_MS = SLOT_NS // NS_PER_MS
SPAN_MAX_MS = 31 * 86_400_000  # below 2**32, so that remainder * milliseconds fits u64 exactly

UPTIME_SLACK_CS = 6_000  # clock drift and poll latency: a restart moves the boot instant by more than this
UPTIME_CYCLE_CS = 1 << 32  # sysUpTime is a TimeTicks (RFC 2578, 7.1.8): 497 days
RATE_SLACK_MS = 2_000  # agents refresh counters late: a span may hold the octets of a slightly longer one
RATE_SLACK_PARTS = 20  # and of 1/20 of its length

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class Mark(IntEnum):
    """What a slot is worth: bits 0-1 of its quality.

    GOOD: every millisecond lies between two sound samples. INTERPOLATED: the octets are proven by an unbroken counter,
    but how they lay in time is not (a poll gap bridged). GAP: part of it is unknown. REJECTED: its increase is beyond
    the line rate and was refused. The octets of a GAP or REJECTED slot are the part that is proven.
    """

    GOOD = 0
    INTERPOLATED = 1
    GAP = 2
    REJECTED = 3


class Cause(IntFlag):
    """Why, and what else happened: bits 2-7 of a slot's quality."""

    WRAPPED = 4
    RESET = 8
    GAP = 16
    SUSPECT = 32
    OVER_LINE_RATE = 64
    CAPPED = 128


MARK_BITS = np.uint8(3)


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """One row per pair of neighbouring samples: (begin_ms, end_ms], the increases, and mark | causes.

    Increases are 0 unless the mark is GOOD or INTERPOLATED.
    """

    begin_ms: I64
    end_ms: I64
    in_octets: U64
    out_octets: U64
    quality: U8


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """Consecutive slots from `start_ns`: octets (u64) per direction and quality (u8, mark | causes)."""

    start_ns: int
    in_octets: U64
    out_octets: U64
    quality: U8

    def __len__(self) -> int:
        return len(self.quality)

    @property
    def end_ns(self) -> int:
        return self.start_ns + len(self) * SLOT_NS

    @property
    def marks(self) -> U8:
        return self.quality & MARK_BITS

    def cut(self, start_ns: int, end_ns: int) -> "Slots":
        """The slots that begin within [start_ns, end_ns)."""
        first = max(0, -((self.start_ns - start_ns) // SLOT_NS))
        last = max(first, -((self.start_ns - end_ns) // SLOT_NS))
        return Slots(self.start_ns + first * SLOT_NS, self.in_octets[first:last], self.out_octets[first:last], self.quality[first:last])

    def capped(self, speed_bps: int) -> "Slots":
        """No slot above what the line can carry (0: unknown, nothing is cut); what was cut is marked CAPPED."""
        if not speed_bps:
            return self
        most = np.uint64(speed_bps * SLOT_S // 8)
        over = (self.in_octets > most) | (self.out_octets > most)
        quality = self.quality | np.where(over, np.uint8(Cause.CAPPED), np.uint8(0))
        return replace(self, in_octets=np.minimum(self.in_octets, most), out_octets=np.minimum(self.out_octets, most), quality=quality)

    def counts(self) -> dict[str, int]:
        return counts_of(self.quality)


_CAUSE_NAMES = {"wrapped": Cause.WRAPPED, "reset": Cause.RESET, "suspect": Cause.SUSPECT, "capped": Cause.CAPPED}


def counts_of(quality: U8) -> dict[str, int]:
    """How many slots bear each mark, and how many each cause, by name in lower case."""
    marks = {mark.name.lower(): int((quality & MARK_BITS == mark).sum()) for mark in Mark}
    return marks | {name: int((quality & np.uint8(cause) != 0).sum()) for name, cause in _CAUSE_NAMES.items()}


def slots_of(samples: InterfaceSamples, start_ns: int, end_ns: int, *, speed_bps: int, span_max_ms: int) -> Slots:
    """The slots of [start_ns, end_ns); `samples` should reach beyond both ends, or the ends are gaps.

    `speed_bps` 0 means unknown: nothing is refused. `span_max_ms` is the longest span that still is a measurement.
    """
    return fill(spans(samples, speed_bps=speed_bps, span_max_ms=span_max_ms), start_ns, end_ns)


def spans(samples: InterfaceSamples, *, speed_bps: int, span_max_ms: int) -> Spans:
    """Judge each pair of neighbours anew from the raw integers, so that a late sample splits the gap it fell into.

    Of several samples within one millisecond the first received counts.
    """
    rows = _in_order(samples)
    time_ms, raw_in, raw_out = samples.time_ns[rows] // NS_PER_MS, samples.in_octets[rows], samples.out_octets[rows]
    quality, uptime_cs = samples.quality[rows], samples.uptime_cs[rows]
    elapsed_ms = np.diff(time_ms)
    proven, restarted = _continuity(time_ms, uptime_cs)
    step_in, wrapped_in, broken_in = _increase(raw_in, proven)
    step_out, wrapped_out, broken_out = _increase(raw_out, proven)
    judged = _judge(
        elapsed_ms,
        _Doubts(
            said=quality[1:],
            proven=proven,
            restarted=restarted | broken_in | broken_out,
            wrapped=wrapped_in | wrapped_out,
            over=_over(np.maximum(step_in, step_out), elapsed_ms, speed_bps),
        ),
        span_max_ms,
    )
    usable = (judged & MARK_BITS) <= Mark.INTERPOLATED
    zero = np.uint64(0)
    return Spans(time_ms[:-1], time_ms[1:], np.where(usable, step_in, zero), np.where(usable, step_out, zero), judged)


def _in_order(samples: InterfaceSamples) -> npt.NDArray[np.intp]:
    """Rows by time, one per millisecond, the first received of each."""
    time_ms = samples.time_ns // NS_PER_MS
    rows = np.lexsort((samples.received_ns, time_ms))
    fresh = np.ones(len(rows), np.bool_)
    fresh[1:] = time_ms[rows][1:] != time_ms[rows][:-1]
    return rows[fresh]


def _continuity(time_ms: I64, uptime_cs: I64) -> tuple[Mask, Mask]:
    """(proven unbroken, seen restarted) per pair, from the instant of boot that each sysUpTime implies."""
    known = (uptime_cs[1:] >= 0) & (uptime_cs[:-1] >= 0)
    moved_cs = np.diff(time_ms // 10 - uptime_cs) % UPTIME_CYCLE_CS
    apart_cs = np.minimum(moved_cs, UPTIME_CYCLE_CS - moved_cs)
    restarted = known & (apart_cs > UPTIME_SLACK_CS)
    return known & ~restarted, restarted


def _increase(raw: U64, proven: Mask) -> tuple[U64, Mask, Mask]:
    """(increase, wrapped, broken) per pair. A smaller value is a wrap only where uptime proves it, else a restart."""
    before, after = raw[:-1], raw[1:]
    smaller = after < before
    narrow = before <= np.uint64(0xFFFF_FFFF)  # a 32-bit counter, or a 64-bit one that cannot have wrapped from here
    step = after - before
    step = np.where(smaller & narrow, step & np.uint64(0xFFFF_FFFF), step)
    return step, smaller & proven, smaller & ~proven


def _over(step: U64, elapsed_ms: I64, speed_bps: int) -> Mask:
    """Whether an increase is more than the line can have carried."""
    if not speed_bps:
        return np.zeros(len(step), np.bool_)
    octets_per_ms = -(-speed_bps // 8_000)
    allowed_ms = elapsed_ms + np.maximum(RATE_SLACK_MS, elapsed_ms // RATE_SLACK_PARTS)
    return step > allowed_ms.astype(np.uint64) * np.uint64(octets_per_ms)


@dataclass(frozen=True, slots=True)
class _Doubts:
    """What may speak against a pair: the verdict said on arrival, and what raw values, uptime and line rate say."""

    said: U8
    proven: Mask
    restarted: Mask
    wrapped: Mask
    over: Mask


def _judge(elapsed_ms: I64, doubts: _Doubts, span_max_ms: int) -> U8:
    """Mark and causes per pair; the first row that holds wins. A doubtful span is unknown, never guessed."""
    long = elapsed_ms > span_max_ms
    # A smaller value beyond the line rate is no wrap: the counter restarted although the uptime did not show it.
    reset = doubts.restarted | (doubts.said == Quality.RESET) | (doubts.wrapped & doubts.over)
    suspect = doubts.said == Quality.SUSPECT
    unknown = long & (~doubts.proven | (elapsed_ms > SPAN_MAX_MS))
    rules = [
        (reset, Mark.GAP | Cause.RESET),
        (suspect, Mark.GAP | Cause.SUSPECT),
        (unknown, Mark.GAP | Cause.GAP),
        (doubts.over, Mark.REJECTED | Cause.OVER_LINE_RATE),
        (long, Mark.INTERPOLATED | Cause.GAP),
    ]
    judged = np.select([rule for rule, _ in rules], [np.uint8(verdict) for _, verdict in rules], np.uint8(Mark.GOOD))
    wrapped = doubts.wrapped & ((judged & MARK_BITS) <= Mark.INTERPOLATED)
    return np.asarray(judged | np.where(wrapped, np.uint8(Cause.WRAPPED), np.uint8(0)), np.uint8)


def fill(found: Spans, start_ns: int, end_ns: int) -> Slots:
    """Spread each span's increase over the slots it touches; times must be whole slots."""
    assert start_ns % SLOT_NS == 0 and end_ns % SLOT_NS == 0 and start_ns <= end_ns, (start_ns, end_ns)
    first, n = start_ns // SLOT_NS, (end_ns - start_ns) // SLOT_NS
    of, slot, low_ms, high_ms = _pieces(found, first, n)
    usable = np.flatnonzero((found.quality[of] & MARK_BITS) <= Mark.INTERPOLATED)
    octets_in, octets_out = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    for total, octets in ((octets_in, found.in_octets), (octets_out, found.out_octets)):
        np.add.at(total, slot[usable], _share(octets, found, of, low_ms, high_ms)[usable])
    return Slots(start_ns, octets_in, octets_out, _qualities(found.quality[of], slot, high_ms - low_ms, n))


def _pieces(found: Spans, first: int, n: int) -> tuple[npt.NDArray[np.intp], I64, I64, I64]:
    """Cut spans at slot borders: (span, slot counted from `first`, begin, end in ms) of each piece inside the n slots."""
    low = np.maximum(found.begin_ms // SLOT_MS, first)
    high = np.minimum((found.end_ms - 1) // SLOT_MS, first + n - 1)
    pieces = np.maximum(high - low + 1, 0)
    of = np.repeat(np.arange(len(pieces)), pieces)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    slot = low[of] + nth
    begin = np.maximum(found.begin_ms[of], slot * SLOT_MS)
    end = np.minimum(found.end_ms[of], (slot + 1) * SLOT_MS)
    return of, slot - first, begin, end


def _share(octets: U64, found: Spans, of: npt.NDArray[np.intp], low_ms: I64, high_ms: I64) -> U64:
    """The octets of each piece: the difference of the two cumulative floors at its borders."""
    length = (found.end_ms - found.begin_ms).astype(np.uint64)
    whole, rest = octets // length, octets % length

    def until(at_ms: I64) -> U64:
        passed = (at_ms - found.begin_ms[of]).astype(np.uint64)
        # floor(D * x / S) = floor(D / S) * x + floor((D mod S) * x / S): no product leaves u64
        return np.asarray(whole[of] * passed + rest[of] * passed // length[of], np.uint64)

    return until(high_ms) - until(low_ms)


def _qualities(verdicts: U8, slot: I64, length_ms: I64, n: int) -> U8:
    """Each slot's causes from all pieces in it, and its mark from what they cover."""
    marks = verdicts & MARK_BITS
    good_ms, bridged_ms = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.add.at(good_ms, slot, np.where(marks == Mark.GOOD, length_ms, 0))
    np.add.at(bridged_ms, slot, np.where(marks == Mark.INTERPOLATED, length_ms, 0))
    causes = np.zeros(n, np.uint8)
    np.bitwise_or.at(causes, slot, verdicts & ~MARK_BITS)
    refused = causes & np.uint8(Cause.OVER_LINE_RATE) != 0
    part = good_ms + bridged_ms < SLOT_MS
    marked = np.select(
        [refused, part, bridged_ms > 0], [np.uint8(Mark.REJECTED), np.uint8(Mark.GAP), np.uint8(Mark.INTERPOLATED)], np.uint8(Mark.GOOD)
    )
    silent = part & (causes & np.uint8(Cause.RESET | Cause.SUSPECT | Cause.OVER_LINE_RATE) == 0)
    return np.asarray(marked | causes | np.where(silent, np.uint8(Cause.GAP), np.uint8(0)), np.uint8)
