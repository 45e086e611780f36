"""Device families as data: `config/profiles/*.toml`, bound by the longest matching prefix of sysObjectID.

A file names its family, what to read besides the standard tables, and recorded examples that the suite
replays. An unknown key, a metric the catalogue does not know or an OID that is none is an error.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.client import Limits
from station.catalogue import metrics_by_name
from station.data import data_dir

GENERIC = "generic"


class ProfileError(Exception):
    """A profile file cannot be used; the text names file, key and reason."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _arcs(value: object) -> Oid:
    if not isinstance(value, str):
        raise ValueError("an object identifier is written as text")
    return parse_oid(value)


def _known_metric(name: str) -> str:
    if name not in metrics_by_name():
        raise ValueError(f"no metric {name!r} in config/metrics.toml")
    return name


OidText = Annotated[Oid, BeforeValidator(_arcs)]
MetricName = Annotated[str, AfterValidator(_known_metric)]


class Where(_Strict):
    """Take only the instances whose `oid` column equals `equals` (an object identifier, number or text)."""

    oid: OidText
    equals: str


class DeviceMetric(_Strict):
    """One number about the whole device, from every instance of some columns.

    Either `oid` times `scale`, aggregated; or a ratio: used of total, used of used + free, or total less all
    of `free` of total. Sums are taken before the ratio.
    """

    metric: MetricName
    oid: OidText | None = None
    scale: float = 1.0
    aggregate: Literal["mean", "max", "sum"] = "mean"
    used: OidText | None = None
    total: OidText | None = None
    free: tuple[OidText, ...] = ()
    where: Where | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "DeviceMetric":
        ratio = sum((self.used is not None, self.total is not None, bool(self.free)))
        if (self.oid is None) == (ratio == 0) or ratio not in (0, 2):
            raise ValueError("want either `oid`, or two of `used`, `total`, `free`")
        return self

    @property
    def columns(self) -> tuple[Oid, ...]:
        return tuple(column for column in (self.oid, self.used, self.total) if column is not None) + self.free


class SensorTable(_Strict):
    """A column whose every instance is a sensor. `states` maps the agent's enumeration to the metric's own."""

    metric: MetricName
    oid: OidText
    name: str = ""  # in front of the instance's own name
    name_oid: OidText | None = None
    scale: float = 1.0
    ignore: tuple[int, ...] = ()  # values that mean there is nothing to measure
    if_index: Literal["", "index"] = ""  # "index": the first arc of the instance is the ifIndex
    states: Mapping[str, int] = Field(default_factory=dict)


class ProfileLimits(_Strict):
    """How gently this family wants to be asked."""

    outstanding: int = Field(2, ge=1, le=16)
    varbinds: int = Field(60, ge=1, le=1000)
    timeout_s: float = Field(1.5, gt=0, le=60)
    retries: int = Field(2, ge=0, le=10)
    budget_s: float = Field(30.0, gt=0, le=600)


class Example(_Strict):
    """A recording: what an agent of this family said, and what the station must make of it."""

    says: str
    sys_object_id: str
    sys_descr: str = ""
    values: Mapping[str, int | float | str] = Field(default_factory=dict)
    expect: Mapping[str, float] = Field(default_factory=dict)


class Profile(_Strict):
    """One family. `match` are prefixes of sysObjectID; `descr` is text that sysDescr must contain besides."""

    name: str
    summary: str
    reference: str = ""
    vendor: str = ""
    role: str = ""
    match: tuple[OidText, ...] = ()
    descr: str = ""
    limits: ProfileLimits = ProfileLimits()
    device: tuple[DeviceMetric, ...] = ()
    sensors: tuple[SensorTable, ...] = ()
    examples: tuple[Example, ...] = ()

    def client_limits(self) -> Limits:
        return Limits(
            outstanding=self.limits.outstanding,
            varbinds=self.limits.varbinds,
            timeout_s=self.limits.timeout_s,
            retries=self.limits.retries,
            budget_s=self.limits.budget_s,
        )


class Profiles:
    """All families; `bind` finds the one of a device."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self.by_name = profiles
        self.generic = profiles[GENERIC]

    def named(self, name: str) -> Profile:
        """The profile of that name, the generic one where it is gone."""
        return self.by_name.get(name, self.generic)

    def bind(self, sys_object_id: str, sys_descr: str) -> Profile:
        """The longest matching prefix; of equals, the one that also knows the sysDescr."""
        try:
            oid = parse_oid(sys_object_id)
        except ValueError:
            return self.generic
        best, best_score = self.generic, (0, False)
        for profile in self.by_name.values():
            if profile.descr and profile.descr.lower() not in sys_descr.lower():
                continue
            length = max((len(prefix) for prefix in profile.match if oid[: len(prefix)] == prefix), default=0)
            if length and (length, bool(profile.descr)) > best_score:
                best, best_score = profile, (length, bool(profile.descr))
        return best


def load_profile(path: Path) -> Profile:
    """One file, or ProfileError naming file and key."""
    try:
        return Profile(name=path.stem, **tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ProfileError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ProfileError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def load_profiles(folder: Path) -> Profiles:
    """Every file of a folder; one of them must be `generic.toml`."""
    found = {profile.name: profile for profile in map(load_profile, sorted(folder.glob("*.toml")))}
    if GENERIC not in found:
        raise ProfileError(f"{folder}: generic.toml is missing")
    return Profiles(found)


@cache
def shipped_profiles() -> Profiles:
    return load_profiles(data_dir("config") / "profiles")
