"""How one device is polled: learn and plan, ask everything on the flat path, and ask slowly what was answered oddly.

Until the compiled steps are loaded everything is asked slowly, so that nothing waits for a compiler.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from collectors.metrics import SNMP_PROBLEMS
from collectors.settings import SnmpSettings
from collectors.snmp.client import SnmpError
from collectors.snmp.learn import asked_of, learn, learned_plan
from collectors.snmp.plan import SLOW, Answers, Plan, samples
from collectors.snmp.polled import REBUILD, Polled, follow_absent, follow_renamed, unknown_numbers
from collectors.snmp.profiles import Profiles
from collectors.snmp.sweeper import Sweeper
from collectors.snmp.wire import Ended, is_warm
from collectors.snmp.wire_state import UPTIME_SLACK_CS
from inventory.topology import Topology
from station.batch import SampleBatch
from station.clock import NS_PER_S, Clock

_NUMBERS_MIN_S = 20.0  # between two times that a device is learned because of interfaces with unknown numbers
_UNLEARNED_MIN_S = 30.0  # what could not be learned whole is tried again after twice this, four times this, ...
_UNLEARNED_MAX = 16
_KEPT_MAX = 3  # what is known whole is kept so many times
_VARBINDS_MIN = 4  # below this an answer is not made smaller
_REFUSED = frozenset({"timeout", "deadline", "wrong_digest", "unknown_user", "unsupported_security_level", "decryption_error"})


class Rounds:
    """Asks devices; what they told is fetched by `batches`. `topology` and `version` say what their plans are made of."""

    def __init__(self, settings: SnmpSettings, profiles: Profiles, topology: Callable[[], Topology], clock: Clock) -> None:
        self._settings = settings
        self._profiles = profiles
        self._topology = topology
        self._clock = clock
        self._sweeper: Sweeper | None = None
        self._batches: list[SampleBatch] = []
        self._room = asyncio.Event()  # a poll on the flat path has ended

    def batches(self) -> list[SampleBatch]:
        """What was told since the last call."""
        batches, self._batches = self._batches, []
        return [*batches, *(self._sweeper.batches() if self._sweeper is not None else ())]

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.close()

    def leave(self, polled: Polled) -> None:
        """The device is polled no more; a poll of it ends as aborted."""
        if polled.agent is not None and self._sweeper is not None:
            self._sweeper.leave(polled.agent)
            polled.agent = None

    def is_ready(self, polled: Polled) -> bool:
        """Whether the device's plan is good and can be asked on the flat path at once."""
        return is_warm() and self._is_planned(polled) and polled.client.security.ready and not polled.lock.locked()

    def _is_planned(self, polled: Polled) -> bool:
        return (
            polled.learned is not None
            and not self._is_learning_due(polled)
            and polled.plan is not None
            and polled.plan_version == self._topology().version
        )

    def _is_learning_due(self, polled: Polled) -> bool:
        """What could not be learned whole is tried again sooner, but ever less soon."""
        wait_s = self._settings.learn_interval_s
        if polled.unlearned:
            wait_s = min(wait_s, _UNLEARNED_MIN_S * 2**polled.unlearned)
        return polled.learned is None or self._clock.now_ns() - polled.learned_ns > wait_s * NS_PER_S

    async def idle(self, polled: Polled) -> None:
        """Wait until no poll of this device is under way on the flat path."""
        while polled.done is not None:
            self._room.clear()
            await self._room.wait()

    async def plan(self, polled: Polled) -> Plan:
        """The plan, learned at first, anew at its time, and rebuilt when the device's part of the inventory changed.

        A large network is found in many versions, of which each changes few devices. SnmpError.
        """
        now_ns, topology = self._clock.now_ns(), self._topology()
        unknown = unknown_numbers(polled, topology)
        is_new = unknown != polled.unknown and now_ns - polled.learned_ns > _NUMBERS_MIN_S * NS_PER_S
        if is_new or self._is_learning_due(polled):
            await self._learn(polled, now_ns)
            unknown = polled.unknown = unknown_numbers(polled, topology)
        if polled.plan is None or polled.plan_version != topology.version:
            assert polled.learned is not None
            asked = asked_of(polled.device, topology)
            if polled.plan is None or polled.plan_version == REBUILD or asked != polled.asked:
                polled.plan = learned_plan(polled.device, topology, polled.learned, polled.client, polled.absent)
            if asked != polled.asked:
                polled.turn = 0
            polled.asked, polled.plan_version = asked, topology.version if unknown == polled.unknown else REBUILD
        return polled.plan

    async def _learn(self, polled: Polled, now_ns: int) -> None:
        """Learn the device; what is known whole is kept for a while where it can be learned only in part."""
        profile = self._profiles.named(polled.device.profile)
        polled.client.limits = profile.client_limits()
        learned = await learn(polled.client, profile)
        polled.unlearned = 0 if learned.is_whole else min(polled.unlearned + 1, _UNLEARNED_MAX)
        known = polled.learned
        if learned.is_whole or known is None or not known.is_whole or polled.unlearned > _KEPT_MAX:
            polled.learned = learned
        polled.learned_ns, polled.turn = now_ns, 0
        polled.absent.clear()
        polled.plan = None

    def begin(self, polled: Polled, done: Callable[[str], None], tier: int) -> bool:
        """Ask everything up to a tier on the flat path; `done` is called with what went wrong, or "". False when there is no room now."""
        assert polled.plan is not None and polled.done is None
        if self._sweeper is None:
            self._sweeper = Sweeper(self._clock)
        device, client = polled.device, polled.client
        if polled.agent is None:
            at = device.management_address, device.snmp_port, device.no
            polled.agent = self._sweeper.join(*at, client.limits, client.security, polled.plan, lambda ended: self._ended(polled, ended))
        elif polled.agent.plan is not polled.plan:
            self._sweeper.give(polled.agent, polled.plan)
        polled.done = done
        outstanding = 1 if polled.misses else client.limits.outstanding
        if not self._sweeper.begin(polled.agent, outstanding=outstanding, tier=tier):
            polled.done = None
            return False
        return True

    async def poll(self, polled: Polled, tier: int) -> str:
        """Everything up to a tier once, and anew what was void; what went wrong, or "". SnmpError."""
        polled.again = False
        reason = await self._ask(polled, await self.plan(polled), tier)
        if polled.again and not reason:
            polled.again = False
            reason = await self._ask(polled, await self.plan(polled), SLOW)
        return reason

    async def _ask(self, polled: Polled, plan: Plan, tier: int) -> str:
        """Everything up to a tier, and slowly what was odd; what went wrong, or ""."""
        if not is_warm() or not polled.client.security.ready:
            return await self._ask_slowly(polled, plan, range(plan.asked[tier]), tier)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        while not self.begin(polled, lambda reason: None if ended.done() else ended.set_result(reason), tier):
            self._room.clear()
            await self._room.wait()
        try:
            reason = await ended
        finally:
            if polled.agent is not None and polled.agent.polling and self._sweeper is not None:
                self._sweeper.abort(polled.agent)
        return reason or await self.ask_odd(polled, plan)

    async def ask_odd(self, polled: Polled, plan: Plan) -> str:
        """Ask slowly what the flat path was answered oddly; only silence or a refusal now is an unanswered poll."""
        odd = self.odd(polled)
        reason = await self._ask_slowly(polled, plan, odd, polled.agent.tier if polled.agent is not None else SLOW) if odd else ""
        return reason if reason in _REFUSED else ""

    def odd(self, polled: Polled) -> list[int]:
        """The requests of the last poll whose answers were not what was asked."""
        return sorted(polled.agent.odd) if polled.agent is not None else []

    async def _ask_slowly(self, polled: Polled, plan: Plan, requests: Iterable[int], tier: int) -> str:
        """Some requests one after the other by plain GETs, which find out what the agent chokes on; what went wrong, or ""."""
        answers = Answers.blank(plan)
        reason, asked, told = "", 0, 0
        for no in requests:
            request = plan.requests[no]
            asked += 1
            try:
                varbinds = await polled.client.get(request.oids)
            except SnmpError as error:
                reason = error.reason
                if reason in _REFUSED:
                    break
                continue
            told += 1
            answers.put(request.slot, varbinds, self._clock.now_ns(), plan.expected)
        uptimes = answers.told[[request.slot for request in plan.requests]]
        self._told_slowly(polled, plan, answers, uptimes[np.isfinite(uptimes)].astype(np.int64).tolist(), tier)
        return "" if told or not asked else reason or "no_answer"

    def _told_slowly(self, polled: Polled, plan: Plan, answers: Answers, uptimes: list[int], tier: int) -> None:
        """Hand on what the slow path was told, unless the agent restarted: then it is void."""
        now_ns, before_cs = self._clock.now_ns(), polled.told_cs
        polled.told_cs = uptimes[-1] if uptimes else polled.told_cs
        if uptimes and min(uptimes) + UPTIME_SLACK_CS < before_cs:
            polled.learned, polled.again = None, True
            return
        self._batches.append(samples(plan, answers, tier=tier))
        follow_absent(polled, plan, sorted(answers.absent), now_ns)
        follow_renamed(polled, plan, sorted(answers.unlike - answers.absent), now_ns)

    def _ended(self, polled: Polled, ended: Ended) -> None:
        """A poll on the flat path is over: what it brought besides rows, and what it says of the agent's limits."""
        agent = polled.agent
        assert agent is not None
        plan = agent.plan
        self._room.set()
        client = polled.client
        client.replies += ended.answers
        reason = agent.garbled or ended.reason if ended.reason else ""
        for problem, n in agent.problems.items():
            client.problems[problem] += n
            SNMP_PROBLEMS.labels(problem).inc(n)
        agent.problems.clear()
        polled.told_cs = ended.uptime_cs
        if agent.kept is not None:
            self._batches.append(samples(plan, agent.kept, ~plan.direct, agent.tier))
        too_big = "too_big" in agent.odd.values() or (reason == "timeout" and ended.answers > 0)
        if too_big and client.limits.varbinds > _VARBINDS_MIN:  # a large answer may be what gets lost, too
            client.limits = replace(client.limits, varbinds=client.limits.varbinds // 2)
            polled.plan_version = REBUILD
        follow_absent(polled, plan, agent.absent, self._clock.now_ns())
        follow_renamed(polled, plan, agent.renamed, self._clock.now_ns())
        if agent.restarted:
            polled.learned, polled.again = None, True
        done, polled.done = polled.done, None
        if done is not None:
            done(reason)
