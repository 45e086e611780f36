"""How sure: the confidence in a root and the odds of its rivals, calibrated on generated scenarios.

A verdict is as sure as verdicts of its sort proved to be: by how complete the inventory is, by how clearly the root
won, and for what stands alone by its cause (`benchmarks/correlation.py` prints the calibration error).
"""

from math import exp

from fault.correlation.incident import Incident
from fault.correlation.model import Cause, Hypothesis, Kind

STRONG = {  # how often a root of its kind proves right where the inventory is
    Kind.LINK: 0.955,
    Kind.NODE: 0.91,
    Kind.SILENT: 0.91,
    Kind.CARD: 0.975,
    Kind.ADJACENCY: 0.94,
    Kind.DEGRADED: 0.965,
    Kind.CHANGE: 0.975,
}
STRONG_ELSE = 0.985  # mains, ducts, congestion: these leave signs that nothing else leaves
PER_UNLINKED = {Kind.LINK: 1.1, Kind.NODE: 1.1, Kind.SILENT: 2.6, Kind.CARD: 0.7, Kind.ADJACENCY: 0.6, Kind.DEGRADED: 0.2}
PER_UNLINKED_ELSE = 0.2  # lost per share of ports without a known link: most by what is told by silence behind it
LEAST_SURE = 0.3
UNLINKED_MAX = 0.3
HIDDEN = 0.55  # of what the inventory does not know: a link, or the way of a session
CLOSE, CLOSE_COSTS = 0.5, 0.3  # a rival within this score
NEAR, NEAR_COSTS = 1.5, 0.08
THIN, THIN_COSTS = 1.0, 0.3  # a score this low
ALONE = {Cause.ADJACENCY: 0.3, Cause.CONGESTED: 0.06, Cause.DEGRADED: 0.85, Cause.UNREACHABLE: 0.2, Cause.CARD: 0.85}
ALONE_ELSE = 0.35
ALONE_DOUBTED = 0.25  # a congested port whose link nobody knows has no partner to speak for it
UNREPORTED = 0.4  # a change is blamed that nobody told of
SINGLE = {  # one alarm, and another fault may well have brought it: where the inventory is right, and where it is in doubt
    Cause.UNREACHABLE: (0.05, 0.4),
    Cause.ADJACENCY: (0.85, 0.4),
    Cause.PATH: (0.1, 0.2),
    Cause.RESTART: (0.05, 0.3),
}
TEMPERATURE = 2.0  # scores overstate evidence that comes from one source
ODDS_KEPT = 0.005
LIKELY_FROM, SURE_FROM = 0.45, 0.8
UNSURE, UNSURE_PER_UNLINKED, UNSURE_MAX = 0.12, 1.8, 0.4
LIKELY = 0.7
SURE, DOUBTED, DOUBTED_PER_UNLINKED = 0.96, 0.94, 0.2


def confidence(incident: Incident, unlinked: float) -> float:
    """The chance that the root is right; `unlinked` is the share of ports whose link nobody knows.

    It is told in three steps, unsure, likely and sure: a network has some dozens of faults in view, and with so few no
    finer difference is borne out. Within a step it says how often verdicts of that step prove right.
    """
    doubt = min(unlinked, UNLINKED_MAX)
    weighed = _weighed(incident, doubt)
    if weighed < LIKELY_FROM:
        return min(UNSURE_MAX, UNSURE + UNSURE_PER_UNLINKED * doubt)
    if weighed < SURE_FROM:
        return LIKELY
    return DOUBTED - DOUBTED_PER_UNLINKED * doubt if doubt else SURE


def _weighed(incident: Incident, doubt: float) -> float:
    """How strong a verdict is by its sort, its rivals, and how complete the inventory is."""
    if not incident.strong:
        if doubt > 0 and all(event.key.cause is Cause.CONGESTED for event in incident.events):
            return ALONE_DOUBTED
        causes = {event.key.cause for event in incident.events}
        alone = ALONE.get(next(iter(causes)), ALONE_ELSE) if len(causes) == 1 else ALONE_ELSE
        return alone * (1.0 - doubt)
    lost = PER_UNLINKED.get(incident.kind, PER_UNLINKED_ELSE) * doubt
    sure = max(LEAST_SURE, STRONG.get(incident.kind, STRONG_ELSE) - lost)
    is_unknown_session = incident.kind is Kind.ADJACENCY and not any(each.due for each in incident.effects.expect.values())
    if incident.kind is Kind.HIDDEN or is_unknown_session:
        return min(sure, HIDDEN)
    rivals = [worth for hypothesis, worth in incident.rivals if hypothesis != incident.hypothesis]
    if rivals and -max(rivals) < CLOSE:
        sure -= CLOSE_COSTS
    elif rivals and -max(rivals) < NEAR:
        sure -= NEAR_COSTS
    if incident.score < THIN:
        sure -= THIN_COSTS
    if incident.kind is Kind.CHANGE and not incident.has(Cause.CHANGED):
        sure = min(sure, UNREPORTED)
    if len(incident.events) == 1:
        single = SINGLE.get(next(iter(incident.events)).key.cause, (1.0, 1.0))
        sure = min(sure, single[1] if doubt else single[0])
    return max(sure, 0.05)


def odds(incident: Incident, unlinked: float) -> list[tuple[Hypothesis, float]]:
    """The root with its confidence and its rivals with their shares of the rest, best first; they sum to at most 1."""
    sure = confidence(incident, unlinked)
    rivals = [(rival, exp(min(0.0, worth) / TEMPERATURE)) for rival, worth in incident.rivals]
    total = sum(weight for _, weight in rivals)
    rest = [(rival, (1.0 - sure) * weight / total) for rival, weight in rivals if rival != incident.hypothesis and total > 0]
    return [(incident.hypothesis, sure), *(each for each in rest if each[1] >= ODDS_KEPT)]
