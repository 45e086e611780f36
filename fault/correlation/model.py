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

    __hash__ = int.__hash__  # the enum's own is slow, and every symptom is looked up by it


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

    __hash__ = str.__hash__


class Key(NamedTuple):
    """One symptom: what, of which resource, told by which device (the station's polls: the device itself)."""

    cause: Cause
    resource: str
    device: str


class Hypothesis(NamedTuple):
    kind: Kind
    element: str


class Profile(NamedTuple):
    """How a hypothesis brings a symptom: with which probability, and between which delays (s).

    `due` False: it may come, its absence says nothing. `later`: counted from an onset of its own (a battery
    that ends, a session that a change breaks minutes later), not from the first.
    """

    p: float
    first_s: float
    last_s: float
    due: bool = True
    later: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """All numbers of the correlation in one place. The defaults suit networks that poll and send notifications.

    One currency: natural logarithms of probabilities. `rate` is how often an element fails (a second), `leak` how
    often a symptom comes by itself from one resource (a second): a hypothesis is worth its rate, what it explains
    against the leaks, and what is due and absent. The rates are those of the practice scenarios, by element.
    """

    rate: dict[Kind, float] = field(
        default_factory=lambda: {
            Kind.LINK: -13.0,
            Kind.NODE: -13.8,
            Kind.CARD: -14.6,
            Kind.SITE: -13.4,
            Kind.DUCT: -11.5,
            Kind.AREA: -11.5,
            Kind.ADJACENCY: -14.3,
            Kind.DEGRADED: -13.5,
            Kind.CONGESTION: -13.9,
            Kind.CHANGE: -14.3,
            Kind.SILENT: -14.3,
            Kind.HIDDEN: -14.5,
            Kind.LOCAL: 0.0,
        }
    )
    leak: dict[Cause, float] = field(
        default_factory=lambda: {
            Cause.SIGNAL: -12.7,
            Cause.ADJACENCY: -19.0,
            Cause.PATH: -18.0,
            Cause.UNREACHABLE: -19.0,
            Cause.CARD: -19.0,
            Cause.POWER: -19.0,
            Cause.BATTERY: -19.0,
            Cause.RESTART: -19.0,
            Cause.DEGRADED: -19.0,
            Cause.SLOW_PATH: -19.0,
            Cause.CONGESTED: -12.7,
            Cause.CHANGED: -11.7,
            Cause.LOCAL: 0.0,
        }
    )
    signal_p: float = 0.93  # a live end of a dark link tells of it
    signal_s: float = 1.5  # within this time
    adjacency_p: float = 0.93
    adjacency_due: bool = True  # each link is known to carry the adjacencies it lists
    path_p: float = 0.9
    adopt_sessions: bool = False  # sessions over several hops fall with whatever fell before them
    blips: frozenset[Cause] = frozenset({Cause.LOCAL, Cause.CHANGED, Cause.CONGESTED, Cause.SIGNAL})  # causes that may mean nothing
    poll_s: float = 300.0  # upper bound until measured
    hold_s: float = 90.0
    battery_s: float = 620.0  # a battery ends within
    site_s: float = 12.0  # the devices of a site die within
    change_s: tuple[float, float] = (20.0, 330.0)  # between a change and what it breaks
    break_s: float = 25.0  # within which it breaks all it breaks
    early_s: float = 3.0  # a symptom may seem to start this much before its cause (clocks, order of arrival)
    late_s: float = 25.0  # a notification of a sender whose clock is not understood may be this late
    paths_missing: float = -8.0  # at most this for all paths that should have fallen
    flap: float = -1.9  # a link that fails comes and goes before
    flap_s: float = 240.0  # a root's own alarms that return within this time belong to the same incident
    noise_clear_s: float = 620.0  # an uncorroborated threshold alarm open for longer is not a blip
