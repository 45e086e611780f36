"""Who of the collectors is there: heard lately, never, or not any more (pure)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import BaseModel, Field

Time = Annotated[int, Field(ge=0, lt=1 << 63)]

BLIND: Final = "blind"
BACK: Final = "back"


class SpoolState(BaseModel):
    """How one spool stands: blocks that the station does not have, up to when the bus has all (ns, 0: all), what was let go of."""

    epoch: Annotated[str, Field(max_length=32)]
    waiting: int
    oldest_ns: Time
    rows_lost: int
    lost_from_ns: Time
    lost_to_ns: Time


class Beat(BaseModel):
    """A sign of life as a collector gives it."""

    version: Annotated[str, Field(max_length=64)]
    now_ns: Time
    targets: str
    secrets: str
    polled: int
    unpolled: int
    spools: Mapping[str, SpoolState]


@dataclass(slots=True)
class Heard:
    """The last sign of life of one collector: when (ns), and what it said."""

    at_ns: int
    said: Beat


@dataclass(slots=True)
class Beats:
    """`blind_after_ns` of silence is blindness; who was never heard is counted from `since_ns`, when the station began to listen."""

    blind_after_ns: int
    since_ns: int
    heard: dict[str, Heard] = field(default_factory=dict)
    _blind: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def hear(self, key: str, said: Beat, now_ns: int) -> None:
        self.heard[key] = Heard(now_ns, said)

    def changes(self, keys: Collection[str], now_ns: int) -> list[tuple[str, str]]:
        """(collector, BLIND or BACK) where that is news; the first sign of life is: an alarm of before may stand."""
        for gone in (self.heard.keys() | self._blind | self._seen) - set(keys):
            self.heard.pop(gone, None)
            self._blind.discard(gone)
            self._seen.discard(gone)
        found: list[tuple[str, str]] = []
        for key in keys:
            is_blind = not self.is_alive(key, now_ns)
            if is_blind and key not in self._blind:
                self._blind.add(key)
                found.append((key, BLIND))
            elif not is_blind and key in self.heard and (key in self._blind or key not in self._seen):
                self._blind.discard(key)
                self._seen.add(key)
                found.append((key, BACK))
        return found

    def is_alive(self, key: str, now_ns: int) -> bool:
        known = self.heard.get(key)
        return now_ns - (known.at_ns if known else self.since_ns) < self.blind_after_ns

    def alive(self, keys: Collection[str], now_ns: int) -> frozenset[str]:
        return frozenset(key for key in keys if self.is_alive(key, now_ns))
