"""One device as the poller knows it, and what its polls say of it: availability, reboots, names it does not know."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from collectors.codecs.ber import Oid
from collectors.settings import SnmpSettings
from collectors.snmp.client import SnmpClient
from collectors.snmp.learn import Asked, Learned
from collectors.snmp.plan import FAST, OPER_STATUS, SLOW, STATUS, Plan
from collectors.snmp.sweeper import Agent
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import series_of

_UPTIME_WRAP_CS = 1 << 32
_UPTIME_SLACK_CS = 1000  # sysUpTime and our clock drift and jitter
_RELEARN_MIN_S = 60.0
_RENUMBERED_MIN_S = 5.0  # between two times that a device is learned because its interfaces have other numbers
_NS_PER_CS = NS_PER_S // 100
REBUILD = -1  # the version of a plan that is not good any more


@dataclass(slots=True)
class Polled:
    """What the poller knows of one device. `agent` is its place on the flat path, `done` who waits for a poll's end there."""

    device: Device
    client: SnmpClient
    learned: Learned | None = None
    plan: Plan | None = None
    plan_version: int = REBUILD
    asked: Asked = ()  # what the plan was made of
    absent: set[Oid] = field(default_factory=set)
    learned_ns: int = 0
    unlearned: int = 0  # how often in a row it could be learned only in part
    unknown: frozenset[int] = frozenset()  # what `unknown_numbers` gave when it was learned
    misses: int = 0
    reachable: bool | None = None
    uptime_cs: int = -1
    uptime_ns: int = 0
    started_ns: int = 0
    took_ns: int = 0  # its last poll
    due_ns: int = 0  # its place in the schedule
    told_cs: int = -1  # the sysUpTime that the last poll told
    agent: Agent | None = None
    done: Callable[[str], None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turn: int = 0  # polls on schedule that were answered since its plan became another
    again: bool = False  # what it told is void, since it restarted or its interfaces have other numbers: it is asked anew


class Look(NamedTuple):
    """One poll of one device: when, whether it answered, its sysUpTime (-1: not told)."""

    device_no: int
    started_ns: int
    ended_ns: int
    up: bool
    uptime_cs: int


def tier_due(polled: Polled, settings: SnmpSettings) -> int:
    """What the next poll on schedule asks up to: at first everything. A poll that is missed leaves its tiers due.

    A slower tier comes every so many polls, together with all faster ones and at each device in another turn.
    """
    at = polled.turn + polled.device.no if polled.turn else 0
    return SLOW if at % settings.slow_every == 0 else STATUS if at % settings.status_every == 0 else FAST


def unknown_numbers(polled: Polled, topology: Topology) -> frozenset[int]:
    """The ifIndexes that the inventory has and the names that were learned have not: what came, or was renumbered, since."""
    names = polled.learned.names if polled.learned is not None else {}
    ports = topology.interfaces_of.get(polled.device.no, ()) if names else ()
    return frozenset(port.if_index for port in ports if port.if_index and port.if_index not in names)


def same_target(a: Device, b: Device) -> bool:
    return (a.management_address, a.snmp_port, a.credential, a.profile) == (b.management_address, b.snmp_port, b.credential, b.profile)


def follows(polled: Polled, former: Polled) -> None:
    """The same device under another credential, or at another address: what is known of it still holds, and its place."""
    polled.reachable, polled.misses, polled.due_ns = former.reachable, former.misses, former.due_ns
    if same_target(replace(former.device, credential=polled.device.credential), polled.device):
        polled.learned, polled.learned_ns, polled.unlearned = former.learned, former.learned_ns, former.unlearned
        polled.unknown, polled.uptime_cs, polled.uptime_ns = former.unknown, former.uptime_cs, former.uptime_ns


def rebooted(before_cs: int, now_cs: int, elapsed_cs: int) -> bool:
    """Whether sysUpTime fell for another reason than its wrap after 497 days (RFC 3418)."""
    if now_cs >= before_cs:
        return False
    expected = before_cs + elapsed_cs
    wrapped = expected >= _UPTIME_WRAP_CS - _UPTIME_SLACK_CS and abs(expected - _UPTIME_WRAP_CS - now_cs) <= _UPTIME_SLACK_CS
    return not wrapped


def follow_uptime(polled: Polled, uptime_cs: int, now_ns: int) -> list[Notification]:
    """Keep the uptime an answered poll told; a reboot is news, and what was learned before it is void."""
    before_cs, elapsed_cs = polled.uptime_cs, (now_ns - polled.uptime_ns) // _NS_PER_CS
    polled.uptime_cs, polled.uptime_ns = uptime_cs, now_ns
    if before_cs < 0 or not rebooted(before_cs, uptime_cs, elapsed_cs):
        return []
    if polled.learned_ns < polled.started_ns:
        polled.learned = None
    return [notification(polled, now_ns, "rebooted", f"sysUpTime went from {before_cs} to {uptime_cs}", uptime_cs=str(uptime_cs))]


def follow_absent(polled: Polled, plan: Plan, slots: Sequence[int], now_ns: int) -> None:
    """Names the agent does not know are asked no more; an interface that is gone is noted, and was perhaps renumbered."""
    missing = {plan.oids[slot] for slot in slots} - polled.absent
    if not missing:
        return
    polled.absent.update(missing)
    polled.plan = None
    gone = sum(oid[:-1] == OPER_STATUS for oid in missing)
    if gone:
        polled.client.problem("row_gone", gone)
    if gone and now_ns - polled.learned_ns > _RELEARN_MIN_S * NS_PER_S:
        polled.learned = None


def follow_renamed(polled: Polled, plan: Plan, slots: Sequence[int], now_ns: int) -> None:
    """Where a number has another name now its values are nobody's; who has which number is learned, and all is asked anew."""
    renamed = {plan.oids[slot][-1] for slot in slots}
    if renamed:
        polled.client.problem("renumbered", len(renamed))
    if renamed and now_ns - polled.learned_ns > _RENUMBERED_MIN_S * NS_PER_S:
        polled.learned, polled.again = None, True


def judge(polled: Polled, now_ns: int, reason: str, settings: SnmpSettings) -> list[Notification]:
    """Reachability with hysteresis: down after some missed polls, up with the first answer (`reason` "")."""
    if not reason:
        misses, was = polled.misses, polled.reachable
        polled.misses, polled.reachable = 0, True
        return [notification(polled, now_ns, "reachable", "answers again", misses=str(misses))] if was is False else []
    polled.misses += 1
    if polled.misses < settings.unreachable_after or polled.reachable is False:
        return []
    polled.reachable = False
    text = f"{polled.misses} polls without an answer: {reason}"
    return [notification(polled, now_ns, "unreachable", text, reason=reason, misses=str(polled.misses))]


def notification(polled: Polled, now_ns: int, name: str, text: str, **fields: str) -> Notification:
    device = polled.device
    return Notification(now_ns, device.management_address, device.no, "poll", name, text, fields, authenticated=True)


def device_samples(looks: Sequence[Look]) -> SampleBatch:
    """Availability of each look, and duration and uptime of those that were answered."""
    rows = [(look.ended_ns, look.device_no, "device.availability", float(look.up)) for look in looks]
    rows += [
        (look.ended_ns, look.device_no, "device.poll_duration", (look.ended_ns - look.started_ns) / NS_PER_S) for look in looks if look.up
    ]
    rows += [(look.ended_ns, look.device_no, "device.uptime", look.uptime_cs / 100) for look in looks if look.up and look.uptime_cs >= 0]
    return SampleBatch.of(
        np.array([row[0] for row in rows], np.int64),
        np.array([series_of(row[1], 0, code_of(row[2])) for row in rows], np.uint64),
        value=np.array([row[3] for row in rows], np.float64),
    )
