"""The loop of dunning: looks at accounts whose case may move, and sends what its outbox holds until it is answered.

A payment is seen within `look_s`, and so are the requests that it takes back: a service is restored well within a minute.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from bss.dunning.cases import Dunning
from bss.dunning.fulfilment import Fulfilment, FulfilmentError, Request
from bss.dunning.settings import DunningSettings
from bss.dunning.store import dunning_request, service_restriction
from bss.metrics import DUNNING_REQUESTS
from bss.receivables.account import AccountError
from station.clock import NS_PER_S, Clock
from station.scope import Scope
from station.security import audit
from station.state import State, upsert

log = structlog.get_logger("dunning")
AT_ONCE = 32  # requests on their way
BATCH = 96  # of one turn: one that waits for a dead receiver delays the next turn by half a minute at most


@dataclass(frozen=True, slots=True)
class Runner:
    """`out` says which customers are out of service now: they are not pressed. `dunning` None: nobody is."""

    state: State
    dunning: Dunning | None
    ways: Fulfilment
    settings: DunningSettings
    clock: Clock
    scope: Scope
    out: Callable[[], Collection[str]]

    async def run(self) -> None:
        """Until cancelled."""
        while self.dunning is not None:
            await self.turn()
            await asyncio.sleep(self.settings.look_s)

    async def turn(self) -> None:
        """Look once at whoever may move, and send what is due."""
        assert self.dunning is not None
        out, now_ns = self.out(), self.clock.now_ns()
        for customer_id in await self.dunning.candidates(self.scope, out, now_ns):
            await self.dunning.look(self.scope, customer_id, now_ns, outage=customer_id in out)
        await self.deliver()

    async def deliver(self) -> int:
        """Send every request that is due; how many were done."""
        q = dunning_request.c
        due = (q.tenant == self.scope.tenant, q.state == "waiting", q.next_ns <= self.clock.now_ns())
        async with self.state.read() as conn:
            query = sa.select(dunning_request).where(*due).order_by(q.act != "restore", q.next_ns, q.id).limit(BATCH)
            rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(row: Mapping[str, Any]) -> bool:
            async with limit:
                return await self._send(row)

        return sum(await asyncio.gather(*map(one, rows)))

    async def _send(self, row: Mapping[str, Any]) -> bool:
        body = json.loads(row["body"])
        number = body.get("service", {}).get("number", "")
        asked = Request(row["id"], row["tenant"], row["customer_id"], row["act"], number, body)
        try:
            said = await self._carry_out(asked)
        except FulfilmentError as error:
            await self._failed(row, error)
            return False
        await self._done(row, said)
        return True

    async def _carry_out(self, asked: Request) -> str:
        if asked.act != "write_off":
            return await self.ways.carry_out(asked)
        assert self.dunning is not None
        try:
            n = await self.dunning.write_off(self.scope, asked.customer_id, self.clock.now_ns())
        except AccountError as error:
            raise FulfilmentError(str(error), final=error.reason == "conflict") from error
        return f"{n} proposed"

    async def _done(self, row: Mapping[str, Any], said: str) -> None:
        """The answer, with what is in force from now on; a request that was overtaken meanwhile says nothing of it."""
        now_ns, q = self.clock.now_ns(), dunning_request.c
        mine = (q.tenant == row["tenant"], q.id == row["id"], q.state == "waiting")
        async with self.state.write() as conn:
            values = {"state": "done", "done_ns": now_ns, "attempts": row["attempts"] + 1, "answer": said[:255]}
            current = (await conn.execute(sa.update(dunning_request).where(*mine).values(**values))).rowcount
            if row["service_id"] and current:
                kept = {"tenant": row["tenant"], "service_id": row["service_id"], "since_ns": now_ns, "request_id": row["id"]}
                act = "" if row["act"] == "restore" else row["act"]
                await upsert(conn, service_restriction, [kept | {"act": act}], ("tenant", "service_id"))
            about = f"service:{row['service_id']}" if row["service_id"] else f"customer:{row['customer_id']}"
            await audit.record(
                conn, self.scope, f"dunning.{row['act']}.done", about, now_ns=now_ns, after={"request": row["id"], "said": said}
            )
        DUNNING_REQUESTS.labels("done").inc()

    async def _failed(self, row: Mapping[str, Any], error: FulfilmentError) -> None:
        attempts, now_ns, q = row["attempts"] + 1, self.clock.now_ns(), dunning_request.c
        over = error.final or (attempts >= self.settings.attempts_max and row["act"] != "restore")  # who paid is restored
        wait_s = min(2.0 ** min(attempts - 1, 20), self.settings.backoff_most_s)
        values = {"attempts": attempts, "answer": str(error)[:255], "next_ns": now_ns + int(wait_s * NS_PER_S)}
        if over:
            values |= {"state": "failed", "done_ns": now_ns}
            log.error("dunning request given up", request=row["id"], act=row["act"], why=str(error))
        async with self.state.write() as conn:
            mine = (q.tenant == row["tenant"], q.id == row["id"], q.state == "waiting")
            await conn.execute(sa.update(dunning_request).where(*mine).values(**values))
        DUNNING_REQUESTS.labels("failed" if over else "retried").inc()
