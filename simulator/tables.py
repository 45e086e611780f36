"""A device's MIB as one sorted table of ready varbinds, with places for the values that change."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from simulator import agent_ber as ber

MAX_U32 = 2**32 - 1
MAX_REMEMBERED = 512  # starting points of walks that are remembered, each a few bytes


class Live(NamedTuple):
    """A value read when asked for: which column of the device's reading, which row, and its BER tag."""

    tag: int
    column: str
    row: int


class Reading(Protocol):
    """The changing values of one device at one instant, by column and row."""

    def value(self, column: str, row: int) -> int: ...


Value = bytes | Live
Oid = tuple[int, ...]


class Table:
    """Varbinds in the order of their OIDs."""

    def __init__(self, rows: Mapping[Oid, Value]) -> None:
        self.oids = sorted(rows)
        self._names = [ber.oid(oid) for oid in self.oids]
        self._entries: list[Value] = []
        for name, oid in zip(self._names, self.oids, strict=True):
            value = rows[oid]
            self._entries.append(ber.varbind(name, value) if isinstance(value, bytes) else value)
        self._position = {name: n for n, name in enumerate(self._names)}
        self._starts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self.oids)

    def position(self, name: bytes) -> int | None:
        """Where the object with exactly this encoded OID stands."""
        return self._position.get(name)

    def after(self, name: bytes) -> int:
        """The position of the first object after an encoded OID; len(self) at the end."""
        here = self._position.get(name)
        if here is not None:
            return here + 1
        start = self._starts.get(name)
        if start is None:
            _, at, end = ber.header(name, 0, len(name))
            start = bisect_left(self.oids, ber.read_oid(name[at:end]))
            if len(self._starts) < MAX_REMEMBERED:
                self._starts[name] = start
        return start

    def varbind(self, position: int, reading: Reading) -> bytes:
        """The encoded varbind at a position."""
        entry = self._entries[position]
        if isinstance(entry, bytes):
            return entry
        value = reading.value(entry.column, entry.row)
        if entry.tag == ber.COUNTER32:
            value &= MAX_U32
        return ber.varbind(self._names[position], ber.integer(value, entry.tag))

    def name(self, position: int) -> bytes:
        return self._names[position]

    def is_counter64(self, position: int) -> bool:
        """True where the value is a Counter64, which SNMPv1 does not know (RFC 3584, section 4.2.2.1)."""
        entry = self._entries[position]
        return isinstance(entry, Live) and entry.tag == ber.COUNTER64


def columns(entry: Oid, index: Oid, values: Iterable[tuple[int, Value]]) -> dict[Oid, Value]:
    """One conceptual row: its columns by number under the entry's OID, at the row's index."""
    return {(*entry, column, *index): value for column, value in values}
