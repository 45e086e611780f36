"""From gNMI messages to columns: what a message's paths mean is worked out once, then its numbers are read beside them.

A message is laid out as one before it in nearly every case (a target samples the same leaves again and again). The hashes of
its paths name the layout; the layout says which of its updates are which series. What has another shape, or is new, goes
through the whole decoder.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from gnmi_pb import gnmi_pb2 as pb
from google.protobuf.message import DecodeError as ProtobufDecodeError

from collectors.codecs import gnmi_kernels as kernels
from collectors.codecs.gnmi import GnmiDecodeError, Leaf, deleted, leaves
from collectors.rows import Rows, number_of
from inventory.topology import Topology
from station.batch import SampleBatch
from station.catalogue import Metric
from station.clock import NS_PER_S
from station.series import series_of

LAYOUTS_MAX: Final = 256  # of one target; then remembering begins anew
WORDS_MAX: Final = kernels.WORDS // 2
ROWS: Final = 2 * kernels.UPDATES_MAX  # of the columns that messages are gathered in
CLOCK_DIFFERENCE_MOST_NS: Final = 60 * NS_PER_S  # a target whose clock is further off gets the station's time
NOTHING: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a leaf is: its series, its metric, the words of a state, and the bits of a counter."""

    series: int
    metric: Metric
    states: Mapping[str, int]
    bits: int


MeaningOf = Callable[[Topology, int, Leaf], "Meaning | str"]
"""(topology, device number, leaf) -> what it means, or in one word why it means nothing here."""
GoneOf = Callable[[Topology, int, str, Mapping[str, str]], Iterable[tuple["Meaning", int]]]
"""(topology, device number, deleted path, its keys) -> the states that end with it, and the number that says so."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Of messages with the same paths: the updates (`rows`) that are series, and why the others are none."""

    rows: npt.NDArray[np.int64]
    series: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.uint8]
    width: npt.NDArray[np.uint8]
    meanings: tuple[Meaning, ...]
    ignored: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Heard:
    """Of one message: whether it says that all is told, leaves that are no samples by reason, how many paths are deleted, and
    samples that were not gathered because the message has an unusual shape."""

    synced: bool = False
    ignored: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    deleted: int = 0
    batch: SampleBatch | None = None


class Gathered:
    """Columns that grow by what messages say, and the tables their reading needs: one for all targets of a process."""

    def __init__(self) -> None:
        size = kernels.UPDATES_MAX
        self.kinds, self.reals = np.zeros(size, np.uint8), np.zeros(size, np.float64)
        self.paths, self.numbers = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
        self.words = np.zeros((size, 2), np.int64)
        self.keys, self.known, self._words = np.zeros(kernels.WORDS, np.uint64), np.zeros(kernels.WORDS, np.float64), 0
        self._time, self._series = np.zeros(ROWS, np.int64), np.zeros(ROWS, np.uint64)
        self._value, self._raw, self._width = np.zeros(ROWS, np.float64), np.zeros(ROWS, np.uint64), np.zeros(ROWS, np.uint8)
        self.rows = 0

    def counted_since(self, row: int) -> bool:
        """Whether a counter is among the samples behind this row."""
        return bool(self._width[row : self.rows].any())

    @property
    def is_full(self) -> bool:
        """Whether the largest message might not find room."""
        return self.rows > ROWS - kernels.UPDATES_MAX

    def scan(self, data: bytes) -> tuple[int, int, int]:
        said: tuple[int, int, int] = kernels.scan(
            np.frombuffer(data, np.uint8), self.paths, self.kinds, self.numbers, self.reals, self.words
        )
        return said

    def add(self, layout: Layout, time_ns: int) -> tuple[int, int]:
        """Add the samples of the scanned message: (updates without a number, index of a word to learn first or -1)."""
        assert not self.is_full
        columns = (self._time, self._series, self._value, self._raw, self._width)
        values = (self.kinds, self.numbers, self.reals, self.keys, self.known)
        behind, bad, unknown = kernels.fill(layout.rows, layout.series, layout.counts, layout.width, *values, time_ns, *columns, self.rows)
        if unknown < 0:
            self.rows = int(behind)
        return int(bad), int(unknown)

    def learn(self, row: int, meaning: Meaning, word: bytes) -> None:
        """What the word of an update of the scanned message stands for."""
        if self._words >= WORDS_MAX:
            self.keys[:], self._words = 0, 0
        key = kernels.word_key(self.numbers[row], np.uint64(meaning.series))
        at = kernels.place(key, self.keys)
        found = number_of(word.decode("utf-8", "replace"), meaning.states)
        self.keys[at], self.known[at] = key, kernels.KNOWN_NONE if found is None else found
        self._words += 1

    def batch(self) -> SampleBatch:
        """What was gathered, and begin anew."""
        n, self.rows = self.rows, 0
        time_ns, series, width = self._time[:n].copy(), self._series[:n].copy(), self._width[:n].copy()
        return SampleBatch.of(time_ns, series, value=self._value[:n].copy(), raw=self._raw[:n].copy(), width=width)


