"""The flat poll path without I/O: agents, what they are asked, and what their answers were.

A poll needs no coroutine and no future: its state is a row of a table, the compiled steps of `wire_kernels`
move it on, and what comes out is finished sample rows. Everything here is given the time.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.codecs.snmp import Version
from collectors.codecs.usm import DIGEST_OCTETS, Priv
from collectors.datagrams import RECEIVE_SLOT
from collectors.snmp import wire_state as state
from collectors.snmp.client import Limits
from collectors.snmp.security import Terms
from collectors.snmp.sheets import Sheet, Sheets
from station.batch import SampleBatch
from station.clock import NS_PER_S

_lock = threading.Lock()
_steps: ModuleType | None = None

Table = npt.NDArray[Any]
_BESIDE: Final = Path(__file__).parent
_KERNELS: Final = ("wire_kernels", "answer_kernels", "seal_kernels", "snmp_kernels", "octet_kernels", "aes_kernels", "digest_kernels")
_SOURCES: Final = (*_BESIDE.glob("*_kernels.py"), *(_BESIDE.parent / "codecs").glob("*_kernels.py"), _BESIDE / "wire_state.py")
_FIRST_AGENTS: Final = 256
_FIRST_SEALS: Final = 16
_PADDING: Final = 256  # octets behind what is digested
_OUR_SALTS: Final = 1 << 63  # `UserSecurity` counts from the time, so that the two never give the same one
COUNTERS: Final = {
    state.REPLIES: "replies",
    state.TIMEOUTS: "timeouts",
    state.RETRIES: "retries",
    state.BAD: "malformed",
    state.FOREIGN_ID: "foreign_request_id",
    state.LATE: "late_or_duplicate",
    state.FOREIGN_ADDRESS: "foreign_address",
    state.VERSION: "version",
    state.COMMUNITY: "community",
}
ODD: Final = {state.MISMATCH: "mismatch", state.MALFORMED: "malformed"}
ENDED: Final = {state.FINE: "", state.TIMEOUT: "timeout", state.DEADLINE: "deadline", state.ABORTED: "aborted"}


class Ended(NamedTuple):
    """How the poll of an agent ended: `reason` is "" when it was answered."""

    agent: int
    reason: str
    answers: int
    timeouts: int
    uptime_cs: int


def warm(cache: Path | None = None) -> None:
    """Load the compiled steps, once, from any thread.

    Their machine code is kept beside the source where that may be written, so that an installation can prepare it;
    else in `cache`. NUMBA_CACHE_DIR, when set, wins.
    """
    global _steps
    folder = _folder(cache)
    if folder != _BESIDE:
        os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))
    with _lock:
        if _steps is None:
            for index in _indexes(folder):
                if not _is_fresh(index):
                    index.unlink(missing_ok=True)
            from collectors.snmp import wire_kernels

            _steps = wire_kernels


def is_prepared(cache: Path | None) -> bool:
    """Whether the steps are in the cache as their source is now."""
    return any(index.name.startswith("wire_kernels.pack-") and _is_fresh(index) for index in _indexes(_folder(cache)))


def _folder(cache: Path | None) -> Path:
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    return _BESIDE if cache is None or os.access(_BESIDE, os.W_OK) else cache


def _indexes(folder: Path) -> list[Path]:
    return [index for name in _KERNELS for index in folder.rglob(f"{name}.*.nbi")]


def _is_fresh(index: Path) -> bool:
    """numba looks at a function's own file only, but what it calls and its constants are compiled in, too."""
    with contextlib.suppress(OSError):
        return index.stat().st_mtime >= max(source.stat().st_mtime for source in _SOURCES)
    return False


def is_warm() -> bool:
    return _steps is not None


