"""What a threshold would have done: the rule itself runs over stored history before it is saved."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from perf.compared import silences
from perf.query import History, HistoryQuery
from perf.slots import U64
from perf.store import TelemetryStore
from perf.thresholds import F64, Change, Comparison, RuleFile, rule_of

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
    history = await store.history(HistoryQuery(wanted.metric, *span, beside, entities))
    return await asyncio.to_thread(replayed, wanted, history, span[1])


def replayed(wanted: Comparison, history: History, end_ns: int) -> Preview:
    """The same over history that is there, until `end_ns`."""
    values = len(history.value)
    if wanted.of == "silent_s":
        assert wanted.raise_when.above is not None
        entity, time_ns, value = silences(history.entity, history.time_ns, end_ns, wanted.raise_when.above)
        history = History(history.tier, entity, time_ns, value, np.full(len(value), np.nan))
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
