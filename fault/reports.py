"""How quickly faults are taken and mended, how often they come again, and what customers lost by them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from station.clock import NS_PER_S

GROUPS: Final = ("alarm_type", "vendor", "site", "region", "team")
NOBODY: Final = "nobody took it"
NO_TEAM: Final = "in no team"
REPEATS_LEAST: Final = 3
REPEATS_MAX: Final = 50
MINUTE_NS: Final = 60 * NS_PER_S


@dataclass(slots=True)
class Episode:
    """One occurrence of an alarm. Times in ns, 0 for what did not happen within the span."""

    alarm_id: str
    raised_ns: int
    words: Mapping[str, str] = field(default_factory=dict)
    acked_ns: int = 0
    cleared_ns: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the alarms' history, with the words of its alarm (alarm_type, vendor, site, region, device, object).

    `team`: of who acknowledged it, where it is that.
    """

    alarm_id: str
    occurrence: int
    time_ns: int
    what: str
    words: Mapping[str, str]
    team: str = NO_TEAM


@dataclass(frozen=True, slots=True)
class Hurt:
    """An incident that hurt customers. `closed_ns` 0 while it stands; `customers` (id, name)."""

    opened_ns: int
    closed_ns: int
    customers: Sequence[tuple[str, str]]


def episodes(entries: Iterable[Entry]) -> list[Episode]:
    """The occurrences that began in the span; entries in the order of their times."""
    found: dict[tuple[str, int], Episode] = {}
    for entry in entries:
        key = (entry.alarm_id, entry.occurrence)
        if entry.what in ("raised", "reopened"):
            found.setdefault(key, Episode(entry.alarm_id, entry.time_ns, {**entry.words, "team": NOBODY}))
            found[key].cleared_ns = 0  # it came again within the occurrence
        elif key in found and entry.what == "acknowledged" and not found[key].acked_ns:
            found[key].acked_ns = entry.time_ns
            found[key].words = {**found[key].words, "team": entry.team}
        elif key in found and entry.what == "cleared":
            found[key].cleared_ns = entry.time_ns
    return list(found.values())


def figures(of: Sequence[Episode], span_ns: tuple[int, int]) -> dict[str, Any]:
    """MTTA, MTTR and MTBF in seconds, None where nothing was taken, mended or came.

    MTBF is the time in which what failed did not stand, by failure: of the alarms that were raised at all.
    """
    taken = [(each.acked_ns - each.raised_ns) / NS_PER_S for each in of if each.acked_ns]
    mended = [(each.cleared_ns - each.raised_ns) / NS_PER_S for each in of if each.cleared_ns]
    stood = sum((each.cleared_ns or span_ns[1]) - each.raised_ns for each in of) / NS_PER_S
    observed = len({each.alarm_id for each in of}) * (span_ns[1] - span_ns[0]) / NS_PER_S
    return {
        "faults": len(of),
        "acknowledged": len(taken),
        "cleared": len(mended),
        "mtta_s": _mean(taken),
        "mttr_s": _mean(mended),
        "mttr_median_s": round(median(mended), 1) if mended else None,
        "mtbf_s": round(max(0.0, observed - stood) / len(of), 1) if of else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None


def by(of: Sequence[Episode], group: str, span_ns: tuple[int, int]) -> list[dict[str, Any]]:
    """The figures of each value of a group, most faults first."""
    parts: dict[str, list[Episode]] = defaultdict(list)
    for each in of:
        parts[each.words.get(group, "")].append(each)
    rows = [{group: name, **figures(part, span_ns)} for name, part in parts.items()]
    return sorted(rows, key=lambda row: (-row["faults"], row[group]))


def repeats(of: Sequence[Episode]) -> list[dict[str, Any]]:
    """What failed REPEATS_LEAST times or more, most often first."""
    parts: dict[str, list[Episode]] = defaultdict(list)
    for each in of:
        parts[each.alarm_id].append(each)
    often = [part for part in parts.values() if len(part) >= REPEATS_LEAST]
    often.sort(key=lambda part: (-len(part), part[0].alarm_id))
    names = ("device", "object", "alarm_type", "site")
    return [
        {"alarm_id": part[0].alarm_id, "faults": len(part), **{n: part[0].words.get(n, "") for n in names}} for part in often[:REPEATS_MAX]
    ]


def customer_minutes(hurts: Iterable[Hurt], span_ns: tuple[int, int]) -> list[dict[str, Any]]:
    """Minutes that each customer lost, most first; those of incidents that overlap once."""
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    names: dict[str, str] = {}
    for hurt in hurts:
        begun, ended = max(hurt.opened_ns, span_ns[0]), min(hurt.closed_ns or span_ns[1], span_ns[1])
        for customer, name in hurt.customers if ended > begun else ():
            spans[customer].append((begun, ended))
            names[customer] = name
    rows = [{"customer_id": key, "customer": names[key], "minutes": _covered(each) / MINUTE_NS} for key, each in spans.items()]
    return sorted(rows, key=lambda row: (-row["minutes"], row["customer_id"]))


def _covered(spans: list[tuple[int, int]]) -> int:
    found, until = 0, 0
    for begun, ended in sorted(spans):
        found += max(0, ended - max(begun, until))
        until = max(until, ended)
    return found
