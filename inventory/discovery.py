"""Finding devices: inside the ranges given and nowhere else, many at a time, with a ledger of what each address said.

Known devices and neighbours' management addresses are looked at first, so that the picture is useful before
the last silent address has been waited for.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from inventory.facts import DeviceFacts, Look, NoAnswer
from inventory.identity import usable_address
from inventory.intake import Intake
from inventory.ledger import ALIVE, NOBODY, RUNS_KEPT, Looked, Run, keep, kept
from inventory.picture import Picture
from inventory.settings import ADDRESSES_MAX, InventorySettings
from inventory.settle import settle
from station.clock import NS_PER_MS, Clock
from station.hub import Hub
from station.ids import new_id
from station.metrics import counter
from station.scope import STATION, Role, Scope
from station.security import audit
from station.security.text import printable
from station.state import State

SETTLE_EVERY_S: Final = 1.0
SETTLE_GROWTH: Final = 1.4  # all is read again and everyone follows, so it is worth it when there is so much more to show
SETTLE_AT_LEAST_S: Final = 15.0  # what is new waits no longer
PROGRESS_EVERY_NS: Final = 200 * NS_PER_MS
NOBODYS: Final = ""  # the id of a look that is no run: it is neither kept nor shown
SILENT: Final = frozenset({NOBODY, "timeout"})
LOOKED = counter("discovery_looked", "Addresses that discovery looked at, by outcome.", "outcome")
Network = IPv4Network | IPv6Network
Echoes = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Which of some addresses answer an echo request; given by the assembly."""
log = logging.getLogger(__name__)


class DiscoveryError(Exception):
    """A discovery that cannot be started; the text says why."""


