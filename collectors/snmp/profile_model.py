"""What a device profile may say: what to read, how to scale it, what a value means, what it is called.

One column of a MIB is one `[[sensors]]`: its instances become sensors of one metric. `[[device]]` is one number
about the whole device; of several for one metric the first that the agent has instances for counts.
"""

import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.client import Limits
from collectors.snmp.profile_bases import on_every_base
from station.catalogue import metrics_by_name
from station.settings import Settings

DARK_DBM = -40.0  # what no light reads as where power is told in milliwatts: the floor of SFF-8472's 0.1 uW


def _arcs(value: object) -> Oid:
    if isinstance(value, tuple):  # already read
        return value
    if not isinstance(value, str):
        raise ValueError("an object identifier is written as text")
    return parse_oid(value)


def _known_metric(name: str) -> str:
    if name not in metrics_by_name():
        raise ValueError("config/metrics.toml has no such metric")
    return name


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from error
    return text


OidText = Annotated[Oid, BeforeValidator(_arcs)]
MetricName = Annotated[str, AfterValidator(_known_metric)]
Expression = Annotated[str, AfterValidator(_expression)]


def dbm(milliwatts: float) -> float:
    """The level of a power in milliwatts; of none, the floor."""
    return 10 * math.log10(milliwatts) if milliwatts > 0 else DARK_DBM


class Where(Settings):
    """Take only some instances: those whose `oid` column, or whose index arc `arc`, is one of `equals` or none of `differs`,
    or looks like `matches`, or is a number `above` some other, `at_most` some other, or both."""

    oid: OidText | None = None
    arc: int | None = None  # of the instance, from 0, negative from its end
    equals: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    matches: Expression = ""
    above: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Where":
        told = (bool(self.equals), bool(self.differs), bool(self.matches), (self.above, self.at_most) != (None, None))
        if (self.oid is None) == (self.arc is None) or sum(told) != 1:
            raise ValueError("want one of `oid` and `arc`, and one of `equals`, `differs`, `matches`, `above` and `at_most`")
        return self

    def admits(self, text: str) -> bool:
        """Whether a column's or arc's value, as text, is one that is wanted."""
        if self.equals or self.differs:
            return text in self.equals if self.equals else text not in self.differs
        if self.matches:
            return re.search(self.matches, text, re.IGNORECASE) is not None
        try:
            number = float(text)
        except ValueError:
            return False
        return (self.above is None or number > self.above) and (self.at_most is None or number <= self.at_most)


class Reading(Settings):
    """How a number is read: `oid` times `scale` plus `offset`; or a ratio of sums: used of total, used of used + free,
    or total less all of `free` of total."""

    metric: MetricName
    oid: OidText | None = None
    scale: float = 1.0
    offset: float = 0.0
    milliwatt: bool = False  # what is read, scaled, is in mW and becomes dBm
    ignore: tuple[float, ...] = ()  # raw values that mean there is nothing to measure
    used: OidText | None = None
    total: OidText | None = None
    free: tuple[OidText, ...] = ()
    where: Where | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Reading":
        ratio = sum((self.used is not None, self.total is not None, bool(self.free)))
        if (self.oid is None) == (ratio == 0) or ratio not in (0, 2):
            raise ValueError("want either `oid`, or two of `used`, `total`, `free`")
        return self

    @property
    def columns(self) -> tuple[Oid, ...]:
        """The columns whose values make the number; the first names it."""
        return tuple(column for column in (self.oid, self.used, *self.free, self.total) if column is not None)

    @property
    def key(self) -> Oid:
        return self.columns[0]

    def value(self, raw: float, scale: float | None = None) -> float | None:
        """The metric's value of a raw number; None where there is nothing to measure or what is told cannot be."""
        if raw in self.ignore:
            return None
        value = raw * (self.scale if scale is None else scale) + self.offset
        if self.milliwatt:
            value = dbm(value)
        metric = metrics_by_name()[self.metric]
        return value if metric.low <= value <= metric.high else None


