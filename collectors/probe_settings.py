"""`[probes]`: which probes go out, to what and how often."""

import ipaddress
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

import dns.exception
import dns.name
import dns.rdatatype
from pydantic import Field, field_validator, model_validator

from station.settings import Settings

TARGETS_MAX = 1_000


def _literal(address: str) -> str:
    """A name would let whoever answers for it choose the target."""
    return str(ipaddress.ip_address(address))


class Target(Settings):
    """What every target has: an address of the device whose values these are."""

    address: str

    @field_validator("address")
    @classmethod
    def _is_literal(cls, address: str) -> str:
        return _literal(address)


class TwampTarget(Settings):
    """`[[probes.twamp]]`: a reflector, by the address of its device."""

    address: str
    port: int = Field(862, ge=1, le=65_535)


class TcpTarget(Target):
    """`[[probes.tcp]]`: a port that should take connections."""

    port: int = Field(ge=1, le=65_535)


class DnsTarget(Target):
    """`[[probes.dns]]`: a name server, a question, and records (as text) that its answer must hold."""

    port: int = Field(53, ge=1, le=65_535)
    name: str
    kind: str = "A"
    expect: tuple[str, ...] = Field((), max_length=32)

    @model_validator(mode="after")
    def _is_a_question(self) -> "DnsTarget":
        try:
            dns.name.from_text(self.name)
            dns.rdatatype.from_text(self.kind)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise ValueError(f"{self.name} {self.kind} is no question for a name server: {error}") from error
        return self


class HttpTarget(Target):
    """`[[probes.http]]`: a web page of the device, and what a good answer is.

    `statuses` (none: below 400), `contains` within the first megabyte, `ca_file` trusted instead of the system's roots.
    """

    url: Annotated[str, Field(max_length=2_048)]
    statuses: tuple[Annotated[int, Field(ge=100, le=599)], ...] = ()
    contains: Annotated[str, Field(max_length=1_024)] = ""
    ca_file: str = ""

    @field_validator("url")
    @classmethod
    def _is_web(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(f"{url!r} is no http or https URL without a login")
        return url


class TraceTarget(Target):
    """`[[probes.trace]]`: where the way is watched to."""


def _one_each(targets: Iterable[Target]) -> None:
    """A device has one series of each kind of probe."""
    seen: set[str] = set()
    for target in targets:
        if target.address in seen:
            raise ValueError(f"{target.address} stands twice: an address is probed once in each way")
        seen.add(target.address)


class ProbeSettings(Settings):
    """`[probes]`. An interval of 0 turns a kind off."""

    icmp_interval_s: float = Field(0.0, ge=0, le=3_600)
    icmp_count: int = Field(5, ge=1, le=100)
    icmp_rate_per_s: float = Field(2_000.0, gt=0, description="requests per second to all targets together")
    twamp_interval_s: float = Field(0.0, ge=0, le=3_600)
    twamp_count: int = Field(20, ge=1, le=1_000)
    twamp_spacing_s: float = Field(0.02, ge=0, le=1)
    twamp: tuple[TwampTarget, ...] = ()
    tcp_interval_s: float = Field(0.0, ge=0, le=3_600)
    tcp_count: int = Field(3, ge=1, le=20)
    tcp_spacing_s: float = Field(0.5, ge=0, le=10)
    tcp: tuple[TcpTarget, ...] = Field((), max_length=TARGETS_MAX)
    dns_interval_s: float = Field(0.0, ge=0, le=3_600)
    dns_count: int = Field(3, ge=1, le=20)
    dns_spacing_s: float = Field(0.5, ge=0, le=10)
    dns: tuple[DnsTarget, ...] = Field((), max_length=TARGETS_MAX)
    http_interval_s: float = Field(0.0, ge=0, le=3_600)
    http_count: int = Field(2, ge=1, le=20)
    http_spacing_s: float = Field(1.0, ge=0, le=10)
    http_timeout_s: float = Field(10.0, gt=0, le=60)
    http: tuple[HttpTarget, ...] = Field((), max_length=TARGETS_MAX)
    trace_interval_s: float = Field(0.0, ge=0, le=3_600)
    trace_tries: int = Field(2, ge=1, le=5)
    trace: tuple[TraceTarget, ...] = Field((), max_length=TARGETS_MAX)
    timeout_s: float = Field(1.0, gt=0, le=30)
    address: str = "127.0.0.1"
    reflector_port: int = Field(0, ge=0, le=65_535)

    @model_validator(mode="after")
    def _once(self) -> "ProbeSettings":
        for targets in (self.tcp, self.dns, self.http, self.trace):
            _one_each(targets)
        return self
