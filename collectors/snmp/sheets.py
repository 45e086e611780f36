"""The encoded questions of all plans in one arena, so that the compiled steps reach every one of them by number.

A *sheet* is the questions of one plan under one credential. Devices of a kind ask the same questions: equal
sheets are kept once (the device's own number is no part of a sheet). What is dropped leaves a hole; when more
than half is holes, the arena is written anew.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors.codecs import ber
from collectors.snmp.plan import NO_SERIES, Plan, Request
from collectors.snmp.wire_state import COUNTER, GAUGE, GUARD, KEPT, QUESTION, SLOT

Table = npt.NDArray[Any]
_FIRST_ROWS: Final = 1024
_FIRST_OCTETS: Final = 1 << 16
_HOLES_MIN: Final = 1 << 20  # octets; below this nothing is tidied
_WITHOUT_DEVICE: Final = np.uint64((1 << 24) - 1)


@dataclass(slots=True)
class Envelope:
    """What stands around a PDU: of v1 and v2c `head` holds version and community; v3 is sealed outside, `head` is empty."""

    version: int
    head: bytes = b""
    community: bytes = b""


@dataclass(slots=True)
class Sheet:
    """The questions first .. first + count of the arena, shared by `users` agents."""

    key: bytes
    first: int
    questions: Table
    slots: Table
    octets: bytes
    users: int = 0
    slot: int = 0

    @property
    def count(self) -> int:
        return len(self.questions)


class Sheets:
    """All sheets; `tables` is what the compiled steps read."""

    def __init__(self) -> None:
        self._octets = _Growing(np.dtype(np.uint8), _FIRST_OCTETS)
        self._questions = _Growing(QUESTION, _FIRST_ROWS)
        self._slots = _Growing(SLOT, _FIRST_ROWS)
        self._sheets: dict[bytes, Sheet] = {}
        self._last: tuple[Plan, Envelope, Sheet] | None = None
        self._spare: dict[int, list[int]] = {}
        self._holes = 0

    def __len__(self) -> int:
        return len(self._sheets)

    @property
    def tables(self) -> tuple[Table, Table, Table]:
        return self._octets.table, self._questions.table, self._slots.table

    @property
    def nbytes(self) -> int:
        return sum(table.nbytes for table in self.tables)

    def add(self, plan: Plan, envelope: Envelope) -> Sheet:
        """The sheet of a plan, counted as used once more. The plan given last is remembered: its kind comes in rows."""
        if self._last is None or self._last[0] is not plan or self._last[1] != envelope:
            self._last = plan, envelope, _sheet(plan, envelope)
        made = self._last[2]
        sheet = self._sheets.get(made.key)
        if sheet is None:
            spare = self._spare.get(made.count)
            first = spare.pop() if spare else self._questions.take(made.count)
            sheet = self._sheets[made.key] = replace(made, first=first)
            self._write(sheet)
        sheet.users += 1
        return sheet

    def drop(self, sheet: Sheet) -> None:
        """One agent less uses this sheet."""
        sheet.users -= 1
        if sheet.users:
            return
        del self._sheets[sheet.key]
        self._spare.setdefault(sheet.count, []).append(sheet.first)
        self._holes += len(sheet.octets)
        if self._holes > max(_HOLES_MIN, self._octets.used // 2):
            self._tidy()

    def _write(self, sheet: Sheet) -> None:
        """Put a sheet at the end of the arena; its question rows point there from now on."""
        at = self._octets.append(np.frombuffer(sheet.octets, np.uint8))
        slots = sheet.slots.copy()
        slots["expect"] += at
        sheet.slot = self._slots.append(slots)
        rows = sheet.questions.copy()
        rows["at"] += at
        rows["names"] += at
        rows["slot"] += sheet.slot
        self._questions.table[sheet.first : sheet.first + sheet.count] = rows

    def _tidy(self) -> None:
        for growing in (self._octets, self._slots):
            growing.used = 0
        self._holes = 0
        for sheet in self._sheets.values():
            self._write(sheet)


class _Growing:
    """An array that doubles when it is full."""

    def __init__(self, dtype: np.dtype[Any], n: int) -> None:
        self.table: Table = np.zeros(n, dtype)
        self.used = 0

    def take(self, n: int) -> int:
        """Room for n more; where it begins."""
        while self.used + n > len(self.table):
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
        at, self.used = self.used, self.used + n
        return at

    def append(self, rows: Table) -> int:
        at = self.take(len(rows))
        self.table[at : at + len(rows)] = rows
        return at


def _sheet(plan: Plan, envelope: Envelope) -> Sheet:
    """A plan as rows whose positions count from the sheet's own beginning."""
    slots = _slots(plan)
    questions = np.zeros(len(plan.requests), QUESTION)
    octets = bytearray()
    for row, request in zip(questions, plan.requests, strict=True):
        _question(row, request, envelope, octets)
    for slot, name in plan.expected.items():
        slots["expect"][slot], slots["expect_octets"][slot] = len(octets), len(name)
        octets += name
    return Sheet(b"".join((octets, questions.tobytes(), slots.tobytes())), 0, questions, slots, bytes(octets))


def _question(row: Any, request: Request, envelope: Envelope, octets: bytearray) -> None:
    pdu = request.head + bytes(4) + request.tail
    body = envelope.head + pdu
    before = b"" if envelope.version == 3 else bytes((ber.SEQUENCE,)) + ber.length_octets(len(body))
    row["at"], row["octets"] = len(octets), len(before) + len(body)
    row["id_at"] = len(before) + len(envelope.head) + len(request.head)
    row["community"] = len(before) + len(envelope.head) - len(envelope.community)
    row["community_octets"], row["version"] = len(envelope.community), envelope.version
    octets += before + body
    row["names"], row["count"], row["slot"] = len(octets), len(request.oids), request.slot
    octets += b"".join(len(name).to_bytes(2) + name for name in request.names)


def _slots(plan: Plan) -> Table:
    slots = np.zeros(len(plan), SLOT)
    slots["series"] = plan.series & _WITHOUT_DEVICE
    row = (plan.series != NO_SERIES) & plan.direct
    slots["use"] = np.where(row, np.where(plan.counter, COUNTER, GAUGE), 0) | np.where(plan.kept, KEPT, 0)
    slots["use"][np.fromiter(plan.expected, np.intp)] |= GUARD
    first = np.repeat([request.slot for request in plan.requests], [len(request.oids) for request in plan.requests])
    slots["discontinuity"] = np.where(plan.discontinuity_slot >= 0, plan.discontinuity_slot - first, -1)
    slots["guard"] = np.where(plan.guard_slot >= 0, plan.guard_slot - first, -1)
    return slots
