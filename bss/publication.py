"""Publishing a tariff's version by two people, and letting a large run go by two people.

With `bss.publish` a version is used only once somebody proposed exactly its bytes and somebody else agreed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import canonical
from bss.store import bill_run_hold, tariff_published
from bss.tariffs import TariffError, Tariffs, TariffVersion
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new


class ApprovalError(Exception):
    """It cannot be proposed or approved; `reason` is a word, the text says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Publications:
    """Proposes and approves versions by their name and date."""

    state: State
    tariffs: Tariffs

    async def propose(self, scope: Scope, name: str, effective: str, now_ns: int) -> str:
        """The SHA-256 of the bytes that are proposed."""
        scope.require(Role.BILLING, "publishing a tariff")
        version = self._version(name, effective)
        row = {"tenant": scope.tenant, "name": name, "effective": effective, "sha256": version.sha256}
        row |= {"proposed_by": scope.user[:64], "proposed_ns": now_ns}
        async with self.state.write() as conn:
            await insert_new(conn, tariff_published, [row], ("tenant", "name", "effective", "sha256"))
            await audit.record(conn, scope, "tariff.propose", f"tariff:{version.file}", now_ns=now_ns, after={"sha256": version.sha256})
        return version.sha256

    async def approve(self, scope: Scope, name: str, effective: str, now_ns: int) -> str:
        """Publish the proposed bytes, which the file must still have."""
        scope.require(Role.BILLING, "publishing a tariff")
        version, c = self._version(name, effective), tariff_published.c
        mine = (c.tenant == scope.tenant, c.name == name, c.effective == effective, c.sha256 == version.sha256)
        async with self.state.write() as conn:
            row = (await conn.execute(sa.select(tariff_published).where(*mine))).first()
            if row is None:
                raise ApprovalError("not_proposed", "Nobody proposed this text of it: it was changed since, or never proposed.")
            if row.proposed_by == scope.user[:64]:
                raise ApprovalError("own", "Nobody publishes what they proposed: a second person decides.")
            if not row.approved_by:
                await conn.execute(sa.update(tariff_published).where(*mine).values(approved_by=scope.user[:64], approved_ns=now_ns))
                await audit.record(conn, scope, "tariff.publish", f"tariff:{version.file}", now_ns=now_ns, after={"sha256": version.sha256})
        return version.sha256

    def _version(self, name: str, effective: str) -> TariffVersion:
        try:
            return next(version for version in self.tariffs.versions(name) if version.effective.isoformat() == effective)
        except StopIteration as error:
            raise ApprovalError("unknown", "There is no such version.") from error
        except TariffError as error:
            raise ApprovalError("unsound", str(error)) from error


async def published(conn: AsyncConnection, tenant: int) -> set[tuple[str, str, str]]:
    """(name, effective date, SHA-256) of every version that two people published."""
    c = tariff_published.c
    rows = await conn.execute(sa.select(c.name, c.effective, c.sha256).where(c.tenant == tenant, c.approved_by != ""))
    return {(row.name, row.effective, row.sha256) for row in rows}


async def must_wait(
    conn: AsyncConnection, scope: Scope, period: str, limit: int, sums: Callable[[], Mapping[str, int]], now_ns: int
) -> bool:
    """Whether a run waits for a second person: one above the limit does, in any currency, until it is approved."""
    c = bill_run_hold.c
    row = (await conn.execute(sa.select(bill_run_hold).where(c.tenant == scope.tenant, c.period == period))).first()
    if row is not None:
        return not row.approved_by
    found = sums()
    if max(found.values(), default=0) <= limit:
        return False
    held = {"tenant": scope.tenant, "period": period, "sums": canonical.encode(dict(found)), "held_by": scope.user[:64], "held_ns": now_ns}
    await insert_new(conn, bill_run_hold, [held], ("tenant", "period"))
    await audit.record(conn, scope, "bill_run.hold", f"bill_run:{period}", now_ns=now_ns, after=dict(found))
    return True


async def approve_run(state: State, scope: Scope, period: str, now_ns: int) -> None:
    """Let a held run go; ApprovalError unless somebody else began it."""
    scope.require(Role.BILLING, "approving a bill run")
    c = bill_run_hold.c
    mine = (c.tenant == scope.tenant, c.period == period)
    async with state.write() as conn:
        row: Any = (await conn.execute(sa.select(bill_run_hold).where(*mine))).first()
        if row is None:
            raise ApprovalError("unknown", "No run of this period waits.")
        if row.held_by == scope.user[:64]:
            raise ApprovalError("own", "Nobody approves their own bill run: a second person decides.")
        if not row.approved_by:
            await conn.execute(sa.update(bill_run_hold).where(*mine).values(approved_by=scope.user[:64], approved_ns=now_ns))
            await audit.record(conn, scope, "bill_run.approve", f"bill_run:{period}", now_ns=now_ns, after=None)
