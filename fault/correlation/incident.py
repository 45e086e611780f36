"""What the solver keeps: notices in, events (one occurrence of one symptom), incidents (one supposed fault)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fault.correlation.effects import Effects
from fault.correlation.model import Cause, Hypothesis, Key, Kind


class Notice(NamedTuple):
    """One notification in the station's words. `arrived_s` is ours, `stamped_s` the sender's clock."""

    alarm: str
    key: Key
    cleared: bool
    arrived_s: float
    stamped_s: float


@dataclass(slots=True, eq=False)
class Event:
    """One occurrence of a symptom. `onset_s` is when it began as well as can be told; repeats join `alarms`."""

    key: Key
    alarms: list[str]
    arrived_s: float
    stamped_s: float
    onset_s: float
    exact: bool = False  # the onset is known better than by the arrival (a poll that knows the last answer)
    loose: bool = False  # the sender's clock is not understood: the onset is an arrival, perhaps a late one
    echo: bool = False  # it only continues an older one of its key, with which it stays
    cleared_s: float | None = None
    owner: "Incident | None" = None

    @property
    def active(self) -> bool:
        return self.cleared_s is None


NO_EFFECTS = Effects()  # of what stands alone


@dataclass(slots=True, eq=False)
class Incident:
    """A supposed fault and the events it explains. `strong`: it is likelier than its events being unrelated."""

    id: str
    hypothesis: Hypothesis
    onset_s: float
    opened_s: float
    effects: Effects = field(default_factory=lambda: NO_EFFECTS)
    strong: bool = False
    score: float = 0.0
    chosen: float = 0.0  # what the choice of its onsets costs
    events: dict[Event, float] = field(default_factory=dict)  # event -> what it adds to the score
    rivals: Sequence[tuple[Hypothesis, float]] = ()  # what would replace it, with the log-odds of that, best first
    noise: bool = False
    down_links: frozenset[str] = frozenset()
    down_devices: frozenset[str] = frozenset()
    guessed: bool = False  # that it takes something down is only told by silence
    settled: bool = False
    touched_s: float = 0.0  # when an alarm of it last came or cleared
    weighed: tuple[float, ...] = ()  # what it was last weighed with
    onsets: list[float] = field(default_factory=list)  # the first and those of its flaps
    missing: Sequence[Key] = ()  # due and absent, at the last review
    shown: tuple[object, ...] = ()  # what was last told of it

    def __post_init__(self) -> None:
        self.onsets = self.onsets or [self.onset_s]

    @property
    def kind(self) -> Kind:
        return self.hypothesis.kind

    def ended_before(self, at_s: float) -> bool:
        """Whether everything it explains was over by then: what begins later is another fault, or this one once more."""
        return all(event.cleared_s is not None and event.cleared_s <= at_s for event in self.events)

    def has(self, cause: Cause) -> bool:
        return any(event.key.cause is cause for event in self.events)


OUTAGES = frozenset({Kind.LINK, Kind.CARD, Kind.NODE, Kind.SITE, Kind.DUCT, Kind.AREA, Kind.SILENT, Kind.HIDDEN})
POWERED = frozenset({Kind.SITE, Kind.AREA})
GUESSES = frozenset({Kind.LINK, Kind.NODE, Kind.SILENT})  # of these silence alone may tell
