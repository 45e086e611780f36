"""What many looks found, written together: whoever waits while a transaction is written is in the next one."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.facts import DeviceFacts
from inventory.reconcile import Reconciled, reconcile_in
from inventory.settings import SiteRule
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State

TOGETHER_MAX: Final = 32  # devices in one transaction


class _Waiting(NamedTuple):
    scope: Scope
    facts: DeviceFacts
    answer: "asyncio.Future[Reconciled]"


class Intake:
    """Makes facts true in the inventory, one after the other: two addresses of one device, seen at once, are one device.

    As many wait as `take` is called at once.
    """

    def __init__(self, state: State, clock: Clock, rules: Sequence[SiteRule] = ()) -> None:
        self._state, self._clock, self._rules = state, clock, rules
        self._waiting: deque[_Waiting] = deque()
        self._writing = asyncio.Lock()

    async def take(self, scope: Scope, facts: DeviceFacts) -> Reconciled:
        """What `reconcile` returns for these facts; its error, where it has one, is this caller's alone."""
        scope.require(Role.ENGINEER, "changing the inventory")
        mine = _Waiting(scope, facts, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        async with self._writing:
            while not mine.answer.done():
                await self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER_MAX))])
        return mine.answer.result()

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        now_ns, rules = self._clock.now_ns(), self._rules

        async def work(conn: AsyncConnection) -> list[Reconciled]:
            return [await reconcile_in(conn, one.scope, one.facts, now_ns, rules) for one in batch]

        try:
            for one, found in zip(batch, await self._state.transact(work), strict=True):
                one.answer.set_result(found)
        except Exception as error:  # whoever spoilt it for all hears of it alone
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
            else:
                for one in batch:
                    await self._write([one])
        finally:
            for one in batch:
                one.answer.cancel()  # where this was cancelled; what has an answer keeps it