class Columns:
    """One target's messages."""

    def __init__(self, meaning_of: MeaningOf, gathered: Gathered, gone_of: GoneOf = lambda *_: ()) -> None:
        self._meaning_of, self._gathered, self._gone_of = meaning_of, gathered, gone_of
        self._version = -1
        self._layouts: dict[bytes, Layout] = {}

    def take(self, data: bytes, topology: Topology, device_no: int, now_ns: int) -> Heard:
        """Gather what one SubscribeResponse says; GnmiDecodeError when it cannot be read."""
        gathered = self._gathered
        said, timestamp, n = gathered.scan(data)
        if said == kernels.SYNC:
            return Heard(synced=True)
        if topology.version != self._version:
            self._version, self._layouts = topology.version, {}
        if said == kernels.ODD or n == 0:
            return self._whole(_parsed(data), topology, device_no, now_ns)
        key = gathered.paths[:n].tobytes()
        layout = self._layouts.get(key) or self._laid_out(key, data, n, topology, device_no)
        if layout is None:
            return self._whole(_parsed(data), topology, device_no, now_ns)
        bad, unknown = gathered.add(layout, _time(timestamp, now_ns))
        while unknown >= 0:
            meaning = layout.meanings[unknown]
            if layout.counts[unknown]:  # a number as text that a quick reader does not know: of more than 19 digits, or none
                return self._whole(_parsed(data), topology, device_no, now_ns)
            row = int(layout.rows[unknown])
            gathered.learn(row, meaning, data[slice(*gathered.words[row])])
            bad, unknown = gathered.add(layout, _time(timestamp, now_ns))
        return Heard(ignored={**layout.ignored, "value": bad} if bad else layout.ignored)

    def _laid_out(self, key: bytes, data: bytes, n: int, topology: Topology, device_no: int) -> Layout | None:
        """The layout of a message; None where an update is not one leaf."""
        found = list(leaves(_parsed(data).update))
        if len(found) != n:
            return None
        ignored: dict[str, int] = {}
        rows, meanings = [], []
        for row, leaf in enumerate(found):
            meaning = self._meaning_of(topology, device_no, leaf)
            if isinstance(meaning, str):
                ignored[meaning] = ignored.get(meaning, 0) + 1
            else:
                rows.append(row)
                meanings.append(meaning)
        counts = np.array([one.metric.kind == "counter" for one in meanings], np.uint8)
        series, bits = np.array([one.series for one in meanings], np.uint64), np.array([one.bits for one in meanings], np.uint8)
        if len(self._layouts) >= LAYOUTS_MAX:
            self._layouts.clear()
        self._layouts[key] = Layout(np.array(rows, np.int64), series, counts, bits, tuple(meanings), ignored)
        return self._layouts[key]

    def _whole(self, response: pb.SubscribeResponse, topology: Topology, device_no: int, now_ns: int) -> Heard:
        """A message of any other shape, leaf by leaf."""
        rows, ignored = Rows(), dict[str, int]()
        for leaf in leaves(response.update):
            meaning = self._meaning_of(topology, device_no, leaf)
            number = number_of(leaf.value, meaning.states) if not isinstance(meaning, str) else None
            if isinstance(meaning, str) or number is None:
                why = meaning if isinstance(meaning, str) else "value"
                ignored[why] = ignored.get(why, 0) + 1
                continue
            rows.put(_time(leaf.time_ns, now_ns), meaning.series, meaning.metric, number, width=meaning.bits)
        told = set(rows.series)  # deletes come first (gNMI 3.5.2.3): what the same message tells is there again
        for path, keys in deleted(response.update):
            for meaning, number in self._gone_of(topology, device_no, path, keys):
                if meaning.series not in told:
                    told.add(meaning.series)
                    rows.put(_time(response.update.timestamp, now_ns), meaning.series, meaning.metric, number)
        return Heard(ignored=ignored, deleted=len(response.update.delete), batch=rows.batch() if len(rows) else None)


def _parsed(data: bytes) -> pb.SubscribeResponse:
    try:
        return pb.SubscribeResponse.FromString(data)
    except ProtobufDecodeError as error:
        raise GnmiDecodeError("message") from error


def _time(timestamp_ns: int, now_ns: int) -> int:
    return timestamp_ns if abs(timestamp_ns - now_ns) <= CLOCK_DIFFERENCE_MOST_NS else now_ns


def meaning(series: tuple[int, int], metric: Metric, states: Mapping[str, int], bits: int) -> Meaning:
    """Of a metric of (device number, entity number)."""
    return Meaning(series_of(*series, metric.code), metric, states, bits)
