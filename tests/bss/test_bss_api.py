"""Money over HTTP: who may, what is not there, and what a run leaves behind."""

import csv
import hashlib
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from billing_bridge import api as usage_api
from billing_bridge.meter import Meter
from bss import pdf
from bss.api import router
from bss.metrics import PDFS
from inventory.store import service
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.security.audit import rows as audit_rows
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, at, network, polled
from tests.bss.test_bss_billing import JULY, JUNE, SETTINGS, biller, burst

pytestmark = pytest.mark.slow  # each makes a store and a month on both engines

NOW = JULY + 3 * DAY_NS
VIEWER, ADMIN = replace(CLERK, role=Role.VIEWER), replace(CLERK, role=Role.ADMIN)
ONE = replace(CLERK, customers=("customer-1",))


@pytest.fixture
async def billed(any_state: State) -> State:
    """June of two customers, metered and billed over HTTP; a third service is bound to a port that was never measured."""
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1, name="=Evil GmbH"), "burst95", {1: (0, 0)}, name="=1+1")
    await add_service(any_state, 2, await add_customer(any_state, 2), "volume", {2: (0, 0)})
    await add_service(any_state, 3, "customer-2", "", {3: (at("2026-06-30"), 0)})
    source = ArraySource({PORT[1]: polled(JUNE, JULY, burst), PORT[2]: polled(JUNE, JULY, lambda n: (5, 1))})
    await Meter(any_state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    made = await call(any_state, CLERK, "POST", "/bill-runs", json={"month": "2026-06"})
    assert made.status_code == 201, made.text
    return any_state


async def call(state: State, scope: Scope | None, method: str, path: str, now_ns: int = NOW, **more: Any) -> httpx.Response:
    clock = VirtualClock(now_ns)
    async with client(scope, router(state, biller(state), ArraySource(), clock), usage_api.router(state, clock)) as http:
        return await http.request(method, f"/api/v1{path}", **more)


async def ids(state: State) -> list[str]:
    """The invoices' ids by number."""
    return [row["id"] for row in reversed((await call(state, CLERK, "GET", "/invoices")).json()["items"])]


READS = ("", "/{id}", "/{id}.pdf", "/{id}.csv", "/{id}.json", "/{id}/lines/1/explain")


async def test_only_billing_and_admin_read_money(billed: State) -> None:
    first = (await ids(billed))[0]
    for role in Role:
        wanted = 200 if role in (Role.BILLING, Role.ADMIN) else 403
        for path in READS:
            answer = await call(billed, replace(CLERK, role=role), "GET", "/invoices" + path.format(id=first))
            assert answer.status_code == wanted, (role, path, answer.text)
    for path in ("/bill-runs", "/usage/completeness"):
        assert (await call(billed, VIEWER, "GET", path)).status_code == 403
        assert (await call(billed, CLERK, "GET", path)).status_code == 200


async def test_without_a_scope_nothing_is_answered(billed: State) -> None:
    first = (await ids(billed))[0]
    for path in READS:
        assert (await call(billed, None, "GET", "/invoices" + path.format(id=first))).status_code == 401
    assert (await call(billed, None, "POST", "/bill-runs", json={"month": "2026-06"})).status_code == 401


async def test_a_customer_scope_sees_its_own_invoices_and_no_other_exists_for_it(billed: State) -> None:
    mine, other = await ids(billed)
    page = (await call(billed, ONE, "GET", "/invoices")).json()
    assert ([row["id"] for row in page["items"]], page["total"]) == ([mine], 1)
    for path in READS[1:]:
        assert (await call(billed, ONE, "GET", "/invoices" + path.format(id=mine))).status_code == 200, path
        assert (await call(billed, ONE, "GET", "/invoices" + path.format(id=other))).status_code == 404, path
    assert (await call(billed, ONE, "POST", "/bill-runs", json={"month": "2026-06"})).status_code == 403
    for path in ("/bill-runs", "/usage/completeness"):
        assert (await call(billed, ONE, "GET", path)).status_code == 403, path


async def test_what_is_not_there_is_404_and_what_cannot_be_is_422(billed: State) -> None:
    first = (await ids(billed))[0]
    for path in READS[1:]:
        assert (await call(billed, CLERK, "GET", "/invoices" + path.format(id="no-such"))).status_code == 404, path
        assert (await call(billed, CLERK, "GET", "/invoices" + path.format(id="a%00b"))).status_code == 422, path
    lines = [
        (await call(billed, CLERK, "GET", f"/invoices/{first}/lines/{n}/explain")).status_code for n in ("0", "4", "-1", "9" * 30, "x")
    ]
    assert lines == [404, 404, 404, 404, 422]
    assert (await call(billed, replace(CLERK, tenant=2), "GET", f"/invoices/{first}")).status_code == 404


async def test_an_invoice_is_found_by_its_number_and_its_bytes_bear_its_hash(billed: State) -> None:
    by_number = (await call(billed, CLERK, "GET", "/invoices/INV-2026-000001")).json()
    issued = await call(billed, CLERK, "GET", f"/invoices/{by_number['id']}.json")
    assert hashlib.sha256(issued.content).hexdigest() == by_number["sha256"]
    assert issued.headers["content-disposition"] == 'attachment; filename="INV-2026-000001.json"'
    assert (by_number["total"], by_number["period_start"], by_number["period_end"]) == ("723.62", "2026-06-01", "2026-06-30")
    assert [line["amount"] for line in by_number["lines"]] == ["180.00", "240.00", "188.08"]
    assert by_number["lines"][2]["data_quality"] == "8640 of 8640 slots good"


async def test_a_page_that_cannot_be_set_costs_neither_the_run_nor_the_invoice(
    any_state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.typ"
    broken.write_text("#panic()")
    monkeypatch.setattr(pdf, "TEMPLATE", broken)
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1), "volume", {1: (0, 0)})
    failed = PDFS.labels("failed")._value.get()
    assert (await call(any_state, CLERK, "POST", "/bill-runs", json={"month": "2026-06"})).json()["made"] == 1
    assert PDFS.labels("failed")._value.get() == failed + 1
    assert (await call(any_state, CLERK, "GET", "/invoices/INV-2026-000001.pdf")).status_code == 500
    monkeypatch.undo()
    assert (await call(any_state, CLERK, "GET", "/invoices/INV-2026-000001.pdf")).content.startswith(b"%PDF-")


