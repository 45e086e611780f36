"""A broken service level becomes a credit on the month's recurring lines: proposed once, decided by a second person."""

from dataclasses import replace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from bss.notes import Notes
from bss.sla_credits import router
from fault.outages import outages
from inventory.store import service
from perf.sla.levels import Levels
from perf.sla.terms import Sla, Slas
from perf.store import TelemetryStore
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, port_id
from tests.bss.test_bss_billing import BSS, JULY, biller
from tests.bss.test_bss_tmf import NOW, known, state
from tests.perf.test_sla_levels import Measured, Probed, told

pytestmark = pytest.mark.slow
__all__ = ["known", "state"]  # fixtures
SECOND = replace(CLERK, user="second")
GOLD = Sla(summary="s", availability="99.9", credits=[{"below": "99.9", "percent": "10"}, {"below": "99", "percent": "25"}])


async def call(state: State, method: str, scope: Scope = CLERK, **more: Any) -> Any:
    levels = Levels(
        state, cast(TelemetryStore, Measured()), Probed(), Slas({"gold": GOLD}), VirtualClock(JULY), outages=outages, planned=lambda *_: []
    )
    async with client(scope, router(state, levels, Notes(state, BSS), VirtualClock(NOW))) as http:
        return await http.request(method, "/api/v1/sla-credits", **more)


@pytest.fixture
async def broken(state: State) -> State:
    """Service 1 is gold and its port was down for four hours of June; service 2 is gold and was not."""
    async with state.write() as conn:
        await conn.execute(sa.update(service).values(sla="gold"))
    await told(state, 1, port_id(1), "communications.link_down", (10, 14))
    return state


async def test_a_credit_waits_for_its_invoice(broken: State) -> None:
    (row,) = (await call(broken, "GET", params={"month": "2026-06"})).json()["items"]
    assert (row["service"]["number"], row["credit_percent"], row["why_not"]) == ("S-1", "10", "its month is not billed yet")
    assert (await call(broken, "POST", json={"month": "2026-06", "service_id": "service-1"})).status_code == 409
    assert (await call(broken, "POST", json={"month": "2026-06", "service_id": "service-2"})).status_code == 404


async def test_fee_and_commitment_are_credited_once_and_usage_is_not(broken: State) -> None:
    await biller(broken).run(CLERK, "2026-06", NOW, pages=False)
    (row,) = (await call(broken, "GET", params={"month": "2026-06"})).json()["items"]
    # 180.00 for the port and 240.00 for the commitment, of which ten percent; what was used above it is owed
    assert (row["amount_minor"], row["currency"], row["availability"], row["outages"]) == (4200, "EUR", "99.4444", 1)
    order = {"month": "2026-06", "service_id": "service-1"}
    made = [(await call(broken, "POST", json=order)).json()["proposal"] for _ in range(2)]
    assert made[0] == made[1] and made[0]["state"] == "open"
    note = await Notes(broken, BSS).approve(SECOND, made[0]["id"], NOW)
    assert sum(line["amount_minor"] for line in note["lines"]) == -4200
    assert (await call(broken, "POST", json=order)).json()["proposal"] == {"id": made[0]["id"], "state": "approved"}


@pytest.mark.parametrize("scope", [Scope(1, Role.VIEWER, "v"), replace(CLERK, customers=("customer-1",))], ids=["viewer", "limited"])
async def test_only_billing_with_the_whole_view_sees_credits(broken: State, scope: Scope) -> None:
    assert (await call(broken, "GET", scope, params={"month": "2026-06"})).status_code == 403
