"""What works and what does not between the station and one device, in words a person can act on."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import groupby
from statistics import median
from typing import Final, Literal, NamedTuple

from collectors.codecs.ber import parse_oid
from collectors.facts import SYS_DESCR, SYS_NAME, SYS_UPTIME, look
from collectors.pings import Pings
from collectors.snmp.client import Limits, SnmpClient, SnmpError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import Profiles
from collectors.snmp.walk import Table
from inventory.facts import DeviceFacts, NeighbourFacts
from station.clock import NS_PER_S, Clock

Verdict = Literal["works", "partly", "fails", "absent"]
PINGS: Final = 3
ASKED: Final = 5  # small requests for the time an answer takes
SLOW_S: Final = 1.0
CLOCK_OFF_S: Final = 5.0  # a log line of such a device is hard to place
KNOCK: Final = Limits(timeout_s=1.0, retries=1)
_HR_SYSTEM_DATE: Final = parse_oid("1.3.6.1.2.1.25.1.2.0")
_HC_IN_OCTETS: Final = parse_oid("1.3.6.1.2.1.31.1.1.1.6")
_TARGET_ADDRESS: Final = parse_oid("1.3.6.1.6.3.12.1.2.1.3")
_WHY: Final = {
    "timeout": "no answer: another community or SNMP version, an access list, or nobody there",
    "deadline": "no answer in time",
    "unknown_user": "the agent does not know the user",
    "wrong_digest": "the authentication password or protocol is another",
    "unsupported_security_level": "the agent does not take this user at this security level",
    "decryption_error": "the privacy password or protocol is another",
    "authorization_error": "the agent knows the credential and may show it nothing",
    "no_access": "the agent answers, and its view shows nothing",
    "not_in_time_window": "the agent's engine time cannot be followed",
}
_REFUSALS: Final = ("authorization_error", "no_access")
_TOLD_BY: Final = {
    "lldp": "LLDP",
    "cdp": "CDP",
    "ospf": "OSPF",
    "bgp": "BGP",
    "arp": "resolved addresses",
    "fdb": "the forwarding table",
}


class Finding(NamedTuple):
    """One line: `what` was tried, how it stands, and what that means."""

    what: str
    verdict: Verdict
    says: str


class Check:
    """Looks at one device the way the station does, step by step; nothing is written and nothing is sent elsewhere."""

    def __init__(self, engine: Engine, profiles: Profiles, clock: Clock, address: str, port: int, *, knock: Limits = KNOCK) -> None:
        self._knocking = knock
        self._engine, self._profiles, self._clock = engine, profiles, clock
        self._address, self._port = address, port

    async def run(self, credentials: Sequence[SnmpCredential]) -> list[Finding]:
        """Everything, in the order a person would ask; it stops where nothing more can be learned."""
        found = [await self._reach()]
        working: list[SnmpCredential] = []
        for credential in credentials:
            finding = await self._knock(credential)
            found.append(finding)
            working += [credential] if finding.verdict in ("works", "partly") else []
        if not credentials:
            found.append(Finding("SNMP", "fails", "there is no credential to try: see `trunkline credential add`"))
        if not working:
            return [*found, *([await self._closed()] if credentials else [])]
        facts = await look(self._engine, self._address, self._port, working[:1], self._profiles)
        if not isinstance(facts, DeviceFacts):
            return [*found, Finding("tables", "fails", f"the agent stopped to answer: {facts.reason.replace('_', ' ')}")]
        client = SnmpClient(self._engine, self._address, self._port, working[0], self._profiles.named(facts.profile).client_limits())
        return [*found, *tables_of(facts), await self._counters(client, facts), await self._time(client), await self._senders(client)]

    async def _reach(self) -> Finding:
        """ICMP echo: a hint and no more, since many networks drop it."""
        try:
            pings = Pings(self._clock, ipv6=ip_address(self._address).version == 6)
        except OSError:
            return Finding("ping", "absent", "this machine may send no ICMP echo")
        try:
            times = (await pings.round([self._address], count=PINGS, rate_per_s=100, timeout_s=2.0))[self._address]
        finally:
            pings.close()
        came = [one for one in times if one is not None]
        if not came:
            return Finding("ping", "fails", "no ICMP echo comes back; the device may still answer SNMP")
        return Finding("ping", "works" if len(came) == PINGS else "partly", f"{len(came)} of {PINGS}, {median(came) * 1000:.1f} ms")

    async def _knock(self, credential: SnmpCredential) -> Finding:
        what = f"SNMP v{credential.version} as {credential.name!r}"
        client = SnmpClient(self._engine, self._address, self._port, credential, self._knocking)
        try:
            descr, name, uptime = await client.get((SYS_DESCR, SYS_NAME, SYS_UPTIME))
            times = [await self._timed(client) for _ in range(ASKED)]
        except SnmpError as error:
            return Finding(what, "fails", _why(client, error))
        if not (descr.exists or name.exists or uptime.exists):
            refusal = next((reason for reason in _REFUSALS if client.problems[reason]), "")
            return Finding(what, "partly", _WHY.get(refusal, "it answers, and shows no system group: perhaps a view hides it"))
        taken = median(times)
        says = f"answers in {taken * 1000:.1f} ms"
        return Finding(what, "partly" if taken > SLOW_S else "works", f"{says}: slow" if taken > SLOW_S else says)

    async def _timed(self, client: SnmpClient) -> float:
        began_ns = self._clock.monotonic_ns()
        await client.get((SYS_UPTIME,))
        return (self._clock.monotonic_ns() - began_ns) / NS_PER_S

    async def _closed(self) -> Finding:
        """Whether the machine says that nobody listens at the port (ICMP port unreachable)."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ip_address(self._address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                sock.connect((self._address, self._port))
                sock.send(b"\x30\x00")  # no message of SNMP's: whoever listens drops it
                async with asyncio.timeout(self._knocking.timeout_s):
                    await loop.sock_recv(sock, 1)
            except TimeoutError:
                return Finding(f"UDP port {self._port}", "fails", "silent: filtered, or an agent that takes none of the credentials")
            except OSError as error:
                return Finding(f"UDP port {self._port}", "fails", f"nobody listens there: {error.strerror}")
        return Finding(f"UDP port {self._port}", "fails", "something answers that speaks no SNMP")

    async def _counters(self, client: SnmpClient, facts: DeviceFacts) -> Finding:
        wide, all_of_them = len((await _walk(client, _HC_IN_OCTETS)).column(_HC_IN_OCTETS)), len(facts.interfaces)
        if wide >= all_of_them > 0:
            return Finding("64-bit counters", "works", f"{wide} interfaces")
        if wide:
            return Finding("64-bit counters", "partly", f"{wide} of {all_of_them} interfaces; what the others count wraps in minutes")
        return Finding("64-bit counters", "absent", "32-bit counters wrap in minutes above 100 Mbit/s: poll every minute at least")

    async def _time(self, client: SnmpClient) -> Finding:
        """hrSystemDate (RFC 2790): what the device's own log lines are stamped with."""
        try:
            [told] = await client.get((_HR_SYSTEM_DATE,))
        except SnmpError as error:
            return Finding("clock", "absent", f"not told: {error.reason.replace('_', ' ')}")
        device_ns = date_and_time_ns(told.value) if isinstance(told.value, bytes) else None
        if device_ns is None:
            return Finding("clock", "absent", "the device does not tell its time over SNMP")
        off_s = (device_ns - self._clock.now_ns()) / NS_PER_S
        if abs(off_s) > CLOCK_OFF_S:
            return Finding("clock", "partly", f"{abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} the station's: see its NTP")
        return Finding("clock", "works", "within a few seconds of the station's")

    async def _senders(self, client: SnmpClient) -> Finding:
        """Where the device sends its notifications, where it shows that (SNMP-TARGET-MIB, RFC 3413)."""
        table = (await _walk(client, _TARGET_ADDRESS)).column(_TARGET_ADDRESS)
        targets = [cell.value for cell in table.values() if isinstance(cell.value, bytes)]
        told = sorted({f"{ip_address(octets[:4])}:{int.from_bytes(octets[4:6])}" for octets in targets if len(octets) == 6})
        if told:
            return Finding("traps", "works", f"the device sends them to {', '.join(told)}")
        return Finding("traps", "absent", "the device does not show where it sends notifications; look into its configuration")


