"""A recorded stream once more, through the production code on a virtual clock: which incidents, which roots, how soon.

Two kinds of lines (JSON objects): those of the correlation protocol, `{"topology": path}` and `{"now": s, "alarms": [...]}`,
or single alarms of it, `{"id", "t", "state", "resource", ...}`; and the station's own events, `{"time_ns", "resource",
"alarm_type", "severity", ...}`. Nothing depends on when or where it runs.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from fault.alarms import Alarm, Change
from fault.correlation.engine import Engine
from fault.correlation.network import network_of_json
from fault.correlation.stdio import Session
from fault.incidents import Incident
from fault.service import FaultService
from fault.settings import FaultSettings
from inventory.topology import Topology
from station.batch import Event
from station.clock import NS_PER_S, VirtualClock
from station.hub import Hub
from station.state import State

LINE_MAX: Final = 64 << 20
STEP_S: Final = 1.0  # alarms of one second are one batch, as in the station
SETTLE_S: Final = 600.0  # how long the clock runs on after the last line
EVENT_FIELDS: Final = frozenset(each.name for each in fields(Event))


class ReplayError(Exception):
    """The file cannot be replayed; the text names the line."""


@dataclass(slots=True)
class Told:
    """One incident over the whole stream. Times are seconds of the stream; `root_s` since when its last root was named for good."""

    incident: str
    first_s: float
    last_s: float
    root_s: float
    root: str
    alarms: int
    confidence: float
    noise: bool
    revisions: int = 0
    says: str = ""
    roots: tuple[str, ...] = ()


@dataclass(slots=True)
class Timeline:
    told: dict[str, Told] = field(default_factory=dict)
    lines: int = 0
    alarms: int = 0

    def add(
        self, now_s: float, incident: str, roots: Sequence[str], alarms: int, confidence: float, *, noise: bool, says: str = ""
    ) -> None:
        root = roots[0] if roots else ""
        it = self.told.get(incident)
        if it is None:
            it = self.told[incident] = Told(incident, now_s, now_s, now_s, root, alarms, confidence, noise)
        if root != it.root:
            it.root, it.root_s = root, now_s
        it.last_s, it.alarms, it.confidence, it.noise, it.says = now_s, alarms, confidence, noise, says or it.says
        it.roots, it.revisions = tuple(roots[:5]), it.revisions + 1

    def shown(self) -> list[dict[str, Any]]:
        """Incidents in the order they were first told."""
        names = ("incident", "first_s", "last_s", "root_s", "root", "roots", "alarms", "confidence", "noise", "revisions", "says")
        ordered = sorted(self.told.values(), key=lambda it: (it.first_s, it.incident))
        return [{name: round(value, 3) if isinstance(value := getattr(it, name), float) else value for name in names} for it in ordered]


def parsed(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of each line that is not empty; ReplayError."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line) if len(line) <= LINE_MAX else None
        except (ValueError, RecursionError) as error:
            raise ReplayError(f"line {number}: {error}"[:300]) from error
        if not isinstance(found, dict):
            raise ReplayError(f"line {number}: it is no JSON object")
        yield number, found


async def replay(lines: Iterable[str], topology: Topology, folder: Path, drawn: Path | None = None) -> Timeline:
    """What a stream gives. `topology` is the station's own, for its events; `drawn` a topology file, for bare alarms of the protocol."""
    numbered = iter(parsed(lines))
    first = next(numbered, None)
    if first is None:
        return Timeline()
    every = itertools.chain([first], numbered)
    if "alarm_type" in first[1]:
        return await _events(every, topology, folder)
    return _protocol(every, drawn)


def _protocol(lines: Iterable[tuple[int, dict[str, Any]]], drawn: Path | None) -> Timeline:
    found, now_s, waiting = Timeline(), 0.0, list[dict[str, Any]]()
    session = _session(drawn) if drawn else None

    def feed(at_s: float, alarms: Sequence[Mapping[str, Any]]) -> None:
        if session is None:
            raise ReplayError("the topology must come first: as a line, or by --topology")
        found.alarms += len(alarms)
        for it in session.feed(at_s, alarms):
            found.add(at_s, it["incident"], it["root"], len(it["alarms"]), it["confidence"], noise=it["noise"])

    for number, line in lines:
        found.lines += 1
        try:
            if "topology" in line:
                session = _session(Path(line["topology"]))
            elif "alarms" in line:
                now_s = float(line["now"])
                feed(now_s, line["alarms"])
            else:
                if waiting and line["t"] > now_s + STEP_S:
                    feed(waiting[-1]["t"], waiting)
                    waiting = []
                now_s = line["t"] if not waiting else now_s
                waiting.append(line)
        except (KeyError, TypeError, ValueError) as error:
            raise ReplayError(f"line {number}: {type(error).__name__}: {error}"[:300]) from error
    if waiting:
        now_s = float(waiting[-1]["t"])
        feed(now_s, waiting)
    if session is not None:
        for step in range(1, int(SETTLE_S / 10) + 1):
            feed(now_s + 10 * step, ())
    return found


def _session(file: Path) -> Session:
    try:
        return Session(network_of_json(file))
    except (OSError, ValueError, KeyError) as error:
        raise ReplayError(f"{file}: {error}"[:300]) from error


class _Watch:
    """An announcer that only looks on."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Incident]] = []

    async def announce(
        self, _conn: object, _changes: Sequence[tuple[Change, Alarm]], incidents: Sequence[tuple[str, Incident]], _now_ns: int
    ) -> None:
        self.seen += incidents

    def wake(self) -> None:
        return


async def _events(lines: Iterable[tuple[int, dict[str, Any]]], topology: Topology, folder: Path) -> Timeline:
    events = [_event(number, line) for number, line in lines]
    found, watch = Timeline(lines=len(events), alarms=len(events)), _Watch()
    begun_ns = min(event.time_ns for event in events)
    clock, state = VirtualClock(begun_ns), State(f"sqlite+aiosqlite:///{folder}/replay.db")
    try:
        await state.create_all()
        service = FaultService(state, lambda: topology, Hub(), clock, FaultSettings(), Engine(), announcer=watch)
        await service.load()

        async def until(at_ns: int) -> None:
            while clock.now_ns() < at_ns:
                clock.advance(min(NS_PER_S, at_ns - clock.now_ns()))
                await service.tick()
                _note(found, watch, (clock.now_ns() - begun_ns) / NS_PER_S)

        for event in sorted(events, key=lambda each: each.time_ns):
            if event.time_ns - clock.now_ns() > SETTLE_S * NS_PER_S:
                await until(clock.now_ns() + int(SETTLE_S * NS_PER_S))
                clock.advance(event.time_ns - clock.now_ns())
            await until(event.time_ns)
            await service.handle((event,))
            _note(found, watch, (clock.now_ns() - begun_ns) / NS_PER_S)
        await until(clock.now_ns() + int(SETTLE_S * NS_PER_S))
    finally:
        await state.close()
    return found


def _note(found: Timeline, watch: _Watch, now_s: float) -> None:
    for _, it in watch.seen:
        roots = [root.name or root.resource_id for root in it.roots]
        found.add(now_s, it.id, roots, len(it.alarm_ids), round(it.confidence, 3), noise=it.noise, says=it.explanation.summary)
    watch.seen.clear()


def _event(number: int, line: Mapping[str, Any]) -> Event:
    if unknown := sorted(line.keys() - EVENT_FIELDS):
        raise ReplayError(f"line {number}: an event has no {unknown[0]}")
    try:
        return Event(**line)
    except (TypeError, ValueError, AssertionError) as error:
        raise ReplayError(f"line {number}: {error}"[:300]) from error
