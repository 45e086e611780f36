"""What the answers to first checks mean, in words and as good | bad | unknown. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from inventory.topology import Entity
from station.clock import NS_PER_S

Found = Literal["good", "bad", "unknown"]
RECENT_NS: Final = 3_600 * NS_PER_S  # a change this long before the incident is worth a look
STATES: Final = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "not present", 7: "lower layer down"}  # RFC 2863


class Way(NamedTuple):
    """A trace: the routers by address, "" where none answered; whether the target did."""

    hops: Sequence[str]
    reached: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One answer. `kind` ping | trace | interface | change, `target` what was asked, by name."""

    kind: str
    target: str
    state: Found
    says: str


def pinged(target: str, trips_s: Sequence[float | None]) -> Check:
    answered = [trip for trip in trips_s if trip is not None]
    if not answered:
        return Check("ping", target, "bad", f"0 of {len(trips_s)} answered")
    mean_ms = 1_000 * sum(answered) / len(answered)
    state: Found = "good" if len(answered) == len(trips_s) else "bad"
    return Check("ping", target, state, f"{len(answered)} of {len(trips_s)} answered, {mean_ms:.1f} ms")


def traced(target: str, way: Way, names: Mapping[str, str]) -> Check:
    """`names` of devices by address: the last router that answered is where to look."""
    said = [names.get(hop, hop) for hop in way.hops if hop]
    path = " > ".join(said) or "no router answered"
    if way.reached:
        return Check("trace", target, "good", path)
    return Check("trace", target, "bad", f"{path}; ends after {said[-1]}" if said else path)


def interfaces(target: str, ports: Sequence[Entity], seen: Mapping[int, tuple[int, int]] | None) -> Check:
    """`seen` by ifIndex: (ifAdminStatus, ifOperStatus); None where the device did not answer."""
    if seen is None:
        return Check("interface", target, "bad", "the device does not answer its poll")
    told, state = [], "good"
    for port in ports:
        admin, oper = seen.get(port.if_index, (0, 0))
        if not oper:
            told.append(f"{port.name} is not shown")
        elif admin == 2:
            told.append(f"{port.name} is shut by its administrator")
        else:
            told.append(f"{port.name} {STATES.get(oper, 'unknown')}")
        state = "bad" if oper != 1 else state
    return Check("interface", target, "bad" if state == "bad" else "good", "; ".join(told) or "answers its poll")


def changed(target: str, last: Mapping[str, Any] | None, opened_ns: int) -> Check:
    """`last` the latest change of the device's configuration or hardware: raised_ns and text."""
    if last is None:
        return Check("change", target, "good", "no change is known")
    before_ns = opened_ns - last["raised_ns"]
    when = f"{_span(abs(before_ns))} {'before' if before_ns >= 0 else 'after'} the incident began"
    state: Found = "bad" if abs(before_ns) <= RECENT_NS else "good"
    return Check("change", target, state, f"{when}: {last['text']}" if last["text"] else when)


def _span(ns: int) -> str:
    seconds = ns // NS_PER_S
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
