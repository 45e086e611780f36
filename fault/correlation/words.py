"""A verdict in words: what failed, what speaks for it, what is absent and why that is all right, what cannot be known."""

from collections.abc import Callable, Sequence

from fault.correlation.contract import Explanation, Verdict
from fault.correlation.incident import Event, Incident
from fault.correlation.model import Cause, Hypothesis, Key, Kind
from fault.correlation.network import Network

LINES = 12  # of evidence; the rest is counted
NOUNS = {
    Cause.SIGNAL: "loss of signal",
    Cause.ADJACENCY: "session down",
    Cause.PATH: "path down or switched",
    Cause.UNREACHABLE: "no answer to polls",
    Cause.CARD: "card failed",
    Cause.POWER: "mains lost",
    Cause.BATTERY: "on battery",
    Cause.RESTART: "restarted",
    Cause.DEGRADED: "signal degraded",
    Cause.SLOW_PATH: "path degraded",
    Cause.CONGESTED: "threshold crossed",
    Cause.CHANGED: "configuration changed",
    Cause.LOCAL: "alarm",
}
VERBS = {
    Kind.LINK: "Link {} is down",
    Kind.CARD: "Card {} failed",
    Kind.NODE: "{} is down",
    Kind.SITE: "Site {} lost its power",
    Kind.DUCT: "Duct {} is cut",
    Kind.AREA: "Area {} lost its power",
    Kind.ADJACENCY: "A session of {} is down while its link carries signal",
    Kind.DEGRADED: "Link {} is degraded",
    Kind.CONGESTION: "Link {} is congested",
    Kind.CHANGE: "A configuration change on {} broke its sessions",
    Kind.SILENT: "{} forwards nothing and says nothing, though its neighbours' ports are lit",
    Kind.HIDDEN: "The link at {} is down; its other end is not in the inventory",
    Kind.LOCAL: "{}",
}
LINES_OF = frozenset({Kind.LINK, Kind.DUCT, Kind.CARD, Kind.HIDDEN})  # what sessions run over; they run with the others
Namer = Callable[[str], str]


def verdict_of(incident: Incident, network: Network) -> Verdict:
    """Three-valued: down only where something besides missing answers says so; unknown where no known link leads there."""
    causes = {event.key.cause for event in incident.events}
    if causes == {Cause.UNREACHABLE}:
        known = all(event.key.device in network.distance for event in incident.events)
        return "unreachable" if known else "unknown"
    if incident.kind in (Kind.DEGRADED, Kind.CONGESTION):
        return "degraded"
    if incident.kind is Kind.LOCAL and not incident.strong:
        return "unknown"
    return "down"


def explain(incident: Incident, network: Network, name: Namer, missing_link: str | None) -> Explanation:
    events = sorted(incident.events, key=lambda event: (event.arrived_s, event.key.resource))
    return Explanation(
        _summary(incident, network, name, missing_link),
        tuple(_evidence(events, name)),
        tuple(_missing(incident, name)),
        (f"I do not know: the link {missing_link} is missing in the inventory.",) if missing_link else (),
    )


def subject(hypothesis: Hypothesis, network: Network, name: Namer) -> str:
    element = hypothesis.element
    if hypothesis.kind is Kind.ADJACENCY:
        element = network.adjacencies.get(element, element)
    return name(element)


def _summary(incident: Incident, network: Network, name: Namer, missing_link: str | None) -> str:
    head = VERBS[incident.kind].format(subject(incident.hypothesis, network, name))
    if incident.kind is Kind.CHANGE and not incident.has(Cause.CHANGED):
        head = (
            f"Sessions of {name(incident.hypothesis.element)} are down while its links carry signal; perhaps a change that nobody reported"
        )
    if incident.kind is Kind.ADJACENCY and incident.hypothesis.element not in network.adjacencies:
        head = f"The session {name(incident.hypothesis.element)} is down, and no known failure explains it"
    causes = {event.key.cause for event in incident.events}
    if causes == {Cause.UNREACHABLE}:
        lost = sorted({name(event.key.device) for event in incident.events})
        head = f"{lost[0]} does not answer" if len(lost) == 1 else f"{len(lost)} devices do not answer ({', '.join(lost[:3])}...)"
        if missing_link:
            return f"{head}, and no known failure explains it: the link {missing_link} is missing"
    parts = [part for part in (_signals(incident, network), _sessions(incident), _cut_off(incident)) if part]
    return f"{head}: {'; '.join(parts)}" if parts else head


def _signals(incident: Incident, network: Network) -> str:
    ports = {event.key.resource for event in incident.events if event.key.cause is Cause.SIGNAL}
    if incident.kind is Kind.LINK and ports:
        ends = set(network.links[incident.hypothesis.element].ports)
        return "both ends report loss of signal" if ends <= ports else "one end reports loss of signal"
    return f"{len(ports)} ports report loss of signal" if len(ports) > 1 else "a port reports loss of signal" if ports else ""


def _sessions(incident: Incident) -> str:
    fell = [event for event in incident.events if event.key.cause is Cause.ADJACENCY]
    if not fell or incident.kind is Kind.ADJACENCY:
        return ""
    count = len({event.key.resource for event in fell})
    within = max(1, round(max(event.arrived_s for event in fell) - incident.onsets[0]))
    where = "over it" if incident.kind in LINES_OF else "with it"
    return f"{count} {'session' if count == 1 else 'sessions'} {where} fell within {within} s"


def _cut_off(incident: Incident) -> str:
    lost = {event.key.device for event in incident.events if event.key.cause is Cause.UNREACHABLE}
    lost.discard(incident.hypothesis.element)
    if not lost or not incident.strong:
        return ""
    return f"{len(lost)} {'device behind it is' if len(lost) == 1 else 'devices behind it are'} unreachable"


def _evidence(events: Sequence[Event], name: Namer) -> list[str]:
    lines = [_line(event, name) for event in events[:LINES]]
    if len(events) > LINES:
        lines.append(f"and {len(events) - LINES} more")
    return lines


def _line(event: Event, name: Namer) -> str:
    place = name(event.key.resource)
    teller = name(event.key.device)
    by = "" if teller in place or event.key.cause is Cause.UNREACHABLE else f", told by {teller}"
    return f"{place}: {NOUNS[event.key.cause]}{by}"


def _missing(incident: Incident, name: Namer) -> list[str]:
    lines = []
    answers = {key.device for key in incident.missing if key.cause is Cause.UNREACHABLE}
    quiet = sorted(name(device) for device in (incident.effects.cut | incident.effects.down_devices) - answers)
    if quiet and incident.strong:
        shown = ", ".join(quiet[:4]) + ("..." if len(quiet) > 4 else "")
        lines.append(f"Nothing can come from {shown}: cut off from the station, so their silence is expected.")
    lines += [_absence(key, name) for key in incident.missing[:LINES]]
    return lines


def _absence(key: Key, name: Namer) -> str:
    if key.cause is Cause.UNREACHABLE:
        return f"{name(key.device)} still answers: there may be a way to it that the inventory does not know."
    teller = "" if name(key.device) in name(key.resource) else f" by {name(key.device)}"
    return f"{name(key.resource)}: {NOUNS[key.cause]} was not reported{teller}; the notification may be lost."
