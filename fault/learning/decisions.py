"""Proposals from history, and what people decide of them; accepted ones are what correlation reads."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from fault.learning import store
from fault.learning.causes import Cause, cause_of, evidence, loop
from fault.learning.graph import Learnt, learn
from inventory.topology import Topology
from station.clock import Clock
from station.scope import OPERATOR_TENANT, Role, Scope
from station.security import audit
from station.state import State

EXPLAINED_LEAST: Final = 10.0  # effects that a cause explains before anybody is asked about it
LOOK_EVERY_S: Final = 10.0  # a command may have decided beside the running station
STATES: Final = ("proposed", "accepted", "rejected")


class LoopError(Exception):
    """It cannot be accepted: `loop` is what it would close, from its cause back to its cause."""

    def __init__(self, loop: Sequence[str]) -> None:
        super().__init__(" > ".join(loop))
        self.loop = tuple(loop)


class Causes:
    """The learnt causes of one tenant. `take` gets the accepted ones whenever they changed."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        take: Callable[[Sequence[Cause]], None] = lambda _: None,
        tenant: int = OPERATOR_TENANT,
    ) -> None:
        self.state, self.clock, self._take, self._tenant = state, clock, take, tenant
        self._in_force: tuple[Cause, ...] = ()
        self._learning = asyncio.Lock()

    async def load(self) -> None:
        """Take up what is accepted in the store."""
        async with self.state.read() as conn:
            rows = await store.edges(conn, self._tenant, store.cause_edge.c.state == "accepted")
        accepted = tuple(cause_of(row) for row in rows)
        if accepted != self._in_force:
            self._in_force = accepted
            self._take(accepted)

    async def run(self) -> None:
        """Look again until cancelled."""
        while True:
            await self.load()
            await asyncio.sleep(LOOK_EVERY_S)

    async def propose(self, topology: Topology, days: int) -> Learnt:
        """Learn from the last days, one at a time, beside the loop; what was found often enough waits for decisions."""
        async with self._learning:
            now_ns = self.clock.now_ns()
            async with self.state.read() as conn:
                known = await store.history_of(conn, topology, now_ns, days, self._tenant)
            found = await asyncio.to_thread(learn, known)
            strong = [edge for edge in found.edges if sum(edge.explained) >= EXPLAINED_LEAST]
            said = [(edge.cause, edge.effect, evidence(edge, found, days)) for edge in strong]
            async with self.state.write() as conn:
                await store.propose(conn, self._tenant, said, now_ns)
        return found

    async def decide(self, scope: Scope, cause: str, effect: str, wanted: str, reason: str) -> dict[str, Any] | None:
        """Accept or reject an edge, or let it wait again; None where there is none. LoopError where it would close one."""
        scope.require(Role.ENGINEER, "deciding about learnt causes")
        assert wanted in STATES
        now_ns = self.clock.now_ns()
        async with self.state.write() as conn:
            rows = {(row["cause"], row["effect"]): row for row in await store.edges(conn, self._tenant)}
            before = rows.get((cause, effect))
            if before is None:
                return None
            others = [pair for pair, row in rows.items() if row["state"] == "accepted" and pair != (cause, effect)]
            if wanted == "accepted" and (closed := loop(others, cause, effect)):
                raise LoopError(closed)
            decision = {"state": wanted, "decided_by": scope.user[:255], "decided_ns": now_ns, "reason": reason}
            await store.decide(conn, self._tenant, cause, effect, decision)
            said: dict[str, Any] = {"before": {"state": before["state"]}, "after": {"state": wanted, "evidence": before["evidence"]}}
            await audit.record(conn, scope, f"cause.{wanted}", f"cause:{cause} > {effect}", now_ns=now_ns, reason=reason, **said)
        await self.load()
        return {**before, **decision}
