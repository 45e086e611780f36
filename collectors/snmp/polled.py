"""One device as the poller knows it, and what a poll of it says: availability, uptime, a reboot."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from collectors.codecs.ber import Oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.learn import Learned
from collectors.snmp.plan import Plan
from inventory.topology import Device
from station.batch import SampleBatch
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import series_of

_UPTIME_WRAP_CS = 1 << 32
_UPTIME_SLACK_CS = 1000  # sysUpTime and our clock drift and jitter


@dataclass(slots=True)
class Polled:
    """What the poller knows of one device."""

    device: Device
    client: SnmpClient
    learned: Learned | None = None
    plan: Plan | None = None
    plan_version: int = -1
    absent: set[Oid] = field(default_factory=set)
    learned_ns: int = 0
    misses: int = 0
    reachable: bool | None = None
    uptime_cs: int = -1
    uptime_ns: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def same_target(a: Device, b: Device) -> bool:
    return (a.management_address, a.snmp_port, a.credential, a.profile) == (b.management_address, b.snmp_port, b.credential, b.profile)


def rebooted(before_cs: int, now_cs: int, elapsed_cs: int) -> bool:
    """Whether sysUpTime fell for another reason than its wrap after 497 days (RFC 3418)."""
    if now_cs >= before_cs:
        return False
    expected = before_cs + elapsed_cs
    wrapped = expected >= _UPTIME_WRAP_CS - _UPTIME_SLACK_CS and abs(expected - _UPTIME_WRAP_CS - now_cs) <= _UPTIME_SLACK_CS
    return not wrapped


def device_samples(polled: Polled, started_ns: int, ended_ns: int, *, up: bool) -> SampleBatch:
    """Availability and poll duration, and the uptime where the device answered."""
    values = {"device.availability": float(up)}
    if up:
        values["device.poll_duration"] = (ended_ns - started_ns) / NS_PER_S
        if polled.uptime_cs >= 0:
            values["device.uptime"] = polled.uptime_cs / 100
    return SampleBatch.of(
        np.full(len(values), ended_ns, np.int64),
        np.array([series_of(polled.device.no, 0, code_of(name)) for name in values], np.uint64),
        value=np.array(list(values.values()), np.float64),
    )