def _why(client: SnmpClient, error: SnmpError) -> str:
    """What a failure means for the one who is to mend it."""
    if error.reason == "timeout" and client.replies and client.credential.version == "3":
        return "the engine tells who it is, and does not answer the user: the privacy password or protocol is another, or a view hides all"
    return _WHY.get(error.reason, f"the answer is odd: {error}")


def tables_of(facts: DeviceFacts) -> list[Finding]:
    """What the look found, table by table (pure)."""
    up = sum(port.oper_status == 1 for port in facts.interfaces)
    found = [
        Finding("device", "works", f"{facts.sys_name or 'without a name'}, profile {facts.profile}"),
        Finding("interfaces", "works", f"{len(facts.interfaces)}, {up} up")
        if facts.interfaces
        else Finding("interfaces", "fails", "no row of ifTable: without interfaces there is nothing to poll"),
        _some("addresses", len(facts.addresses), "the device shows none: messages from its links cannot be told to be its"),
        _named(facts.neighbours),
        *_unnamed(facts.neighbours),
        _some("sensors", sum(one.kind == "sensor" for one in facts.sensors), "none shown in the tables of its profile"),
        _some("sessions", sum(one.kind == "session" for one in facts.sensors), "no routing or tunnel session shown"),
        _some("serial number", 1 if facts.serial else 0, "not shown (ENTITY-MIB)", facts.serial),
    ]
    return [*found, *(Finding("tables", "partly", problem) for problem in facts.problems)]


