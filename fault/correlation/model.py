"""What is known of alarms in general: causes, kinds of fault, priors, likelihoods and delays.

Times are seconds. The numbers are natural logarithms of probabilities or of likelihood ratios; they were
fitted on generated scenarios (`tests/cases/correlation/generate.py`), not on the recorded ones.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, auto
from typing import NamedTuple


class Cause(IntEnum):
    """Classes of symptoms: what an alarm says, whatever protocol brought it."""

    SIGNAL = auto()  # loss of signal at a port
    ADJACENCY = auto()  # a routing adjacency or session is down, told by one of its ends
    PATH = auto()  # an LSP is down or switched to its protection, told by its head
    UNREACHABLE = auto()  # a device does not answer the station's polls
    CARD = auto()
    POWER = auto()  # mains lost at a site, told by a device there
    BATTERY = auto()
    RESTART = auto()
    DEGRADED = auto()  # errors or low light at a port
    SLOW_PATH = auto()  # an LSP is degraded
    CONGESTED = auto()  # a threshold crossed at a port
    CHANGED = auto()  # a device's configuration changed
    LOCAL = auto()  # something that has no consequences elsewhere: fan, temperature, login, client port


class Kind(StrEnum):
    """Kinds of hypothesis."""

    LINK = "link"
    CARD = "card"
    NODE = "node"
    SITE = "site"
    DUCT = "duct"
    AREA = "area"
    ADJACENCY = "adjacency"
    DEGRADED = "degraded"
    CONGESTION = "congestion"
    CHANGE = "change"
    SILENT = "silent"
    HIDDEN = "hidden"  # the link at a port whose other end the inventory does not know
    LOCAL = "local"


class Key(NamedTuple):
    """One symptom: what, of which resource, told by which device (the station's polls: the device itself)."""

    cause: Cause
    resource: str
    device: str


class Hypothesis(NamedTuple):
    kind: Kind
    element: str


class Profile(NamedTuple):
    """How a hypothesis brings a symptom: with which probability, and between which delays (s)."""

    p: float
    first_s: float
    last_s: float
    due: bool = True  # False: it may come, its absence says nothing


@dataclass(frozen=True, slots=True)
class Model:
    """All numbers of the correlation in one place. The defaults suit networks that poll and send notifications."""

    prior: dict[Kind, float] = field(
        default_factory=lambda: {
            Kind.LINK: -5.0,
            Kind.NODE: -5.8,
            Kind.CARD: -6.0,
            Kind.SITE: -6.2,
            Kind.DUCT: -6.2,
            Kind.AREA: -7.0,
            Kind.ADJACENCY: -6.4,
            Kind.DEGRADED: -6.0,
            Kind.CONGESTION: -6.4,
            Kind.CHANGE: -6.4,
            Kind.SILENT: -6.6,
            Kind.HIDDEN: -6.5,
            Kind.LOCAL: 0.0,
        }
    )
    weight: dict[Cause, float] = field(
        default_factory=lambda: {
            Cause.SIGNAL: 6.0,
            Cause.ADJACENCY: 6.5,
            Cause.PATH: 3.0,
            Cause.UNREACHABLE: 5.5,
            Cause.CARD: 9.0,
            Cause.POWER: 8.0,
            Cause.BATTERY: 7.0,
            Cause.RESTART: 5.0,
            Cause.DEGRADED: 8.0,
            Cause.SLOW_PATH: 4.0,
            Cause.CONGESTED: 4.5,
            Cause.CHANGED: 5.0,
            Cause.LOCAL: 0.0,
        }
    )
    signal_p: float = 0.93  # a live end of a dark link tells of it
    signal_s: float = 4.0  # within this time
    adjacency_p: float = 0.93
    adjacency_due: bool = True  # each link is known to carry the adjacencies it lists
    adopt_sessions: bool = False  # sessions over several hops fall with whatever fell before them
    blips: frozenset[Cause] = frozenset({Cause.LOCAL, Cause.CHANGED, Cause.CONGESTED, Cause.SIGNAL})  # causes that may mean nothing
    poll_s: float = 300.0  # upper bound until measured
    hold_s: float = 90.0
    battery_s: float = 700.0
    early_s: float = 3.0  # a symptom may seem to start this much before its cause (clocks, order of arrival)
    late_s: float = 30.0  # beyond its window a symptom is still believed for this long, ever less
    unreachable_misses: float = -3.5  # at most this for all devices that should be cut off and are not: one hidden link explains them
    path_misses: float = -5.0
    alone: float = -8.0  # worth of a real symptom that no hypothesis explains
    no_restart: float = -2.0
    flap: float = -1.5  # for each return of a flapping link
    flap_s: float = 240.0  # a root's own alarms that return within this time belong to the same incident
    noise_clear_s: float = 620.0  # an uncorroborated threshold alarm open for longer is not a blip