async def test_the_lines_as_csv_sum_to_the_net_total_and_run_no_formula(billed: State) -> None:
    text = (await call(billed, CLERK, "GET", "/invoices/INV-2026-000001.csv")).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal("608.08")
    assert {row["service_name"] for row in rows} == {"'=1+1"}
    assert (rows[2]["quantity"], rows[2]["unit_price"], rows[2]["tax_percent"]) == ("60.67", "3.10", "19")


async def test_invoices_and_runs_are_paged(billed: State) -> None:
    first = (await call(billed, CLERK, "GET", "/invoices?limit=1")).json()
    second = (await call(billed, CLERK, "GET", f"/invoices?limit=1&cursor={first['next']}")).json()
    assert [page["items"][0]["number"] for page in (first, second)] == ["INV-2026-000002", "INV-2026-000001"]
    assert (first["total"], second["next"]) == (2, None)
    assert (await call(billed, CLERK, "GET", "/invoices?cursor=%00")).status_code == 422


async def test_a_run_is_listed_with_what_it_could_not_bill_and_audited(billed: State) -> None:
    page = (await call(billed, CLERK, "GET", "/bill-runs")).json()
    run = page["items"][0]
    assert (run["period"], run["state"], run["invoices"], run["created_by"], page["next"]) == ("2026-06", "closed", 2, "clerk", None)
    assert run["exceptions"] == [{"period": "2026-06", "service": "S-3", "reason": "tariff -: the service has no tariff"}]
    assert (await call(billed, CLERK, "GET", "/bill-runs?cursor=2026-06")).json()["items"] == []
    acts = [(row["act"], row["object"], row["actor"]) for row in reversed(await audit_rows(billed, ADMIN))]
    assert [act for act, _, _ in acts] == ["bill_run.begin", "invoice.issue", "bill_run.end"]
    assert acts[0][1:] == ("bill_run:2026-06", "clerk")


@pytest.mark.parametrize(
    ("month", "scope", "status"),
    [
        ("2026-13", CLERK, 422),
        ("26-06", CLERK, 422),
        ("2026-06\n", CLERK, 422),
        ("0001-01", CLERK, 422),
        ("9999-12", CLERK, 422),
        ("2026-07", CLERK, 409),
        ("2026-06", VIEWER, 403),
        ("2026-06", replace(CLERK, role=Role.ENGINEER), 403),
    ],
)
async def test_a_run_that_may_not_be_leaves_no_trace(month: str, scope: Scope, status: int, any_state: State) -> None:
    await network(any_state)
    assert (await call(any_state, scope, "POST", "/bill-runs", json={"month": month})).status_code == status
    assert await audit_rows(any_state, ADMIN) == []
    assert (await call(any_state, CLERK, "GET", "/bill-runs")).json()["total"] == 0


async def test_completeness_names_what_is_missing_unbilled_and_wrongly_billed(billed: State) -> None:
    async with billed.write() as conn:
        await conn.execute(sa.update(service).where(service.c.number == "S-2").values(active_from_ns=JULY))
    found = (await call(billed, CLERK, "GET", "/usage/completeness")).json()
    assert (found["period"], found["billed"], len(found["intervals"])) == ("2026-06", True, 30)
    assert found["intervals"][0] == {
        "day": "2026-06-01", "expected": 4, "received": 4, "missing": 0,
        "slots": {"expected": 576, "good": 576, "interpolated": 0, "gap": 0, "rejected": 0, "missing": 0},
    }  # fmt: skip
    assert [found["intervals"][29][name] for name in ("expected", "received", "missing")] == [6, 4, 2]
    assert [(row["metering_point"], row["missing"]) for row in found["points"]] == [("port-3", ["2026-06-30"])]
    assert [(row["number"], row["reason"]) for row in found["unbilled_active"]] == [("S-3", "tariff -: the service has no tariff")]
    assert [(row["number"], row["amount_minor"], row["reason"]) for row in found["billed_inactive"]] == [
        ("S-2", 18_120, "not active in the period")
    ]
    for of in found["octets"].values():
        assert of["collected"] == of["guided"] + of["recycled"] and of["guided"] == of["rated"] + of["zero_rated"] and of["waiting"] == 0
    assert all(source["balanced"] for source in found["sources"])
    assert (await call(billed, CLERK, "GET", "/usage/completeness?month=2026-13")).status_code == 422


async def test_usage_shows_how_far_billing_has_come(billed: State) -> None:
    page = (await call(billed, VIEWER, "GET", "/usage", params={"service": "service-1"})).json()
    states = {(row["meter"], row["state"], row["zero_rated"]) for row in page["items"]}
    assert states == {("bandwidth_5min", "billed", False), ("volume", "rated", True)}
