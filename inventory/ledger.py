"""The ledger of discoveries: what each address said when it was looked at, kept through a restart.

Of a run that is kept, addresses where nobody answered are a number: they are most of a sweep and say nothing else.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from inventory import store
from station.scope import Scope
from station.state import State

RUNS_KEPT: Final = 20
NOBODY: Final = "no_answer"
ALIVE: Final = "alive"
SAYS: Final = {
    "answered": "answered, and is in the inventory",
    "no_answer": "nobody answered: no device, another SNMP version or community, or an access list",
    ALIVE: "a host is there, it answers an echo and no SNMP: an access list, another version or community, or no agent",
    "timeout": "answered, and not whole within the time of a look",
    "wrong_credential": "an agent answered and took none of the credentials",
    "refused": "an agent answered and shows nothing to these credentials",
    "malformed": "what answered does not speak SNMP as its standard has it",
    "failed": "the station failed at what it answered: see the station's log",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """One line of the ledger: `outcome` is answered, or why not (`NoAnswer.reason`, failed); `device_no` 0 when none."""

    address: str
    outcome: str
    device_no: int
    took_ms: int

    @property
    def says(self) -> str:
        """The outcome in words that a person can act on."""
        return SAYS.get(self.outcome, self.outcome.replace("_", " "))


@dataclass(slots=True)
class Run:
    """One discovery: what it was asked, and the ledger so far. `total` grows when neighbours lead to more addresses."""

    id: str
    ranges: tuple[str, ...]
    started_ns: int
    total: int = 0
    ended_ns: int = 0
    ledger: dict[str, Looked] = field(default_factory=dict)
    new_devices: int = 0
    changes: int = 0  # looks that changed the inventory
    nobody: int = 0  # of a run read back: the addresses where nobody answered, which are counted and not listed

    @property
    def outcomes(self) -> dict[str, int]:
        """How many addresses ended how."""
        found = Counter(line.outcome for line in self.ledger.values())
        return dict(found + Counter({NOBODY: self.nobody}))


async def keep(state: State, scope: Scope, run: Run) -> None:
    """Write a run that has ended, and forget those before the last `RUNS_KEPT`."""
    lines = [[x.address, x.outcome, x.device_no, x.took_ms] for x in run.ledger.values() if x.outcome != NOBODY]
    row = {
        "tenant": scope.tenant,
        "id": run.id,
        "ranges": json.dumps(run.ranges),
        "started_ns": run.started_ns,
        "ended_ns": run.ended_ns,
        "total": run.total,
        "new_devices": run.new_devices,
        "nobody": run.outcomes.get(NOBODY, 0),
        "lines": json.dumps(lines),
    }
    mine = store.discovery_run.c.tenant == scope.tenant
    last = sa.select(store.discovery_run.c.id).where(mine).order_by(store.discovery_run.c.started_ns.desc()).limit(RUNS_KEPT)
    async with state.write() as conn:
        await conn.execute(store.discovery_run.insert().values(row))
        stays = list((await conn.execute(last)).scalars())
        await conn.execute(store.discovery_run.delete().where(mine, store.discovery_run.c.id.not_in(stays)))


async def kept(state: State, scope: Scope) -> list[Run]:
    """The runs that are kept, the oldest first."""
    table = store.discovery_run
    async with state.read() as conn:
        rows = (await conn.execute(table.select().where(table.c.tenant == scope.tenant).order_by(table.c.started_ns))).mappings().all()
    return [_run(row) for row in rows[-RUNS_KEPT:]]


def _run(row: sa.RowMapping) -> Run:
    lines = [Looked(*line) for line in json.loads(row["lines"])]
    return Run(
        row["id"],
        tuple(json.loads(row["ranges"])),
        row["started_ns"],
        total=row["total"],
        ended_ns=row["ended_ns"],
        ledger={line.address: line for line in lines},
        new_devices=row["new_devices"],
        nobody=row["nobody"],
    )