class DeviceMetric(Reading):
    """One number about the whole device, from every instance of its columns. Sums are taken before a ratio."""

    aggregate: Literal["mean", "max", "sum"] = "mean"


class SensorTable(Reading):
    """Columns whose every instance is a sensor. Its name: that of its interface or physical entity, `name`, and what
    `name_oid` (of the same instance, or of its first `name_arcs` arcs) says, else the instance itself."""

    name: str = ""
    name_oid: OidText | None = None
    name_arcs: int | None = None
    digits_oid: OidText | None = None  # a column that tells how many decimals the value has
    exponent_oid: OidText | None = None  # a column that tells by which power of ten the value is multiplied
    if_arc: int | None = None  # which arc of the instance is the ifIndex
    if_oid: OidText | None = None  # a column that tells the ifIndex
    entity_arc: int | None = None  # which arc of the instance is the entPhysicalIndex
    states: Mapping[str, int] = Field(default_factory=dict)  # the agent's enumeration to the metric's own
    otherwise: int | None = None  # the state of every other value

    @property
    def is_state(self) -> bool:
        return bool(self.states) or self.otherwise is not None

    def state(self, raw: float) -> float | None:
        """The metric's own state of the agent's, None where this one has none."""
        return None if raw in self.ignore else self.states.get(str(int(raw)), self.otherwise)

    @property
    def asked(self) -> tuple[Oid, ...]:
        """Every column discovery reads."""
        where = self.where.oid if self.where is not None else None
        beside = (self.name_oid, self.digits_oid, self.exponent_oid, self.if_oid, where)
        return self.columns + tuple(column for column in beside if column is not None)


class SessionTable(Settings):
    """Routing and tunnel sessions: a column of states, which of them mean up, and the counter of transitions beside it.

    The peer stands in the index from `peer_arc` on (`peer` tells how it is written), or in the column `peer_oid`: with
    "inet" as the octets of an address, with "system_id" as those of an IS-IS system, else as text.
    """

    protocol: str
    state: OidText
    up: tuple[int, ...]
    transitions: OidText | None = None
    peer: Literal["ipv4", "inet", "router_id", "system_id", "arcs"] = "arcs"
    peer_arc: int = 0
    peer_oid: OidText | None = None


class ProfileLimits(Settings):
    """How gently this family wants to be asked."""

    outstanding: int = Field(2, ge=1, le=16)
    varbinds: int = Field(60, ge=1, le=1000)
    timeout_s: float = Field(1.5, gt=0, le=60)
    retries: int = Field(2, ge=0, le=10)
    budget_s: float = Field(30.0, gt=0, le=600)


class Example(Settings):
    """A recording (lines `oid|tag|value`, as snmpsim writes them), and everything the station must make of it.

    `expect` is keyed by metric, for sensors and sessions by metric and name; `interfaces` by ifName with ifIndex.
    """

    says: str
    sys_object_id: str
    sys_descr: str = ""
    recording: str = ""
    expect: Mapping[str, float] = Field(default_factory=dict)
    model: str = ""
    serial: str = ""


