"""The bookkeeping law: nothing that arrived is unaccounted for, and every accepted octet is guided or in suspense."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import current_records, latest_guiding
from billing_bridge.store import usage_tally
from billing_bridge.usage import VerdictKind
from station.scope import Scope


@dataclass(frozen=True, slots=True)
class Account:
    """One source: received = stored + deduplicated + refused, each counted on its own in the transaction that took it."""

    received: int
    stored: int
    deduplicated: int
    refused: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        return self.received == self.stored + self.deduplicated + sum(self.refused.values())


async def accounts(conn: AsyncConnection, scope: Scope) -> dict[str, Account]:
    """The account of each source since the beginning."""
    tallies: dict[str, dict[tuple[str, str], int]] = {}
    for row in await conn.execute(sa.select(usage_tally).where(usage_tally.c.tenant == scope.tenant)):
        tallies.setdefault(row.source, {})[row.verdict, row.reason] = row.n
    return {source: _account(tally) for source, tally in sorted(tallies.items())}


def _account(tally: Mapping[tuple[str, str], int]) -> Account:
    known = ("received", VerdictKind.ACCEPTED, VerdictKind.DUPLICATE_SAME)
    received, stored, same = (tally.get((name, ""), 0) for name in known)
    return Account(received, stored, same, {reason or verdict: n for (verdict, reason), n in tally.items() if verdict not in known})


async def unguided(conn: AsyncConnection, scope: Scope, start_ns: int, end_ns: int) -> list[dict[str, Any]]:
    """Current records whose portions do not add up to them: empty when the law holds."""
    records = await current_records(conn, scope.tenant, start_ns, end_ns)
    guided = await latest_guiding(conn, scope.tenant, [record["id"] for record in records])
    return [record for record in records if _portions(guided.get(record["id"], [])) != (record["in_octets"], record["out_octets"])]


def _portions(rows: list[dict[str, Any]]) -> tuple[int, int]:
    return sum(row["in_octets"] for row in rows), sum(row["out_octets"] for row in rows)
