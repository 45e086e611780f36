"""What a threshold would have done: the rule itself runs over stored history before it is saved."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from perf.baseline import SLOTS_A_DAY
from perf.compared import silences
from perf.query import History, HistoryQuery
from perf.slots import U64
from perf.store import TelemetryStore
from perf.thresholds import F64, Change, Comparison, RuleFile, rule_of
from perf.usual import DAY_NS, DAYS, SLOT_NS, usual_of

SHOWN: Final = 200  # firings that an answer names; all are counted


@dataclass(frozen=True, slots=True)
class Fired:
    """One alarm that would have been: of which entity, from when, how high, until when (None: it would still stand)."""

    entity: int
    raised_ns: int
    value: float
    cleared_ns: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """`fired` are the first of `count`, on `entities` different entities; `tier` says how fine the history was."""

    tier: str
    values: int
    count: int
    entities: int
    fired: tuple[Fired, ...]


async def preview(store: TelemetryStore, wanted: Comparison, span: tuple[int, int], entities: tuple[int, ...] | None) -> Preview:
    """Let the rule live through [start, end) of these entities (None: all)."""
    beside = wanted.only_when.metric if wanted.only_when else ""
    start_ns = span[0] - DAYS * DAY_NS if wanted.of == "spreads" else span[0]
    history = await store.history(HistoryQuery(wanted.metric, start_ns, span[1], beside, entities))
    return await asyncio.to_thread(replayed, wanted, history, span[1], span[0])


def replayed(wanted: Comparison, history: History, end_ns: int, start_ns: int = 0) -> Preview:
    """The same over history that is there, from `start_ns` until `end_ns`; what is before is only learned from."""
    values = len(history.value)
    if wanted.of == "silent_s":
        assert wanted.raise_when.above is not None
        entity, time_ns, value = silences(history.entity, history.time_ns, end_ns, wanted.raise_when.above)
        history = History(history.tier, entity, time_ns, value, np.full(len(value), np.nan))
    if wanted.of == "spreads":
        history = _from_usual(history, start_ns)
    same = wanted.model_dump(exclude_unset=True)
    about = {"summary": "preview", "reference": "", "alarm_type": "preview", "perceived_severity": "indeterminate", "examples": []}
    rule = rule_of("preview", RuleFile.model_validate(same | about))
    changes: list[Change] = []
    for part in _instants(history):
        finite = part[np.isfinite(history.value[part])]
        if len(finite):
            guarding = history.beside[finite]

            def latest(_code: int, _keys: U64, guarding: F64 = guarding) -> F64:
                return guarding

            changes += rule.changes(history.entity[finite], history.time_ns[finite], history.value[finite], latest)
    fired = _paired(changes)
    return Preview(history.tier, values, len(fired), len({it.entity for it in fired}), tuple(fired[:SHOWN]))


def _from_usual(history: History, start_ns: int) -> History:
    """Each five minutes as spreads from what the days before made usual; of days with too few before them nothing is known."""
    times, entities, spreads = [], [], []
    days = history.time_ns // DAY_NS
    for day in np.unique(days[history.time_ns >= start_ns]).tolist():
        rows = np.flatnonzero((days == day) & (history.time_ns >= start_ns))
        usual = usual_of(history, day * DAY_NS, DAYS, frozenset())
        for slot in range(SLOTS_A_DAY):
            here = rows[history.time_ns[rows] // SLOT_NS % SLOTS_A_DAY == slot]
            if len(here) and len(usual.key):
                spreads.append(usual.spreads(slot, history.entity[here], history.value[here]))
                times.append(history.time_ns[here])
                entities.append(history.entity[here])
    nothing = np.zeros(0)
    value = np.concatenate([nothing, *spreads])
    key, time_ns = np.concatenate([nothing.astype(np.uint64), *entities]), np.concatenate([nothing.astype(np.int64), *times])
    return History(history.tier, key, time_ns, value, np.full(len(value), np.nan))


def _instants(history: History) -> Iterator["np.ndarray[tuple[int], np.dtype[np.intp]]"]:
    """Rows in pieces in which no entity stands twice, so that a rule sees them as they came."""
    n = len(history.time_ns)
    order = np.argsort(history.entity, kind="stable")
    again = np.zeros(n, np.int64)  # how often the entity was there before
    same = history.entity[order]
    starts = np.flatnonzero(np.concatenate([[True], same[1:] != same[:-1]])) if n else np.zeros(0, np.intp)
    again[order] = np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))
    by_turn = np.argsort(again, kind="stable")
    ends = np.flatnonzero(np.diff(again[by_turn])) + 1
    return iter(np.split(by_turn, ends)) if n else iter(())


def _paired(changes: list[Change]) -> list[Fired]:
    """Raises with their clears, in order of time."""
    standing: dict[int, tuple[int, float]] = {}
    fired: list[Fired] = []
    for entity, time_ns, raised, value in changes:
        if raised:
            standing[entity] = (time_ns, value)
        elif entity in standing:
            began_ns, at = standing.pop(entity)
            fired.append(Fired(entity, began_ns, at, time_ns))
    fired += [Fired(entity, began_ns, at, None) for entity, (began_ns, at) in standing.items()]
    return sorted(fired, key=lambda it: (it.raised_ns, it.entity))