class ProfileFile(Settings):
    """One family. `match` are prefixes of sysObjectID; where one is shared by families, `descr` is what sysDescr must
    look like, or `probes` what the agent must have, for this one."""

    summary: str
    reference: str = ""
    vendor: str = ""
    role: str = ""
    match: tuple[OidText, ...] = ()
    bases: tuple[OidText, ...] = ()  # an identifier that begins with `*.` stands once under each of these
    descr: Expression = ""
    probes: tuple[OidText, ...] = ()
    everywhere: bool = False  # its tables are read from every device
    general: bool = False  # the identifier of an agent or system that other families are built on: see who stands behind it
    only_as_told: bool = False  # others' agents have its tables too: it is bound by sysObjectID alone
    limits: ProfileLimits = ProfileLimits()
    tiers: Mapping[MetricName, Literal["fast", "status", "slow"]] = Field(default_factory=dict)  # how often; "fast" if not named
    model: tuple[OidText, ...] = ()  # where the model stands when ENTITY-MIB does not tell
    serial: tuple[OidText, ...] = ()
    sensor_tables: tuple[OidText, ...] = ()  # entries laid out as entPhySensorEntry, with dBm as type 14
    device: tuple[DeviceMetric, ...] = ()
    sensors: tuple[SensorTable, ...] = ()
    sessions: tuple[SessionTable, ...] = ()
    examples: tuple[Example, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _on_every_base(cls, told: object) -> object:
        return on_every_base(told) if isinstance(told, Mapping) else told


class Profile(ProfileFile):
    """A family with its name, which is its file's."""

    name: str

    def matches(self, sys_object_id: Oid) -> int:
        """How many arcs of a sysObjectID the longest of `match` covers, 0 for none."""
        return max((len(prefix) for prefix in self.match if sys_object_id[: len(prefix)] == prefix), default=0)

    def knows(self, sys_descr: str, present: frozenset[Oid]) -> int | None:
        """1 when the device is known by more than its sysObjectID, 0 when no more is asked, None when it is another."""
        if not self.descr and not self.probes:
            return 0
        by_descr = bool(self.descr) and re.search(self.descr, sys_descr, re.IGNORECASE) is not None
        return 1 if by_descr or not present.isdisjoint(self.probes) else None

    def under(self, sys_object_id: Oid) -> "Profile":
        """This family without the tables of other bases than the one a device says to stand under."""
        mine = [base for base in self.bases if sys_object_id[: len(base)] == base]
        others = [base for base in self.bases if base not in mine] if mine else []

        def stays(reading: Reading) -> bool:
            return not any(reading.key[: len(base)] == base for base in others)

        return self.model_copy(
            update={"device": tuple(filter(stays, self.device)), "sensors": tuple(filter(stays, self.sensors))} if others else {}
        )

    @cached_property
    def tables_by_key(self) -> Mapping[tuple[str, Oid], tuple[SensorTable, ...]]:
        """The tables by metric and the column that names their sensors."""
        found: dict[tuple[str, Oid], tuple[SensorTable, ...]] = {}
        for table in self.sensors:
            at = (table.metric, table.key)
            found[at] = (*found.get(at, ()), table)
        return found

    @cached_property
    def key_lengths(self) -> tuple[int, ...]:
        return tuple(sorted({len(table.key) for table in self.sensors}, reverse=True))

    def table_of(self, oid: Oid, metric: str, scale: float) -> SensorTable | None:
        """The table a sensor was found in, by its variable's name; None for one of ENTITY-SENSOR-MIB's layout.

        Of two that read one column, each in its unit, the one with the scale the sensor was found with.
        """
        tables = (table for length in self.key_lengths for table in self.tables_by_key.get((metric, oid[:length]), ()))
        found = [table for table in tables if _at_arc(table, oid[len(table.key) :])]
        return next((table for table in found if table.scale == scale), found[0] if found else None)

    def sessions_of(self, oid: Oid) -> SessionTable | None:
        """The table a session was found in, by its state's name."""
        return next((table for table in self.sessions if oid[: len(table.state)] == table.state), None)

    def client_limits(self) -> Limits:
        return Limits(
            outstanding=self.limits.outstanding,
            varbinds=self.limits.varbinds,
            timeout_s=self.limits.timeout_s,
            retries=self.limits.retries,
            budget_s=self.limits.budget_s,
        )


def _at_arc(table: SensorTable, instance: Oid) -> bool:
    where = table.where
    return where is None or where.arc is None or admits_arc(where, instance)


def admits_arc(where: Where, instance: Oid) -> bool:
    """Whether an instance has the arc that is asked for."""
    assert where.arc is not None
    return -len(instance) <= where.arc < len(instance) and where.admits(str(instance[where.arc]))
