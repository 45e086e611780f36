"""A level as the API, the reports and TM Forum clients see it: times in seconds, percentages and values as exact text."""

from typing import Any, Final

from perf.sla.intervals import Spans
from perf.sla.levels import Level
from perf.sla.measure import as_json
from perf.sla.objectives import UNITS, Kept
from station.clock import NS_PER_S
from station.web import iso

NAMES: Final = {"latency": "Latency", "jitter": "Jitter", "loss": "Packet loss", "throughput": "Throughput"}


def level_json(level: Level, *, whole: bool = False) -> dict[str, Any]:
    """`whole` with its outages, what is excluded, what nobody knows, and the promise."""
    one = level.of
    said: dict[str, Any] = {"service": {"id": one.id, "number": one.number, "name": one.name}}
    said |= {"customer": {"id": one.customer_id, "name": one.customer}, "sla": one.sla, "target": str(level.terms.availability)}
    said |= as_json(level.result) | {"met": level.met, "credit_percent": str(level.credit_percent)}
    said["objectives"] = [objective_json(each) for each in level.objectives]
    if not whole:
        return said
    said |= {"summary": level.terms.summary, "from": iso(level.month[0]), "to": iso(level.month[1]), "over": level.over}
    said |= {"outages": spans_json(level.result.outages), "excluded": spans_json(level.excluded), "unknown": spans_json(level.unknown)}
    return said | {"ports": [{"id": bound.port, "name": bound.name} for bound in one.ports]}


def objective_json(one: Kept) -> dict[str, Any]:
    """An objective: what was promised in words, what became of it, and over how many five-minute slots."""
    unit = "%" if one.of.over == "share" else UNITS[one.of.sli]
    said = {"sli": one.of.sli, "promise": promise(one), "value": None if one.value is None else str(one.value), "unit": unit}
    return said | {"met": one.met, "slots": one.counted, "known": one.known, "good": one.good, "credit_percent": str(one.of.credit)}


def promise(one: Kept) -> str:
    """Such as "Latency at most 20 ms in 99 % of the time", "95th percentile of packet loss at most 0.1 %"."""
    of = one.of
    way = "at most" if of.at_least is None else "at least"
    limit = f"{way} {of.limit} {UNITS[of.sli]}"
    if of.over == "share":
        return f"{NAMES[of.sli]} {limit} in {of.share} % of the time"
    statistic = "Mean" if of.over == "mean" else f"{of.over[1:]}th percentile"
    return f"{statistic} of {NAMES[of.sli].lower()} {limit}"


def spans_json(some: Spans) -> list[dict[str, Any]]:
    return [{"from": iso(low), "to": iso(high), "seconds": (high - low) // NS_PER_S} for low, high in some]
