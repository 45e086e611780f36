"""What a bill run would come to, without one: the same snapshot, usage and decision, and nothing written.

`difference` says what a tariff's new version would change before it is published: the next run with it against without it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from bss import cycles, document, draft, snapshot
from bss.billing import Biller, inputs_of, run_row
from bss.lines import Draft, Inputs
from bss.tariffs import Tariffs, TariffVersion
from station.scope import ForbiddenError, Role, Scope

SHOWN_MAX = 1000  # customers of one answer

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """What each customer would be billed, and what could not be."""

    period: str
    inputs: Inputs
    drafts: Sequence[Draft]

    def sums(self) -> dict[str, int]:
        """Gross minor units by currency."""
        found: dict[str, int] = {}
        for one in self.drafts:
            if one.lines:
                found[one.currency] = found.get(one.currency, 0) + gross_of(self.inputs, one)
        return found

    def exceptions(self) -> list[Json]:
        return [dict(row) for one in self.drafts for row in one.exceptions]

    def documents(self) -> list[Json]:
        """The invoices as they would be issued, without a number."""
        billed = [one for one in self.drafts if one.lines][:SHOWN_MAX]
        return [document.document(self.inputs, one, "", "") for one in billed]


def gross_of(inputs: Inputs, found: Draft) -> int:
    return int(document.document(inputs, found, "", "")["totals"]["gross_minor"])


async def simulate(biller: Biller, scope: Scope, name: str, now_ns: int, tariffs: Tariffs | None = None) -> Preview:
    """A run of a span as it would be now, whether it is over or not; who was billed for it already is left out."""
    whole(scope)
    period = cycles.parse(name, biller.billing.zone)
    sources = biller.sources if tariffs is None else replace(biller.sources, tariffs=tariffs)
    async with biller.state.read() as conn:
        taken = await snapshot.take(conn, scope, sources, period)
        text, sha256 = snapshot.freeze(taken)
        row = run_row(scope, period, now_ns, now_ns) | {"snapshot": text, "snapshot_sha256": sha256}
        inputs = await inputs_of(conn, scope.tenant, SimpleNamespace(**row))
    drafts = await asyncio.to_thread(lambda: [draft.draft(inputs, customer) for customer in inputs.snapshot.members])
    return Preview(period.name, inputs, drafts)


def whole(scope: Scope) -> None:
    scope.require(Role.BILLING, "a bill run")
    if scope.customers or scope.regions:
        raise ForbiddenError("a bill run, which is for all customers,", Role.BILLING)


class _With(Tariffs):
    """The tariffs of a folder, and one version that is not there yet."""

    def __init__(self, held: Tariffs, added: TariffVersion) -> None:
        super().__init__(held.root)
        self._added = added

    def versions(self, name: str) -> list[TariffVersion]:
        found = [version for version in super().versions(name) if version.effective != self._added.effective or name != self._added.name]
        return sorted([*found, *([self._added] if name == self._added.name else [])], key=lambda version: version.effective)


async def difference(biller: Biller, scope: Scope, name: str, version: TariffVersion, now_ns: int) -> Json:
    """Who would be billed otherwise with the version, most first; sums by currency."""
    before = await simulate(biller, scope, name, now_ns)
    after = await simulate(biller, scope, name, now_ns, _With(biller.tariffs, version))
    rows = _changed(_by_customer(before), _by_customer(after))
    return {
        "period": before.period,
        "tariff": version.name,
        "effective": version.effective.isoformat(),
        "before_minor": before.sums(),
        "after_minor": after.sums(),
        "changed": len(rows),
        "customers": rows[:SHOWN_MAX],
        "exceptions": [row for row in after.exceptions() if row not in before.exceptions()],
    }


def _by_customer(of: Preview) -> dict[str, tuple[Draft, int]]:
    return {one.customer["number"]: (one, gross_of(of.inputs, one) if one.lines else 0) for one in of.drafts}


def _changed(before: Mapping[str, tuple[Draft, int]], after: Mapping[str, tuple[Draft, int]]) -> list[Json]:
    rows = []
    for number, (one, new) in after.items():
        old = before[number][1] if number in before else 0
        if old != new:
            about = {"customer": number, "name": one.customer["name"], "currency": one.currency}
            rows.append(about | {"before_minor": old, "after_minor": new, "change_minor": new - old})
    return sorted(rows, key=lambda row: (-abs(row["change_minor"]), row["customer"]))
