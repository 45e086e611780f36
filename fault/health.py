"""How healthy the alarm system itself is: the rows of EEMUA 191 and ISA-18.2 over a span of its history. Pure.

Targets are theirs, per operator: about one alarm in ten minutes is acceptable, a flood begins at ten and ends below five.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Literal, NamedTuple

from station.clock import NS_PER_S

SLOT_NS = 600 * NS_PER_S
FLOOD_BEGINS, FLOOD_ENDS = 10, 5  # alarms in a slot
STALE_NS = 86_400 * NS_PER_S
FLEETING_NS = 30 * NS_PER_S
PROMPT_NS = 300 * NS_PER_S
TOP = 10
RAISES = frozenset({"raised", "reopened"})
Group = Literal["class", "vendor", "site"]


class Entry(NamedTuple):
    """One row of an alarm's history that matters here, in the order of the alarm's changes."""

    alarm_id: str
    occurrence: int
    what: str
    time_ns: int
    severity: str


@dataclass(frozen=True, slots=True)
class Source:
    """The alarm that an entry is of, in the words of the report."""

    name: str
    class_: str
    vendor: str
    site: str


@dataclass(slots=True)
class Occurrence:
    """One time that an alarm was there: raised, perhaps acknowledged, perhaps over."""

    alarm_id: str
    raised_ns: int
    severity: str
    acked_ns: int = 0
    cleared_ns: int = 0


class Measure(NamedTuple):
    """One row of the report: what it is, its value, what the standards ask for (None: nothing), and whether that holds."""

    name: str
    value: float
    unit: str
    target: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Times:
    """Mean times of one group (s); None where nothing was acknowledged, or is over."""

    group: Group
    name: str
    raised: int
    to_acknowledge_s: float | None
    to_clear_s: float | None


@dataclass(frozen=True, slots=True)
class Report:
    measures: tuple[Measure, ...]
    top: tuple[tuple[str, int], ...]  # the alarms raised most often, with how often
    chattering: tuple[str, ...]
    stale: tuple[str, ...]
    times: tuple[Times, ...]
    per_slot: tuple[int, ...] = field(default=())


def occurrences(entries: Iterable[Entry]) -> list[Occurrence]:
    """The occurrences that began in the span; what is told of others is left out."""
    found: dict[tuple[str, int], Occurrence] = {}
    for entry in entries:
        key = (entry.alarm_id, entry.occurrence)
        if entry.what in RAISES:
            found[key] = Occurrence(entry.alarm_id, entry.time_ns, entry.severity)
        elif (it := found.get(key)) is not None:
            if entry.what == "acknowledged" and not it.acked_ns:
                it.acked_ns = entry.time_ns
            elif entry.what == "cleared":
                it.cleared_ns = entry.time_ns
    return list(found.values())


def report(
    entries: Sequence[Entry],
    sources: Mapping[str, Source],
    roots_ns: Sequence[int],
    open_since: Mapping[str, int],
    span_ns: tuple[int, int],
    operators: int = 1,
) -> Report:
    """The report over [from, to). `roots_ns`: when shown incidents opened; `open_since`: alarms that are open now, by id."""
    from_ns, to_ns = span_ns
    every = occurrences(entries)
    raised = Counter(it.alarm_id for it in every)
    per_slot = slots([it.raised_ns for it in every], from_ns, to_ns)
    top = raised.most_common(TOP)
    chattering = sorted({entry.alarm_id for entry in entries if entry.what == "chattering"})
    stale = sorted((key for key, since in open_since.items() if to_ns - since > STALE_NS), key=lambda key: open_since[key])
    measures = [
        *load(per_slot, slots(roots_ns, from_ns, to_ns), operators),
        *priorities(every),
        Measure("top_10_share", share(sum(n for _, n in top), len(every)), "1", "<= 0.05", None),
        _at_most("chattering", len(chattering), "alarms", 0),
        _at_most("fleeting", sum(0 < it.cleared_ns - it.raised_ns < FLEETING_NS for it in every), "alarms", 0),
        _at_most("stale", len(stale), "alarms", 4),
        Measure("acknowledged_within_5_min", prompt(every), "1", "as many as can be", None),
    ]
    name_of = {key: source.name for key, source in sources.items()}
    return Report(
        tuple(measures),
        tuple((name_of.get(key, key), n) for key, n in top),
        tuple(name_of.get(key, key) for key in chattering),
        tuple(name_of.get(key, key) for key in stale),
        tuple(_times(every, sources)),
        tuple(per_slot),
    )


def slots(times_ns: Iterable[int], from_ns: int, to_ns: int) -> list[int]:
    """How many fell into each ten minutes of the span; the last slot may be cut short."""
    counts = [0] * max(1, -(-(to_ns - from_ns) // SLOT_NS))
    for at in times_ns:
        if from_ns <= at < to_ns:
            counts[(at - from_ns) // SLOT_NS] += 1
    return counts


def flooded(per_slot: Sequence[int], operators: int = 1) -> int:
    """Slots in flood: from ten alarms an operator on, until fewer than five."""
    n, flood = 0, False
    for count in per_slot:
        flood = count >= (FLOOD_ENDS if flood else FLOOD_BEGINS) * operators
        n += flood
    return n


def load(per_slot: Sequence[int], roots: Sequence[int], operators: int) -> list[Measure]:
    """How much came, as alarms and as the root causes that people were shown."""
    found = []
    for name, counts, bound in (("alarms", per_slot, None), ("root_causes", roots, 1.0)):
        mean, flood = sum(counts) / len(counts) / operators, share(flooded(counts, operators), len(counts))
        is_bound = bound is not None
        found += [
            Measure(f"{name}_per_10_min", round(mean, 3), "1", "<= 1" if is_bound else "", mean <= 1 if is_bound else None),
            Measure(f"{name}_per_10_min_median", median(counts) / operators, "1", "", None),
            Measure(f"{name}_per_10_min_most", max(counts) / operators, "1", "<= 10" if is_bound else "", None),
            Measure(f"{name}_flood_share", flood, "1", "< 0.01" if is_bound else "", flood < 0.01 if is_bound else None),
        ]
    return found


def priorities(every: Sequence[Occurrence]) -> list[Measure]:
    counts = Counter(it.severity for it in every)
    wanted = {"critical": "about 0.05", "major": "about 0.15", "minor": "about 0.8 with warning", "warning": "", "indeterminate": ""}
    return [Measure(f"share_{word}", share(counts[word], len(every)), "1", target, None) for word, target in wanted.items()]


def prompt(every: Sequence[Occurrence]) -> float:
    """Of what stood for five minutes or was acknowledged before: the share that was acknowledged within them."""
    due = [it for it in every if it.acked_ns or not it.cleared_ns or it.cleared_ns - it.raised_ns > PROMPT_NS]
    return share(sum(0 < it.acked_ns <= it.raised_ns + PROMPT_NS for it in due), len(due))


def share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _at_most(name: str, value: int, unit: str, most: int) -> Measure:
    return Measure(name, value, unit, f"<= {most}", value <= most)


def _times(every: Sequence[Occurrence], sources: Mapping[str, Source]) -> list[Times]:
    names: Mapping[Group, Callable[[Source], str]] = {"class": lambda s: s.class_, "vendor": lambda s: s.vendor, "site": lambda s: s.site}
    found = []
    for group, name_of in names.items():
        members: dict[str, list[Occurrence]] = defaultdict(list)
        for it in every:
            if it.alarm_id in sources:
                members[name_of(sources[it.alarm_id])].append(it)
        for name, those in sorted(members.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            acked = [(it.acked_ns - it.raised_ns) / NS_PER_S for it in those if it.acked_ns]
            cleared = [(it.cleared_ns - it.raised_ns) / NS_PER_S for it in those if it.cleared_ns]
            found.append(Times(group, name or "unknown", len(those), _mean(acked), _mean(cleared)))
    return found


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 1) if values else None


def report_json(it: Report) -> dict[str, Any]:
    """The report as the API gives it."""
    return {
        "measures": [measure._asdict() for measure in it.measures],
        "top": [{"name": name, "raised": n} for name, n in it.top],
        "chattering": list(it.chattering),
        "stale": list(it.stale),
        "times": [
            {"group": t.group, "name": t.name, "raised": t.raised, "mtta_s": t.to_acknowledge_s, "mttr_s": t.to_clear_s} for t in it.times
        ],
        "per_10_min": list(it.per_slot),
    }
