"""Polls every device of the topology on its cadence. A dead or hostile device costs only itself."""

import asyncio
import contextlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from collectors.metrics import SNMP_LATENESS, SNMP_POLLER_ERRORS, SNMP_POLLS, SNMP_SAMPLES, SNMP_UNPOLLED
from collectors.settings import SnmpSettings
from collectors.snmp.client import SnmpClient, SnmpError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.culprits import Culprits
from collectors.snmp.engine import Engine
from collectors.snmp.plan import SLOW
from collectors.snmp.polled import Look, Polled, device_samples, follow_uptime, follows, judge, same_target, tier_due
from collectors.snmp.profiles import Profiles
from collectors.snmp.rounds import Rounds
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import NS_PER_S, Clock

log = structlog.get_logger("snmp")

_TICK_S = 1.0  # how often what was polled is handed on, and the topology's version looked at
_CREDENTIALS_S = 5.0  # how often every device is held against its credential, which changes without a new version
_BUSY_S = 0.1  # a device whose former self is still being polled is looked at again after this
_SPREAD = 0.6180339887498949  # the golden ratio spreads consecutive numbers evenly
_LARGE_ROWS = 20_000  # a batch of so many is handed on as it is
_WHY_UNPOLLED = ("no_credential", "no_address", "failed")

CredentialOf = Callable[[str], SnmpCredential | None]


