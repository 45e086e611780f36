"""The alarm type inventory (RFC 8632, section 4.1.1) from `config/alarm_types.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from fault.probable_causes import EVENT_TYPES, PROBABLE_CAUSES
from station.clock import NS_PER_S
from station.data import data_dir

VerifiedBy = Literal["interface", "session", "device", "claim", "none"]
TypeClass = Literal[
    "link", "adjacency", "path", "device", "card", "power", "battery", "degraded", "congestion", "change",
    "environment", "restart", "security", "client", "other",
]  # fmt: skip


class AlarmType(BaseModel):
    """One kind of state that a resource can be in; the fields are told in the file itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    resource: str
    qualifier: str = ""
    event_type: str
    probable_cause: str
    severity: str
    class_: TypeClass
    verified_by: VerifiedBy
    proposed_repair: str = ""
    clear_after_s: int = 0

    @field_validator("probable_cause", "event_type")
    @classmethod
    def _is_standard(cls, name: str) -> str:
        if name not in PROBABLE_CAUSES | EVENT_TYPES:
            raise ValueError(f"{name!r} is not in config/probable_causes.toml")
        return name

    @property
    def clear_after_ns(self) -> int:
        return self.clear_after_s * NS_PER_S


AlarmTypes = dict[str, AlarmType]
OTHER = AlarmType(
    name="other",
    summary="A type that only its source knows.",
    resource="any",
    event_type="communicationsAlarm",
    probable_cause="indeterminate",
    severity="indeterminate",
    class_="other",
    verified_by="claim",
)


def load(path: Path) -> AlarmTypes:
    """The inventory of one file by name; a name stands once."""
    rows = tomllib.loads(path.read_text())["types"]
    types = [AlarmType(**{"class_" if key == "class" else key: value for key, value in row.items()}) for row in rows]
    assert len({kind.name for kind in types}) == len(types), f"{path}: a type stands twice"
    return {kind.name: kind for kind in types}


@cache
def alarm_types() -> AlarmTypes:
    """The station's own inventory."""
    return load(data_dir("config") / "alarm_types.toml")


def type_of(name: str, types: AlarmTypes) -> AlarmType:
    """The type of that name, or `OTHER`: an unknown cause becomes an alarm, it is never dropped."""
    return types.get(name, OTHER)