class Wire:
    """The tables and the steps over them, which must be warm. `seed` makes its request-ids hard to guess."""

    def __init__(self, seed: int) -> None:
        assert _steps is not None, "warm() comes first"
        self._steps = _steps
        self.sheets = Sheets()
        self._agents: Table = np.zeros(_FIRST_AGENTS, state.AGENT)
        self._spare = list(range(_FIRST_AGENTS - 1, -1, -1))
        self._reserved = 0
        self._limits: dict[int, int] = {}  # outstanding requests allowed, by agent
        self._flights = np.zeros(state.FLIGHTS, state.FLIGHT)
        self._flights["generation"] = np.random.default_rng(seed).integers(0, state.GENERATIONS, state.FLIGHTS)
        self._free = np.arange(state.FLIGHTS, dtype=np.int32)
        self._sends = np.zeros(2 * state.FLIGHTS, np.int32)
        self._done = np.zeros(_FIRST_AGENTS, np.int32)
        self.counters = np.zeros(state.COUNTERS, np.int64)
        self.counters[state.FREE_N] = state.FLIGHTS
        self._scratch = tuple(np.zeros(state.VARIABLES_MAX, dtype) for dtype in (np.uint64, np.float64, np.int64))
        self._events = np.zeros(state.EVENTS, state.EVENT)
        self._kept = np.zeros(state.EVENTS, state.KEPT_ROW)
        self._columns = _columns()
        self._seals: Table = np.zeros(_FIRST_SEALS, state.SEAL)
        self._spare_seals = list(range(_FIRST_SEALS - 1, -1, -1))
        sizes = ((RECEIVE_SLOT + _PADDING, np.uint8), (2 * _PADDING, np.uint8), (2 * _PADDING, np.uint64))  # more than is ever needed
        self._room = tuple(np.zeros(n, dtype) for n, dtype in sizes)

    @property
    def flying(self) -> int:
        """Requests in flight."""
        return int(self.counters[state.FLYING_N])

    def join(self, name: bytes, device_no: int, limits: Limits, sheet: Sheet) -> int:
        """A new agent by its sockaddr; its number."""
        if not self._spare:
            n = len(self._agents)
            self._agents = np.concatenate([self._agents, np.zeros_like(self._agents)])
            self._done = np.concatenate([self._done, np.zeros_like(self._done)])
            self._spare = list(range(2 * n - 1, n - 1, -1))
        agent = self._spare.pop()
        row = self._agents[agent]
        row["name"][: len(name)] = np.frombuffer(name, np.uint8)
        row["name"][len(name) :] = 0
        row["octets"], row["base"], row["limit"] = len(name), device_no << 24, limits.outstanding
        self._limits[agent] = limits.outstanding
        row["window"], row["retries"] = limits.outstanding, limits.retries
        row["first_timeout_ns"] = limits.timeout_s * NS_PER_S
        row["least_timeout_ns"], row["most_timeout_ns"] = limits.timeout_min_s * NS_PER_S, limits.timeout_max_s * NS_PER_S
        row["state"], row["srtt_ns"], row["var_ns"], row["base_rtt_ns"] = state.IDLE, 0, 0, 0
        row["uptime_cs"], row["before_cs"] = -1, -1
        row["seal"] = self._new_seal() if self._is_sealed(sheet) else -1
        self.give(agent, sheet)
        return agent

    def give(self, agent: int, sheet: Sheet) -> None:
        """What an idle agent is asked from now on."""
        row = self._agents[agent]
        assert row["state"] == state.IDLE, "questions change between polls"
        row["first"], row["count"] = sheet.first, sheet.count
        assert self._is_sealed(sheet) == (row["seal"] >= 0), "another version makes another agent"

    def _is_sealed(self, sheet: Sheet) -> bool:
        return bool(self.sheets.tables[1][sheet.first]["version"] == Version.V3)

    def _new_seal(self) -> int:
        if not self._spare_seals:
            n = len(self._seals)
            self._seals = np.concatenate([self._seals, np.zeros_like(self._seals)])
            self._spare_seals = list(range(2 * n - 1, n - 1, -1))
        return self._spare_seals.pop()

    def secure(self, agent: int, terms: Terms, now_ns: int) -> None:
        """Under which terms an agent's messages are made and opened from now on; unusual ones are left to be done outside."""
        no = int(self._agents[agent]["seal"])
        row, keys = self._seals[no], terms.keys
        if row["engine"][: row["engine_octets"]].tobytes() != terms.engine_id:
            self._seals[no] = 0
            fits = len(terms.user) <= row["user"].size and len(terms.context) <= state.CONTEXT_MAX
            if not fits or keys.priv is Priv.DES:
                return
            for name, octets in (("engine", terms.engine_id), ("user", terms.user), ("context", terms.context)):
                row[name][: len(octets)], row[f"{name}_octets"] = np.frombuffer(octets, np.uint8), len(octets)
            auth = 0 if keys.auth is None else self._steps.DIGESTS[keys.auth.value]
            row["digest_octets"] = 0 if keys.auth is None else DIGEST_OCTETS[keys.auth]
            row["level"], row["salt"] = terms.level, _OUR_SALTS | time.time_ns()
            self._steps.key(no, auth, np.frombuffer(keys.auth_key, np.uint8), np.frombuffer(keys.priv_key, np.uint8), self._vault)
        row["boots"], row["time_s"], row["synced_ns"] = terms.boots, terms.time_s, now_ns - int(terms.age_s * NS_PER_S)
        row["confirmed"], row["ready"] = terms.confirmed, 1

    def leave(self, agent: int) -> None:
        """Forget an idle agent."""
        assert self._agents[agent]["state"] == state.IDLE, "a poll is ended before its agent leaves"
        self._spare.append(agent)
        del self._limits[agent]
        seal = int(self._agents[agent]["seal"])
        if seal >= 0:
            self._seals[seal] = 0  # its keys, too
            self._spare_seals.append(seal)

    def begin(self, agent: int, now_ns: int, budget_s: float, *, outstanding: int, count: int = -1) -> bool:
        """Start a poll; False when too many are under way. `outstanding` may be less than the agent's limit, `count` than its questions."""
        limit = self._limits[agent]
        if self._reserved + limit > state.FLIGHTS:
            return False
        self._reserved += limit
        self._steps.begin(agent, count, outstanding, now_ns, int(budget_s * NS_PER_S), self._tables)
        return True

    def abort(self, agent: int, reason: int = state.ABORTED) -> None:
        """End the poll of an agent now; it is among the next `ended`."""
        self._steps.abort(agent, reason, self._tables)

    def again(self, flight: int, now_ns: int) -> None:
        """Send the question of a flight anew, under a new id."""
        self._steps.again(flight, now_ns, self._tables)

    def expire(self, now_ns: int) -> int:
        """Retry or give up what is overdue; how many requests were."""
        return int(self._steps.expire(now_ns, self._tables))

    def arrived(self, received: "Received", first: int, n: int, now_ns: int, time_ns: int) -> int:
        """Take in datagrams first .. n; return where it stopped because rows or events must be fetched first."""
        payload, slot, headers, names = received
        return int(
            self._steps.arrived(
                *(payload, slot, headers, names, first, n, now_ns, time_ns),
                *(self.sheets.tables, self._out, self._scratch, self._tables, self._vault),
            )
        )

    def take(self, data: bytes, start: int, stop: int, flight: int, now_ns: int, time_ns: int) -> None:
        """The answer to a sealed flight, opened."""
        octets = np.frombuffer(data, np.uint8)
        self._steps.take(octets, start, stop, flight, now_ns, time_ns, self.sheets.tables, self._out, self._scratch, self._tables)

    def pack(self, table: "Sendable", flights: Table, first: int, n: int, now_ns: int) -> None:
        """Write the requests of flights first .. first + n into a send table; one that must be sealed outside is left empty."""
        payload, slot, headers, iovecs, names = table
        tables = self.sheets.tables, self._tables, self._vault
        self._steps.pack(payload, slot, headers, iovecs, names, flights, first, n, now_ns, *tables)

    def octets_of(self, flights: Table) -> Table:
        """The length of the name of each flight's agent: 16 is IPv4."""
        octets: Table = self._agents["octets"][self._flights["agent"][flights]]
        return octets

    @property
    def has_kept(self) -> bool:
        return bool(self.counters[state.KEPT_N])

    @property
    def has_events(self) -> bool:
        return bool(self.counters[state.EVENTS_N])

    @property
    def sends(self) -> Table:
        """The flights to be sent."""
        return self._sends[: self.counters[state.SENDS_N]]

    def sent(self) -> None:
        """All sends are on the wire."""
        self.counters[state.SENDS_N] = 0

    def flight(self, flight: int) -> Any:
        """The row of a flight: id, agent, question."""
        return self._flights[flight]

    def agent(self, agent: int) -> Any:
        """The row of an agent."""
        return self._agents[agent]

    def pdu(self, question: int, request_id: int) -> bytes:
        """The PDU of a sealed question with its request-id."""
        arena, questions, _ = self.sheets.tables
        row = questions[question]
        octets = bytearray(arena[row["at"] : row["at"] + row["octets"]].tobytes())
        octets[row["id_at"] : row["id_at"] + 4] = request_id.to_bytes(4)
        return bytes(octets)

    @property
    def nearly_full(self) -> bool:
        """Whether the rows of one more answer might not fit."""
        return bool(self.counters[state.ROWS_N] + state.VARIABLES_MAX > state.ROWS)

    def batch(self) -> SampleBatch:
        """The finished rows since the last call."""
        n = int(self.counters[state.ROWS_N])
        self.counters[state.ROWS_N] = 0
        if not n:
            return SampleBatch.empty()
        columns = self._columns
        if n > state.ROWS // 4:  # handed over as they are, new ones are cheaper than a copy
            self._columns = _columns()
        else:
            columns = tuple(column[:n].copy() for column in columns)
        names = ("time_ns", "series", "value", "raw", "uptime_cs", "discontinuity_cs", "width")
        told = dict(zip(names, (column[:n] for column in columns), strict=True))
        return SampleBatch(**told, quality=np.zeros(n, np.uint8), delta=np.zeros(n, np.uint64))

    def kept(self) -> Table:
        """Values kept for device metrics since the last call: agent, slot, value, time."""
        n = int(self.counters[state.KEPT_N])
        self.counters[state.KEPT_N] = 0
        return self._kept[:n].copy()

    def events(self) -> Table:
        """What is odd since the last call."""
        n = int(self.counters[state.EVENTS_N])
        self.counters[state.EVENTS_N] = 0
        return self._events[:n].copy()

    def ended(self) -> Iterator[Ended]:
        """The polls that ended since the last call."""
        n = int(self.counters[state.DONE_N])
        if not n:
            return
        self.counters[state.DONE_N] = 0
        agents = self._done[:n].tolist()
        self._reserved -= sum(self._limits[agent] for agent in agents)
        rows = self._agents[agents]
        told = (rows[name].tolist() for name in ("why", "answers", "timeouts", "uptime_cs"))
        for agent, why, answers, timeouts, uptime_cs in zip(agents, *told, strict=True):
            yield Ended(agent, ENDED[why], answers, timeouts, uptime_cs)

    @property
    def _tables(self) -> tuple[Table, ...]:
        return self._agents, self._flights, self._free, self._sends, self._done, self.counters

    @property
    def _vault(self) -> tuple[Table, ...]:
        return self._seals, *self._room

    @property
    def _out(self) -> tuple[Table, ...]:
        return (*self._columns, self._kept, self._events)


Received = tuple[Table, int, Table, Table]
"""A receive table: payload, octets of one slot of it, message headers (u32), names."""
Sendable = tuple[Table, int, Table, Table, Table]
"""A send table: payload, octets of one slot of it, message headers (u32), iovecs (u64), names."""


def _columns() -> tuple[Table, ...]:
    return tuple(np.empty(state.ROWS, dtype) for dtype in (np.int64, np.uint64, np.float64, np.uint64, np.int64, np.int64, np.uint8))