class Discovery:
    """Looks at addresses and keeps the inventory true. One run at a time; the last runs' ledgers stay, through a restart too."""

    def __init__(
        self, state: State, picture: Picture, hub: Hub, clock: Clock, look: Look, settings: InventorySettings, echoes: Echoes | None = None
    ) -> None:
        self._state = state
        self._picture = picture
        self._hub = hub
        self._clock = clock
        self._look = look
        self._echoes = echoes
        self._settings = settings
        self._running = asyncio.Lock()
        self._intake = Intake(state, clock, settings.site_rules)
        self._wanted: asyncio.Queue[tuple[Scope, tuple[str, ...]]] = asyncio.Queue(1)
        self._told_ns = 0
        self.runs: deque[Run] = deque(maxlen=RUNS_KEPT)

    async def run(self) -> None:
        """Look at the configured ranges now and every `rediscover_s`, and at what `request` asks for, until cancelled."""
        known = (*await kept(self._state, STATION), *self.runs)  # a part that failed begins again
        self.runs = deque({one.id: one for one in known}.values(), RUNS_KEPT)
        if self._settings.ranges:
            await self.discover(STATION, self._settings.ranges)
        while True:
            try:
                async with asyncio.timeout(self._settings.rediscover_s):
                    scope, ranges = await self._wanted.get()
            except TimeoutError:
                scope, ranges = STATION, self._settings.ranges
            if ranges:
                await self.discover(scope, ranges)

    async def request(self, scope: Scope, ranges: Sequence[str]) -> None:
        """Ask the running task for a discovery; DiscoveryError while another runs or waits, or when the ranges are not ones."""
        scope.require(Role.ENGINEER, "starting a discovery")
        asked = tuple(ranges) or self._settings.ranges
        if not asked:
            raise DiscoveryError("No range is given, and none is configured.")
        networks(asked)
        if self._running.locked() or self._wanted.full():
            raise DiscoveryError("A discovery is running; wait until it has ended.")
        async with self._state.write() as conn:
            await audit.record(conn, scope, "discovery.request", "discovery", now_ns=self._clock.now_ns(), after={"ranges": list(asked)})
        self._wanted.put_nowait((scope, asked))

    async def discover(self, scope: Scope, ranges: Sequence[str], *, seeds: Sequence[str] = ()) -> Run:
        """Look at every address of the ranges; with `seeds` only at these, and from neighbour to neighbour inside the ranges.

        Returns when every look has ended and the picture shows the result. DiscoveryError for what is no range, or
        too many addresses.
        """
        scope.require(Role.ENGINEER, "discovering devices")
        within = networks(ranges, sweep=not seeds)
        async with self._running:
            run = Run(new_id(self._clock.now_ns()), tuple(ranges), self._clock.now_ns())
            self.runs.append(run)
            first = [address for address in seeds if _inside(address, within)] or self._known_first(within)
            frontier = _Frontier(within, first, () if seeds else addresses(within))
            run.total = len(frontier)
            async with asyncio.TaskGroup() as group:
                ended = asyncio.Event()
                group.create_task(self._settle_until(ended, scope, run))
                await self._look_at_all(scope, run, frontier)
                await self._who_is_there(run)
                ended.set()
            await settle(self._state, scope, self._picture, self._clock.now_ns())
            run.ended_ns = self._clock.now_ns()
            await keep(self._state, scope, run)
            self._tell(run, "discovery has ended")
            return run

    async def _who_is_there(self, run: Run) -> None:
        """Tell hosts that answer an echo and no SNMP from addresses where nobody is."""
        silent = [address for address, line in run.ledger.items() if line.outcome == NOBODY]
        if self._echoes is None or not silent:
            return
        for address in await self._echoes(silent):
            run.ledger[address] = replace(run.ledger[address], outcome=ALIVE)

    async def look_again(self, address: str) -> None:
        """Look at one known device outside every run: something of it came or went. Nothing happens while a run is under way."""
        if self._running.locked():
            return
        async with self._running:
            run = Run(NOBODYS, (address,), self._clock.now_ns())
            await self._look_at(STATION, run, address)
            if run.changes:
                await settle(self._state, STATION, self._picture, self._clock.now_ns())

    def _known_first(self, within: Sequence[Network]) -> list[str]:
        return [d.management_address for d in self._picture.current().devices.values() if _inside(d.management_address, within)]

    async def _look_at_all(self, scope: Scope, run: Run, frontier: "_Frontier") -> None:
        async def work() -> None:
            while (address := await frontier.next()) is not None:
                try:
                    found = await self._look_at(scope, run, address)
                    frontier.follow(found)
                    if run.ledger[address].outcome in SILENT:
                        frontier.silent(address)
                    run.total = len(frontier)
                finally:
                    frontier.done()

        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.looks_at_once):
                group.create_task(work())

    async def _look_at(self, scope: Scope, run: Run, address: str) -> list[str]:
        """One address: facts into the inventory, a line into the ledger; return where its neighbours say they answer."""
        began_ns = self._clock.monotonic_ns()
        device_no, outcome, neighbours = 0, "failed", list[str]()
        try:
            async with asyncio.timeout(self._settings.look_timeout_s):
                facts = await self._look(address)
            if isinstance(facts, NoAnswer):
                outcome = facts.reason
            else:
                device_no = await self._take(scope, run, facts)
                outcome = "answered"
                told = [*(one.remote_address for one in facts.neighbours), *facts.heard]
                neighbours = [found for address_told in told if (found := usable_address(address_told))]
        except TimeoutError:
            outcome = "timeout"
        except Exception:  # one device's oddity, or our own mistake with it, must not end the discovery of the others
            log.exception("discovery: looking at %s failed", printable(address))
        LOOKED.labels(outcome).inc()
        took_ms = (self._clock.monotonic_ns() - began_ns) // NS_PER_MS
        run.ledger[address] = Looked(address, outcome, device_no, took_ms)
        self._tell(run, f"{address}: {outcome.replace('_', ' ')}")
        return neighbours

    async def _take(self, scope: Scope, run: Run, facts: DeviceFacts) -> int:
        found = await self._intake.take(scope, facts)
        run.new_devices += found.new
        run.changes += found.changed
        return found.device_no

    async def _settle_until(self, ended: asyncio.Event, scope: Scope, run: Run) -> None:
        """Let the picture grow while looks go on: often while it is small, then whenever it would grow by a good part."""
        shown, since_s = 0, 0.0
        while not ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_EVERY_S):
                    await ended.wait()
            since_s += SETTLE_EVERY_S
            if not ended.is_set() and settles(run.changes, shown, since_s):
                shown, since_s = run.changes, 0.0
                await settle(self._state, scope, self._picture, self._clock.now_ns())

    def _tell(self, run: Run, text: str) -> None:
        """Publish progress: the first, the last, and a few a second between."""
        done, now_ns = len(run.ledger), self._clock.monotonic_ns()
        if run.id == NOBODYS:
            return
        if done < run.total and now_ns - self._told_ns < PROGRESS_EVERY_NS and done > 1:
            return
        self._told_ns = now_ns
        self._hub.publish("progress", {"id": run.id, "title": "Discovery", "done": done, "total": run.total, "text": text})


