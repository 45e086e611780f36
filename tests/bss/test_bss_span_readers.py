"""Who reads invoices reads those of other spans, with charges asked for once, as well."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from bss import tmf678
from bss.api import router
from bss.explain import explain
from bss.explain_text import text
from bss.store import one_off
from station.clock import VirtualClock
from station.security.targets import Guard
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, ArraySource, add_customer, add_service, at
from tests.bss.test_bss_cycle_runs import Shop

SPAN = "2026-06-16/2026-07-16@Europe/Lisbon"


@pytest.mark.slow
async def test_an_invoice_of_a_span_is_listed_shown_explained_and_a_customer_bill(tmp_path: Path) -> None:
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await state.create_all()
    shop, clock = Shop(state, tmp_path), VirtualClock(at("2026-07-18"))
    shop.flat("t", "31", 'billed = "advance"')
    await add_service(state, 1, await add_customer(state, 1), "t", {})
    await shop.profile(1, cycle="R/2026-01-16/P1M", time_zone="Europe/Lisbon")
    row = {"tenant": 1, "id": "o1", "customer_id": "customer-1", "day": "2026-06-20", "description": "Router", "unit": "piece"}
    row |= {"quantity": "1", "unit_price": "50", "currency": "EUR", "tax_class": "standard", "made_ns": 1, "made_by": "clerk"}
    async with state.write() as conn:
        await conn.execute(sa.insert(one_off).values(**row))
    routes = [router(state, shop.biller, ArraySource(), clock), tmf678.router(state, Guard(), clock)]
    async with client(CLERK, *routes) as http:
        made = (await http.post("/api/v1/bill-runs", json={"month": SPAN})).json()
        listed = (await http.get("/api/v1/invoices")).json()["items"][0]
        shown = (await http.get(f"/api/v1/invoices/{listed['number']}")).json()
        runs = (await http.get("/api/v1/bill-runs")).json()["items"]
        complete = (await http.get("/api/v1/usage/completeness", params={"month": SPAN})).json()
        bill = (await http.get("/tmf-api/customerBillManagement/v4/customerBill")).json()[0]
        rates = (await http.get("/tmf-api/customerBillManagement/v4/appliedCustomerBillingRate")).json()
        files = [(await http.get(f"/api/v1/invoices/{listed['number']}.{kind}")).status_code for kind in ("pdf", "csv", "json", "xml")]
    assert (made["made"], runs[0]["period"], listed["period_start"], listed["period_end"]) == (1, SPAN, "2026-06-16", "2026-07-15")
    assert [line["charge"] for line in shown["lines"]] == ["1.flat", "1.flat", "once.o1"] and complete["billed"] is True
    assert bill["billingPeriod"]["startDateTime"] == "2026-06-15T23:00:00.000Z" and len(rates) == 3
    assert files == [200, 200, 200, 200]
    for line in shown["lines"]:
        found = await explain(state, CLERK, ArraySource(), listed["number"], line["no"])
        assert found is not None and text(found)
    await state.close()
