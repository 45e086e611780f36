"""Lines of the Prometheus text format from columns: name, labels, value and line feed, written into one buffer by a kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled
from perf.slots import U64, Slots

WHOLE_BELOW: Final = 1e15  # whole numbers up to here are written without a point or an exponent
DIGITS_MAX: Final = 20  # of 2^64 - 1
TEN: Final = np.uint64(10)
ZERO, MINUS, SPACE, LINE_FEED = (np.uint8(ord(character)) for character in "0- \n")


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """n texts as one: text i is `octets[starts[i]:starts[i + 1]]`."""

    octets: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> "Texts":
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return cls(np.frombuffer(b"".join(texts), np.uint8), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))

    def lengths(self, which: Slots) -> npt.NDArray[np.int64]:
        """How many octets each of the texts has (i64[k] -> i64[k])."""
        return self.starts[which + 1] - self.starts[which]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """n numbers: `whole` with its sign, or where `text` is not -1 that one of `texts`."""

    whole: U64
    negative: npt.NDArray[np.bool_]
    text: npt.NDArray[np.int64]
    texts: Texts

    @classmethod
    def of_counters(cls, raw: U64) -> "Numbers":
        return cls(raw, np.zeros(len(raw), np.bool_), np.full(len(raw), -1), Texts.of([]))

    @classmethod
    def of_gauges(cls, value: npt.NDArray[np.float64]) -> "Numbers":
        plain = (np.abs(value) < WHOLE_BELOW) & (np.floor(value) == value)
        others = np.flatnonzero(~plain)
        text = np.full(len(value), -1)
        text[others] = np.arange(len(others))
        whole = np.where(plain, np.abs(value), 0).astype(np.uint64)
        return cls(whole, plain & (value < 0), text, Texts.of([_written(number) for number in value[others].tolist()]))


def lines(name: bytes, labels: Texts, which: Slots, numbers: Numbers) -> bytes:
    """One line a number: `name`, the text `which` of `labels`, a space and the number."""
    most = len(name) + DIGITS_MAX + 3
    out = np.empty(most * len(which) + int(labels.lengths(which).sum()) + len(numbers.texts.octets), np.uint8)
    given = (numbers.whole, numbers.negative, numbers.text, numbers.texts.octets, numbers.texts.starts)
    used = _write(np.frombuffer(name, np.uint8), labels.octets, labels.starts, which, given, out)
    return out[:used].tobytes()


def _written(number: float) -> bytes:
    if number != number:
        return b"NaN"
    if number in (np.inf, -np.inf):
        return b"+Inf" if number > 0 else b"-Inf"
    return repr(number).encode()


@compiled
def _write(name: Any, octets: Any, starts: Any, which: Any, numbers: Any, out: Any) -> Any:
    whole, negative, text, texts, text_starts = numbers
    at = 0
    for i in range(len(which)):
        at = _copied(name, 0, len(name), out, at)
        at = _copied(octets, starts[which[i]], starts[which[i] + 1], out, at)
        out[at] = SPACE
        at += 1
        if text[i] >= 0:
            at = _copied(texts, text_starts[text[i]], text_starts[text[i] + 1], out, at)
        else:
            if negative[i]:
                out[at] = MINUS
                at += 1
            at = _digits(whole[i], out, at)
        out[at] = LINE_FEED
        at += 1
    return at


@compiled
def _copied(source: Any, first: Any, end: Any, out: Any, at: Any) -> Any:
    for n in range(first, end):
        out[at] = source[n]
        at += 1
    return at


@compiled
def _digits(number: Any, out: Any, at: Any) -> Any:
    end = at + 1
    rest = number // TEN
    while rest > 0:
        end += 1
        rest //= TEN
    place = end
    while True:
        place -= 1
        out[place] = ZERO + np.uint8(number % TEN)
        number //= TEN
        if number == 0:
            return end