class _Frontier:
    """The addresses still to look at: each once, neighbours before the sweep, nothing outside the ranges.

    An address that is known to be somebody's and stays silent has its second look when the others had their first:
    the device, or we, may have been busy.
    """

    def __init__(self, within: Sequence[Network], first: Iterable[str], sweep: Iterable[str]) -> None:
        self._within = within
        self._urgent = deque(first)
        self._waiting = deque(sweep)
        self._known = {*self._urgent, *self._waiting}
        self._somebodys = set(self._urgent)
        self._silent: set[str] = set()
        self._again: deque[str] = deque()
        self._taken: set[str] = set()
        self._busy = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._known)

    async def next(self) -> str | None:
        """The next address; waits while others may still lead to more; None when all is done. Call `done` after it."""
        while True:
            while waiting := self._urgent or self._waiting:
                address = waiting.popleft()
                if address not in self._taken:
                    self._taken.add(address)
                    self._busy += 1
                    return address
            if self._again:
                self._busy += 1
                return self._again.popleft()
            if not self._busy:
                return None
            self._changed.clear()
            await self._changed.wait()

    def follow(self, found: Iterable[str]) -> None:
        """Look at these next: where a neighbour said to answer, if it is inside the ranges."""
        for address in found:
            if address not in self._taken and _inside(address, self._within) and len(self._known) < ADDRESSES_MAX:
                self._known.add(address)
                self._urgent.append(address)
            if address in self._known and address not in self._somebodys:
                self._somebodys.add(address)
                if address in self._silent:
                    self._again.append(address)

    def silent(self, address: str) -> None:
        """Nobody answered there; the second time it is believed."""
        if address not in self._silent:
            self._silent.add(address)
            if address in self._somebodys:
                self._again.append(address)

    def done(self) -> None:
        self._busy -= 1
        self._changed.set()


def settles(changes: int, shown: int, since_s: float) -> bool:
    """Whether the picture is to be drawn anew after so many changes, of which it showed `shown` when drawn `since_s` ago."""
    return changes > shown and (changes >= SETTLE_GROWTH * shown or since_s >= SETTLE_AT_LEAST_S)


def networks(ranges: Sequence[str], *, sweep: bool = True) -> tuple[Network, ...]:
    """The networks of texts in CIDR notation or single addresses; DiscoveryError for anything else, or too many to sweep."""
    try:
        found = tuple(ip_network(text.strip(), strict=False) for text in ranges)
    except ValueError as error:
        raise DiscoveryError(f"This is no address range: {printable(str(error), 200)}.") from error
    if not found or len(found) > ADDRESSES_MAX:
        raise DiscoveryError("At least one range is needed.")
    if sweep and sum(network.num_addresses for network in found) > ADDRESSES_MAX:
        raise DiscoveryError(f"The ranges hold more than {ADDRESSES_MAX} addresses; name smaller ones.")
    return found


def addresses(within: Iterable[Network]) -> Iterator[str]:
    """Every address a device can have: without the network's own and the broadcast address of IPv4."""
    for network in within:
        yield from map(str, network.hosts())


def _inside(text: str, within: Iterable[Network]) -> bool:
    usable = usable_address(text)
    if usable is None:
        return False
    address = ip_address(usable)
    return any(address.version == network.version and address in network for network in within)
