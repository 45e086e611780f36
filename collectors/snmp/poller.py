"""Polls every device of the topology on its cadence. A dead or hostile device costs only itself."""

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import structlog

from collectors.codecs import snmp_columns
from collectors.codecs.ber import DecodeError
from collectors.codecs.snmp import EXCEPTIONS
from collectors.metrics import SNMP_LATENESS, SNMP_POLLER_ERRORS, SNMP_POLLS, SNMP_SAMPLES, SNMP_UNPOLLED
from collectors.settings import SnmpSettings
from collectors.snmp.client import SnmpClient, SnmpError, TargetUnreachableError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.learn import learn, learned_plan
from collectors.snmp.plan import OPER_STATUS, Answers, Plan, Request, samples
from collectors.snmp.polled import Polled, device_samples, rebooted, same_target
from collectors.snmp.profiles import Profiles
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import NS_PER_S, Clock

log = structlog.get_logger("snmp")

_TICK_S = 1.0  # how often what was polled is handed on, and the topology's version looked at
_CREDENTIALS_S = 5.0  # how often every device is held against its credential, which changes without a new version
_BUSY_S = 0.1  # a device whose former self is still being polled is looked at again after this
_SPREAD = 0.6180339887498949  # the golden ratio spreads consecutive numbers evenly
_RELEARN_MIN_S = 60.0
_NS_PER_CS = NS_PER_S // 100
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
        self.engine = engine or Engine()
        self._polled: dict[int, Polled] = {}
        self._due: list[tuple[int, int, Polled]] = []
        self._order = itertools.count()
        self._batches: list[SampleBatch] = []
        self._version = -1
        self._looked_ns = 0
        self._unpolled: dict[int, str] = {}
        self._running: set[int] = set()

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
                    await self._step(tasks)
                    await asyncio.sleep(self._wait_s())
        finally:
            self.engine.close()

    async def _step(self, tasks: asyncio.TaskGroup) -> None:
        """One turn of the schedule. A bug in it costs this turn, never the polls that are running."""
        try:
            self._reconcile()
            self._start_due(tasks)
            await self._hand_on()
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
        answered = await self._poll(polled)
        await self._hand_on()
        return answered

    def _reconcile(self) -> None:
        """Follow the topology: new devices join the schedule, gone ones leave, changed ones start afresh."""
        topology, now_ns = self._topology(), self._clock.now_ns()
        if topology.version == self._version and now_ns - self._looked_ns < _CREDENTIALS_S * NS_PER_S:
            return
        self._version, self._looked_ns = topology.version, now_ns
        for no in (self._polled.keys() | self._unpolled.keys()) - topology.devices.keys():
            self._polled.pop(no, None)
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
            self._polled.pop(no, None)
            return "no_address" if credential is not None else "no_credential"
        known = self._polled.get(no)
        if known is not None and same_target(known.device, device) and known.client.credential == credential:
            known.device = device
            return ""
        limits = self._profiles.named(device.profile).client_limits()
        polled = Polled(device, SnmpClient(self.engine, device.management_address, device.snmp_port, credential, limits))
        if known is not None:  # what was known of its reachability still holds
            polled.reachable, polled.misses = known.reachable, known.misses
        self._polled[no] = polled
        spread_s = no * _SPREAD % 1 * min(self._settings.first_spread_s, self._settings.interval_s)
        self._schedule(polled, now_ns + int(spread_s * NS_PER_S))
        return ""

    def _unpolled_because(self, no: int, why: str) -> None:
        if why == self._unpolled.get(no, ""):
            return
        if why:
            self._polled.pop(no, None)
            self._unpolled[no] = why
            log.warning("device_not_polled", device=no, reason=why)
        else:
            del self._unpolled[no]
            log.info("device_polled_again", device=no)

    def _schedule(self, polled: Polled, due_ns: int) -> None:
        """The next poll of this device; each has one place in the schedule, and one who has left it none."""
        if self._polled.get(polled.device.no) is polled:
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
            if no in self._running:
                self._schedule(polled, now_ns + int(_BUSY_S * NS_PER_S))
            elif self._polled.get(no) is polled:
                SNMP_LATENESS.set((now_ns - due_ns) / NS_PER_S)
                self._running.add(no)
                tasks.create_task(self._turn(polled, due_ns), name=f"poll {no}")

    async def _turn(self, polled: Polled, due_ns: int) -> None:
        """One scheduled poll, and when the next is due: on the grid, sooner after a first miss."""
        started_ns, heard = self._clock.now_ns(), polled.client.replies
        try:
            answered = await self._poll(polled)
        except Exception:  # a bug met by one device must not end the polling of all others
            log.exception("poll_failed", device=polled.device.no, address=polled.device.management_address)
            SNMP_POLLS.labels("failed").inc()
            polled.client.problem("poll_failed")
            self._keep(device_samples(polled, started_ns, self._clock.now_ns(), up=polled.client.replies > heard))
            answered = True  # it says nothing of the device: no sooner second look
        finally:
            self._running.discard(polled.device.no)
        interval_ns = int(self._settings.interval_s * NS_PER_S)
        next_ns = due_ns + interval_ns
        if not answered and polled.misses < self._settings.unreachable_after:
            next_ns = min(next_ns, self._clock.now_ns() + int(self._settings.verify_after_s * NS_PER_S))
        elif next_ns <= self._clock.now_ns():  # what was missed is not caught up on
            next_ns = self._clock.now_ns() + interval_ns
        self._schedule(polled, next_ns)

    async def _poll(self, polled: Polled) -> bool:
        async with polled.lock:
            started_ns = self._clock.now_ns()
            reason = ""
            try:
                async with asyncio.timeout(polled.client.limits.budget_s):
                    plan = await self._plan(polled)
                    answers = Answers.blank(plan)
                    await self._ask_all(polled, plan, answers)
                if not answers.tags.any():
                    reason = "no_answer"
            except TimeoutError:
                reason = "deadline"
                polled.client.problem(reason)
            except SnmpError as error:
                reason = error.reason
            ended_ns = self._clock.now_ns()
            if not reason:
                self._keep(samples(plan, answers))
                await self._follow(polled, plan, answers)
            self._keep(device_samples(polled, started_ns, ended_ns, up=not reason))
            await self._judge(polled, ended_ns, reason)
            SNMP_POLLS.labels("missed" if reason else "answered").inc()
            return not reason

    async def _plan(self, polled: Polled) -> Plan:
        """The plan, learned at first, anew at its time, and rebuilt when the inventory changed."""
        now_ns = self._clock.now_ns()
        if polled.learned is None or now_ns - polled.learned_ns > self._settings.learn_interval_s * NS_PER_S:
            polled.learned = await learn(polled.client, self._profiles.named(polled.device.profile))
            polled.learned_ns = now_ns
            polled.absent.clear()
            polled.plan = None
        if polled.plan is None or polled.plan_version != self._version:
            polled.plan = learned_plan(polled.device, self._topology(), polled.learned, polled.client, polled.absent)
            polled.plan_version = self._version
        return polled.plan

    async def _ask_all(self, polled: Polled, plan: Plan, answers: Answers) -> None:
        """All requests, a few at once; the first that stays unanswered ends the poll of this device."""
        requests = iter(plan.requests)
        workers = min(polled.client.limits.outstanding, len(plan.requests))
        if workers < 2 or polled.misses:
            await self._work(polled, requests, answers)
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(workers):
                    tasks.create_task(self._work(polled, requests, answers))
        except BaseExceptionGroup as group:
            first = next(error for error in group.exceptions)
            raise first from None

    async def _work(self, polled: Polled, requests: Iterator[Request], answers: Answers) -> None:
        for request in requests:
            try:
                buffer, start, stop = await polled.client.ask_raw(request.head, request.tail)
                snmp_columns.read(buffer, start, stop, request.wanted, answers.tags, answers.cells, request.slot)
            except DecodeError as error:
                polled.client.problem(error.reason)
                varbinds = await polled.client.get(request.wanted.oids)  # the slow path finds out which variable it is
                snmp_columns.put(varbinds, answers.tags, answers.cells, request.slot)
            except TargetUnreachableError:
                raise
            except SnmpError as error:
                if error.reason in ("wrong_digest", "unknown_user"):
                    raise
                continue
            answers.time_ns[request.slot : request.slot + len(request.wanted.oids)] = self._clock.now_ns()

    async def _follow(self, polled: Polled, plan: Plan, answers: Answers) -> None:
        """Draw the conclusions of an answered poll: a reboot, names the agent does not know, a renumbered interface."""
        now_ns = self._clock.now_ns()
        uptimes = answers.cells.view(">u8")[plan.uptime_slot]
        uptime_cs = int(uptimes[0]) if answers.tags[plan.uptime_slot[0]] else -1
        if uptime_cs >= 0:
            if polled.uptime_cs >= 0 and rebooted(polled.uptime_cs, uptime_cs, (now_ns - polled.uptime_ns) // _NS_PER_CS):
                polled.learned = None
                await self._notify(
                    polled, now_ns, "rebooted", f"sysUpTime went from {polled.uptime_cs} to {uptime_cs}", uptime_cs=str(uptime_cs)
                )
            polled.uptime_cs, polled.uptime_ns = uptime_cs, now_ns
        missing = {plan.oids[slot] for slot in np.flatnonzero(np.isin(answers.tags, list(EXCEPTIONS)))} - polled.absent
        if missing:
            polled.absent.update(missing)
            polled.plan = None
            renumbered = any(oid[:-1] == OPER_STATUS for oid in missing)
            if renumbered and now_ns - polled.learned_ns > _RELEARN_MIN_S * NS_PER_S:
                polled.learned = None

    async def _judge(self, polled: Polled, now_ns: int, reason: str) -> None:
        """Reachability with hysteresis: down after some missed polls, up with the first answer."""
        if not reason:
            if polled.reachable is False:
                await self._notify(polled, now_ns, "reachable", "answers again", misses=str(polled.misses))
            polled.misses, polled.reachable = 0, True
            return
        polled.misses += 1
        if polled.misses >= self._settings.unreachable_after and polled.reachable is not False:
            polled.reachable = False
            await self._notify(
                polled,
                now_ns,
                "unreachable",
                f"{polled.misses} polls without an answer: {reason}",
                reason=reason,
                misses=str(polled.misses),
            )

    async def _notify(self, polled: Polled, now_ns: int, name: str, text: str, **fields: str) -> None:
        device = polled.device
        notification = Notification(now_ns, device.management_address, device.no, "poll", name, text, fields, authenticated=True)
        await self._notifications.put((notification,))

    def _keep(self, batch: SampleBatch) -> None:
        if len(batch):
            self._batches.append(batch)
            SNMP_SAMPLES.inc(len(batch))

    async def _hand_on(self) -> None:
        if self._batches:
            batches, self._batches = self._batches, []
            await self._samples.put(SampleBatch.concat(batches))
