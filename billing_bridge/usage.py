"""A usage record: what one meter measured at one metering point over one interval, as a fact that never changes.

Its id is derived from what it is (tenant, metering point, meter, interval, revision), so a replay changes nothing
and no second collector, restart or corrected binding can bill the same octets twice. A correction is a new
revision that names the old one.
"""

import base64
import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from billing_bridge.evidence import Evidence, EvidenceError, unpack
from billing_bridge.settings import BillingSettings
from billing_bridge.slots import Slots
from station.clock import NS_PER_S
from station.ids import derived_id

INT64_MAX = (1 << 63) - 1


class MeterKind(StrEnum):
    """The meters. BANDWIDTH: slots of five minutes, capped by line rate. VOLUME: the octets of the interval."""

    BANDWIDTH = "bandwidth_5min"
    VOLUME = "volume"


class UsageState(StrEnum):
    """TMF635 UsageStatusType."""

    RECEIVED = "received"
    REJECTED = "rejected"
    RECYCLED = "recycled"
    GUIDED = "guided"
    RATED = "rated"
    RERATED = "rerated"
    BILLED = "billed"


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Octets of [start_ns, end_ns) at a metering point (an entity's public id); `evidence` holds its exact slots.

    `replaces` is the id of the revision before, "" for revision 0; `source` is who measured: provenance, not identity.
    """

    tenant: int
    metering_point: str
    meter: str
    start_ns: int
    end_ns: int
    in_octets: int
    out_octets: int
    evidence: Evidence
    revision: int = 0
    replaces: str = ""
    source: str = "meter"

    @property
    def id(self) -> str:
        return derived_id(self.tenant, self.metering_point, self.meter, self.start_ns, self.end_ns, self.revision)

    @property
    def content(self) -> str:
        """A hash over what the record says: equal for a repeated delivery, different for a conflicting one."""
        return derived_id(self.id, self.replaces, self.in_octets, self.out_octets, self.evidence.sha256)

    def revised(self, newer: "UsageRecord") -> "UsageRecord":
        """`newer` as the next revision of this record."""
        return replace(newer, revision=self.revision + 1, replaces=self.id)

    def slots(self) -> Slots:
        return unpack(self.evidence.blob, self.evidence.sha256)

    def to_json(self) -> bytes:
        """One line of JSON that `parse` reads back."""
        fields = {name: getattr(self, name) for name in _Line.model_fields if name not in ("evidence", "sha256")}
        blob = base64.b64encode(self.evidence.blob).decode()
        return json.dumps(fields | {"evidence": blob, "sha256": self.evidence.sha256}, sort_keys=True, separators=(",", ":")).encode()


class VerdictKind(StrEnum):
    """What became of one record that arrived."""

    ACCEPTED = "accepted"
    DUPLICATE_SAME = "duplicate_same"
    DUPLICATE_CONFLICT = "duplicate_conflict"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`record_id` is "" when the input could not be read."""

    record_id: str
    kind: VerdictKind
    reason: str = ""


class UnparsableError(ValueError):
    """The bytes are no usage record; they are kept as they came."""


Octets = Annotated[int, Field(strict=True)]


class _Line(BaseModel):
    """A record on the wire; strict, so that 1e3 or "5" is no quantity."""

    model_config = ConfigDict(extra="forbid")

    tenant: Octets
    metering_point: Annotated[str, Field(min_length=1, max_length=64)]
    meter: Annotated[str, Field(max_length=32)]
    start_ns: Octets
    end_ns: Octets
    in_octets: Octets
    out_octets: Octets
    revision: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 0
    replaces: Annotated[str, Field(max_length=64)] = ""
    source: Annotated[str, Field(min_length=1, max_length=64)] = "import"
    evidence: Annotated[bytes, Field(max_length=16_384)]
    sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]

    def record(self) -> UsageRecord:
        fields = self.model_dump(exclude={"evidence", "sha256"})
        try:
            blob = base64.b64decode(self.evidence, validate=True)
        except ValueError as error:
            raise UnparsableError(str(error)) from error
        return UsageRecord(**fields, evidence=Evidence(blob, self.sha256))


def parse(line: bytes) -> UsageRecord:
    """The record of one line of JSON; UnparsableError says why it is none."""
    try:
        return _Line.model_validate_json(line).record()
    except ValidationError as error:
        raise UnparsableError(str(error.errors()[0]["msg"])) from error


@dataclass(frozen=True, slots=True)
class Window:
    """Which usage is taken now: neither beyond the horizon nor in the future."""

    oldest_ns: int
    newest_ns: int

    @classmethod
    def at(cls, now_ns: int, settings: BillingSettings) -> Self:
        return cls(now_ns - settings.horizon_days * 86_400 * NS_PER_S, now_ns + settings.future_s * NS_PER_S)


def fault_of(record: UsageRecord, tenant: int, window: Window) -> str:
    """Why the record is refused, "" when it is sound. The first reason that holds is given."""
    if record.tenant != tenant:
        return "foreign_tenant"
    if record.meter not in set(MeterKind):
        return "unknown_meter"
    if min(record.in_octets, record.out_octets) < 0:
        return "negative"
    if record.in_octets + record.out_octets > INT64_MAX:
        return "too_large"
    if not 0 <= record.start_ns < record.end_ns <= INT64_MAX:
        return "empty_interval"
    if record.end_ns > window.newest_ns:
        return "future"
    if record.start_ns < window.oldest_ns:
        return "too_old"
    return _evidence_fault(record)


def _evidence_fault(record: UsageRecord) -> str:
    try:
        slots = record.slots()
    except EvidenceError:
        return "bad_evidence"
    same = (slots.start_ns, slots.end_ns) == (record.start_ns, record.end_ns)
    sums = (int(slots.in_octets.sum()), int(slots.out_octets.sum())) == (record.in_octets, record.out_octets)
    return "" if same and sums else "evidence_mismatch"