def _some(what: str, n: int, without: str, says: str = "") -> Finding:
    return Finding(what, "works", says or str(n)) if n else Finding(what, "absent", without)


def _named(neighbours: Sequence[NeighbourFacts]) -> Finding:
    told = [one for one in neighbours if one.protocol in ("lldp", "cdp")]
    if not told:
        return Finding("LLDP and CDP", "absent", "no neighbour named: links are drawn from addresses and routing, and believed less")
    return Finding("LLDP and CDP", "works", f"{len(told)} neighbours, by {' and '.join(_protocols(told))}")


def _unnamed(neighbours: Sequence[NeighbourFacts]) -> list[Finding]:
    hints = sorted(one.protocol for one in neighbours if one.protocol not in ("lldp", "cdp"))
    counts = [(protocol, len(list(group))) for protocol, group in groupby(hints)]
    return [Finding(f"neighbours by {_TOLD_BY.get(protocol, protocol)}", "works", str(n)) for protocol, n in counts]


def _protocols(told: Sequence[NeighbourFacts]) -> list[str]:
    return sorted({_TOLD_BY[one.protocol] for one in told})


async def _walk(client: SnmpClient, column: tuple[int, ...]) -> Table:
    try:
        return await client.walk((column,))
    except SnmpError:
        return Table({})


def date_and_time_ns(octets: bytes) -> int | None:
    """DateAndTime (RFC 2579) in ns since 1970: 8 octets in the device's own zone, taken as UTC, or 11 with the zone; None for no date."""
    if len(octets) not in (8, 11):
        return None
    year, (month, day, hour, minute, second, tenths) = int.from_bytes(octets[:2]), octets[2:8]
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    zone_s = (octets[9] * 3600 + octets[10] * 60) * (-1 if octets[8:9] == b"-" else 1) if len(octets) == 11 else 0
    return int((at.timestamp() - zone_s) * NS_PER_S) + tenths * NS_PER_S // 10