class Poller:
    """`run` keeps the cadence until cancelled; `poll_now` asks one device out of turn."""

    def __init__(
        self,
        settings: SnmpSettings,
        *,
        topology: Callable[[], Topology],
        credential_of: CredentialOf,
        profiles: Profiles,
        samples: Channel[SampleBatch],
        notifications: Channel[tuple[Notification, ...]],
        clock: Clock,
        engine: Engine | None = None,
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._credential_of = credential_of
        self._profiles = profiles
        self._samples = samples
        self._notifications = notifications
        self._clock = clock
        self.engine = engine if engine is not None else Engine()
        self._rounds = Rounds(settings, profiles, topology, clock)
        self._polled: dict[int, Polled] = {}
        self._due: list[tuple[int, int, Polled]] = []
        self._order = itertools.count()
        self._looks: list[Look] = []
        self._notes: list[Notification] = []
        self._wake = asyncio.Event()
        self._version = -1
        self._looked_ns = 0
        self._unpolled: dict[int, str] = {}
        self._running: set[int] = set()
        self._put_off = False  # a device changed while it was being polled: it is looked at again when that is through
        self._culprits = Culprits()

    @property
    def problems(self) -> Mapping[int, Mapping[str, int]]:
        """What each device did wrong, by device number and reason."""
        return {no: dict(polled.client.problems) for no, polled in self._polled.items() if polled.client.problems}

    @property
    def unpolled(self) -> Mapping[int, str]:
        """Why a device of the topology is not polled at all: no_credential, no_address or failed."""
        return self._unpolled

    async def run(self) -> None:
        """Poll until cancelled; then close the sockets."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    await self._step(tasks)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._wait_s()):
                            await self._wake.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Close the sockets; polls under way are heard of no more."""
        self._rounds.close()
        self.engine.close()

    async def _step(self, tasks: asyncio.TaskGroup) -> None:
        """One turn of the schedule. A bug in it costs this turn, never the polls that are running."""
        try:
            self._reconcile()
            self._start_due(tasks)
            await self._hand_on()
            self._culprits.tell(self._polled, self._clock.now_ns())
        except Exception:
            SNMP_POLLER_ERRORS.inc()
            log.exception("poller_turn_failed")
            await asyncio.sleep(_TICK_S)

    async def poll_now(self, device_no: int) -> bool:
        """Poll one device at once; whether it answered. An unknown device did not."""
        self._reconcile()
        polled = self._polled.get(device_no)
        if polled is None:
            return False
        answered = await self._poll(polled, SLOW)
        await self._hand_on()
        return answered

    def _reconcile(self) -> None:
        """Follow the topology: new devices join the schedule, gone ones leave, changed ones start afresh."""
        topology, now_ns = self._topology(), self._clock.now_ns()
        is_known = topology.version == self._version and not self._put_off
        if is_known and now_ns - self._looked_ns < _CREDENTIALS_S * NS_PER_S:
            return
        self._version, self._looked_ns, self._put_off = topology.version, now_ns, False
        for no in (self._polled.keys() | self._unpolled.keys()) - topology.devices.keys():
            self._drop(no)
            self._unpolled.pop(no, None)
        for no, device in topology.devices.items():
            try:
                why = self._follow_device(no, device, now_ns)
            except Exception:  # one device that cannot be set up (its credential, its profile) must not hide the others
                log.exception("device_not_set_up", device=no)
                why = "failed"
            self._unpolled_because(no, why)
        reasons = Counter(self._unpolled.values())
        for reason in _WHY_UNPOLLED:
            SNMP_UNPOLLED.labels(reason).set(reasons[reason])

    def _follow_device(self, no: int, device: Device, now_ns: int) -> str:
        """Poll this device as the topology and its credential say now; the reason why not, or ""."""
        credential = self._credential_of(device.credential)
        if credential is None or not device.management_address:
            return "no_address" if credential is not None else "no_credential"
        known = self._polled.get(no)
        if known is not None and same_target(known.device, device) and known.client.credential == credential:
            known.device = device
            return ""
        if known is not None and (no in self._running or known.lock.locked()):
            self._put_off = True  # the poll under way is not lost for it
            return ""
        limits = self._profiles.named(device.profile).client_limits()
        polled = Polled(device, SnmpClient(self.engine, device.management_address, device.snmp_port, credential, limits))
        self._drop(no)
        self._polled[no] = polled
        spread_s = no * _SPREAD % 1 * min(self._settings.first_spread_s, self._settings.interval_s)
        polled.due_ns = now_ns + int(spread_s * NS_PER_S)
        if known is not None:
            follows(polled, known)
        self._schedule(polled, polled.due_ns)
        return ""

    def _unpolled_because(self, no: int, why: str) -> None:
        if why == self._unpolled.get(no, ""):
            return
        if why:
            self._drop(no)
            self._unpolled[no] = why
            log.warning("device_not_polled", device=no, reason=why)
        else:
            del self._unpolled[no]
            log.info("device_polled_again", device=no)

    def _drop(self, no: int) -> None:
        """A device leaves the schedule; a poll of it that is under way says nothing any more."""
        polled = self._polled.pop(no, None)
        if polled is not None:
            self._rounds.leave(polled)

    def _schedule(self, polled: Polled, due_ns: int) -> None:
        """The next poll of this device; each has one place in the schedule, and one who has left it none."""
        if self._polled.get(polled.device.no) is polled:
            polled.due_ns = due_ns
            heapq.heappush(self._due, (due_ns, next(self._order), polled))

    def _wait_s(self) -> float:
        if not self._due:
            return _TICK_S
        return min(max((self._due[0][0] - self._clock.now_ns()) / NS_PER_S, 0.01), _TICK_S)

    def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        now_ns = self._clock.now_ns()
        while self._due and self._due[0][0] <= now_ns and len(self._running) < self._settings.concurrent_devices:
            due_ns, _, polled = heapq.heappop(self._due)
            no = polled.device.no
            if no in self._running or polled.lock.locked():
                self._schedule(polled, now_ns + int(_BUSY_S * NS_PER_S))
            elif self._polled.get(no) is polled:
                SNMP_LATENESS.set((now_ns - due_ns) / NS_PER_S)
                self._running.add(no)
                self._start(tasks, polled, due_ns)

    def _start(self, tasks: asyncio.TaskGroup, polled: Polled, due_ns: int) -> None:
        """On the flat path where the device's plan is good, else in a task that learns first."""
        now_ns = self._clock.now_ns()
        polled.started_ns, heard = now_ns, polled.client.replies
        if not self._rounds.is_ready(polled):
            tasks.create_task(self._turn(polled, due_ns, heard), name=f"poll {polled.device.no}")
        elif not self._rounds.begin(
            polled, lambda reason: self._swept(tasks, polled, due_ns, heard, reason), tier_due(polled, self._settings)
        ):
            self._running.discard(polled.device.no)
            self._schedule(polled, now_ns + int(_BUSY_S * NS_PER_S))

    def _swept(self, tasks: asyncio.TaskGroup, polled: Polled, due_ns: int, heard: int, reason: str) -> None:
        """The flat path is through with a device; what it answered oddly, or everything where it is void, is asked again in a task."""
        if not reason and polled.again:
            tasks.create_task(self._turn(polled, due_ns, heard), name=f"poll {polled.device.no} anew")
            return
        if not reason and self._rounds.odd(polled):
            tasks.create_task(self._turn(polled, due_ns, heard, odd=True), name=f"poll {polled.device.no} slowly")
            return
        try:
            self._conclude(polled, reason)
        except Exception:
            self._failed(polled, heard)
        self._again(polled, due_ns, answered=not reason)

    async def _turn(self, polled: Polled, due_ns: int, heard: int, *, odd: bool = False) -> None:
        """One scheduled poll of a device that needs more than the flat path, or the rest of one."""
        try:
            answered = await (self._poll_odd(polled) if odd else self._poll(polled, tier_due(polled, self._settings)))
        except Exception:  # a bug met by one device must not end the polling of all others
            self._failed(polled, heard)
            answered = True  # it says nothing of the device: no sooner second look
        self._again(polled, due_ns, answered=answered)

    def _failed(self, polled: Polled, heard: int) -> None:
        log.exception("poll_failed", device=polled.device.no, address=polled.device.management_address)
        SNMP_POLLS.labels("failed").inc()
        polled.client.problem("poll_failed")
        self._looks.append(Look(polled.device.no, polled.started_ns, self._clock.now_ns(), polled.client.replies > heard, -1))

    def _again(self, polled: Polled, due_ns: int, *, answered: bool) -> None:
        """When the next poll is due: on the grid, sooner after a first miss."""
        self._running.discard(polled.device.no)
        polled.turn += answered
        interval_ns, now_ns = int(self._settings.interval_s * NS_PER_S), self._clock.now_ns()
        next_ns = due_ns + interval_ns
        if not answered and polled.misses < self._settings.unreachable_after:
            next_ns = min(next_ns, now_ns + int(self._settings.verify_after_s * NS_PER_S))
        elif next_ns <= now_ns:  # what was missed is not caught up on
            next_ns = now_ns + interval_ns
        self._schedule(polled, next_ns)

    async def _poll(self, polled: Polled, tier: int) -> bool:
        async with polled.lock:
            await self._rounds.idle(polled)
            polled.started_ns = self._clock.now_ns()
            try:
                reason = await self._rounds.poll(polled, tier)
            except SnmpError as error:
                reason = error.reason
            return self._conclude(polled, reason)

    async def _poll_odd(self, polled: Polled) -> bool:
        async with polled.lock:
            assert polled.agent is not None
            return self._conclude(polled, await self._rounds.ask_odd(polled, polled.agent.plan))

    def _conclude(self, polled: Polled, reason: str) -> bool:
        """What a poll says of the device; whether it answered."""
        if self._polled.get(polled.device.no) is not polled:
            return False  # it left meanwhile
        now_ns = self._clock.now_ns()
        polled.took_ns = now_ns - polled.started_ns
        up = not reason
        if up and polled.told_cs >= 0:
            self._notes += follow_uptime(polled, polled.told_cs, now_ns)
        self._looks.append(Look(polled.device.no, polled.started_ns, now_ns, up, polled.told_cs))
        self._notes += judge(polled, now_ns, reason, self._settings)
        SNMP_POLLS.labels("answered" if up else "missed").inc()
        if self._notes:
            self._wake.set()
        return up

    async def _hand_on(self) -> None:
        """Give what was told and found to the stages that wait for it; a full channel holds up new polls."""
        looks, self._looks = self._looks, []
        batches = [batch for batch in (*self._rounds.batches(), device_samples(looks)) if len(batch)]
        SNMP_SAMPLES.inc(sum(map(len, batches)))
        small = [batch for batch in batches if len(batch) < _LARGE_ROWS]
        for batch in [*(batch for batch in batches if len(batch) >= _LARGE_ROWS), *([SampleBatch.concat(small)] if small else [])]:
            await self._samples.put(batch)
        notes, self._notes = self._notes, []
        if notes:
            await self._notifications.put(tuple(notes))
