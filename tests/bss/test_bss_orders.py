"""What people tell billing over HTTP: plans, charges once, splits, rates, disputes; previews, approvals, the catalogue's lint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bss.api import router
from bss.disputes import held
from bss.settings import BssSettings
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import ArraySource, add_customer, add_service, at
from tests.bss.test_bss_cycle_runs import GERMANY, SETTINGS, Shop, lines

ANN, BOB = Scope(1, Role.BILLING, user="ann"), Scope(1, Role.BILLING, user="bob")


class Desk:
    """Clerks at the API of a shop, on a virtual clock."""

    def __init__(self, shop: Shop, day: str) -> None:
        self.shop, self.clock = shop, VirtualClock(at(day))
        self.routes = router(shop.state, shop.biller, ArraySource(), self.clock)

    async def ask(self, method: str, path: str, body: Any = None, *, who: Scope = ANN, status: int = 200) -> Any:
        async with client(who, self.routes) as http:
            answer = await http.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


async def desk_of(state: State, folder: Path, day: str = "2026-07-02", **settings: Any) -> Desk:
    """A shop with one customer, whose service costs 31 a month."""
    shop = Shop(state, folder, SETTINGS.model_copy(update=settings) if settings else SETTINGS)
    shop.flat("t", "31")
    shop.flat("large", "62")
    await add_service(state, 1, await add_customer(state, 1), "t", {})
    return Desk(shop, day)


async def test_a_plan_change_splits_the_month_and_may_wait_for_its_end(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path, "2026-07-02")
    made = await desk.ask("POST", "/services/service-1/plan", {"tariff": "large", "day": "2026-07-11"}, status=201)
    assert made["day"] == "2026-07-11"
    later = await desk.ask("POST", "/services/service-1/plan", {"tariff": "t", "day": "2026-08-03", "when": "period"}, status=201)
    assert later["day"] == "2026-09-01"
    assert [row["was"] for row in (await desk.ask("GET", "/services/service-1/plan"))["items"]] == ["t", "large"]
    await desk.ask("POST", "/services/service-1/plan", {"tariff": "nothing", "day": "2026-08-03"}, status=409)
    await desk.ask("POST", "/services/none/plan", {"tariff": "t", "day": "2026-08-03"}, status=404)
    (july,) = await desk.shop.run("2026-07", "2026-08-01")
    assert [row[1::2] for row in lines(july)] == [("1.flat", 1_000), ("1.flat#1", 4_200)]


async def test_a_backdated_change_is_corrected_on_its_own_period(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    await desk.shop.run("2026-06", "2026-07-01")
    await desk.ask("POST", "/services/service-1/plan", {"tariff": "large", "day": "2026-06-16"}, status=201)
    (july,) = await desk.shop.run("2026-07", "2026-08-01")
    assert [(kind, charge, amount) for kind, charge, period, amount in lines(july) if period == "2026-06"] == [
        ("credit", "1.flat", -3_100),
        ("debit", "1.flat", 1_550),
        ("debit", "1.flat#1", 3_100),
    ]


async def test_charges_once_splits_and_rates_are_taken_over_http(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    await add_customer(state, 2)
    rate = {"day": "2026-06-30", "base": "USD", "quote": "EUR", "rate": "0.92", "source": "ECB"}
    assert await desk.ask("POST", "/exchange-rates", {"rates": [rate]}, status=201) == {"new": 1}
    assert await desk.ask("POST", "/exchange-rates", {"rates": [rate | {"rate": "7"}]}, status=201) == {"new": 0}
    assert (await desk.ask("GET", "/exchange-rates"))["items"] == [rate]
    once = {"day": "2026-06-30", "description": "Router", "unit_price": "50.00", "currency": "USD", "service_id": "service-1"}
    await desk.ask("POST", "/customers/customer-1/one-off-charges", once, status=201)
    await desk.ask("POST", "/customers/customer-2/one-off-charges", once, status=409)
    await desk.ask("POST", "/customers/customer-1/one-off-charges", once | {"currency": "XXX"}, status=409)
    assert len((await desk.ask("GET", "/customers/customer-1/one-off-charges"))["items"]) == 1
    part = {"payer_id": "customer-2", "share_ppm": 500_000, "charges": [1]}
    await desk.ask("PUT", "/services/service-1/bill-split", {"parts": [part]}, status=204)
    await desk.ask("PUT", "/services/service-1/bill-split", {"parts": [part, part]}, status=409)
    await desk.ask("PUT", "/services/service-1/bill-split", {"parts": [part | {"payer_id": "customer-1"}]}, status=409)
    one, two = await desk.shop.run("2026-06", "2026-07-02")
    assert [row[3] for row in lines(one)] == [1_550, 4_600] and [row[3] for row in lines(two)] == [1_550]


async def test_a_profile_names_a_payer_a_cycle_and_a_jurisdiction_that_are_there(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    for n in (2, 3):
        await add_customer(state, n)
    desk.shop.taxes("DE", GERMANY)
    good = {"payer_id": "customer-2", "cycle": "R/2026-01-31/P1M", "time_zone": "Europe/Lisbon", "tax_jurisdiction": "DE"}
    await desk.ask("PUT", "/customers/customer-1/billing-profile", good)
    for bad in (
        {"payer_id": "none"}, {"payer_id": "customer-1"}, {"cycle": "R/2026-02-31/P1M"}, {"time_zone": "Mars/Base"},
        {"tax_jurisdiction": "FR"}, {"legal_entity": "sud"},
    ):  # fmt: skip
        await desk.ask("PUT", "/customers/customer-2/billing-profile", bad, status=422)


async def test_a_dispute_holds_what_it_is_about_until_it_is_decided(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    (june,) = await desk.shop.run("2026-06", "2026-07-01")

    async def holds() -> dict[str, int]:
        async with state.read() as conn:
            return await held(conn, 1)

    path = f"/invoices/{june['number']}/disputes"
    first = await desk.ask("POST", path, {"reason": "too slow", "lines": [{"line_no": 1, "amount_minor": 1_000}]}, status=201)
    assert await holds() == {june["id"]: 1_190}
    await desk.ask("POST", path, {"reason": "again"}, status=409)  # nothing of it is left to dispute
    await desk.ask("POST", f"/disputes/{first['id']}/reject", status=204)
    assert await holds() == {}
    await desk.ask("POST", f"/disputes/{first['id']}/accept", status=409)
    second = await desk.ask("POST", path, {"reason": "all of it"}, status=201)
    proposal = (await desk.ask("POST", f"/disputes/{second['id']}/accept"))["proposal"]
    assert await holds() == {june["id"]: 3_689}  # until a second person agrees
    await desk.ask("POST", f"/credits/{proposal}/approve", status=403)
    note = await desk.ask("POST", f"/credits/{proposal}/approve", who=BOB)
    assert (note["totals"]["gross_minor"], note["invoice"]["number"], await holds()) == (-3_689, june["number"], {})
    assert {row["id"]: row["state"] for row in (await desk.ask("GET", "/disputes"))["items"]} == {
        first["id"]: "rejected",
        second["id"]: "accepted",
    }


async def test_a_debit_note_on_an_old_invoice_is_refused_and_noted_as_leakage(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path, "2027-08-02", adjust_months=12)
    (june,) = await desk.shop.run("2026-06", "2026-07-01")
    debit = {"lines": [{"line_no": 1, "amount_minor": 500}], "reason": "forgotten"}
    found = await desk.ask("POST", f"/invoices/{june['id']}/credits", debit, status=409)
    assert found["reason"] == "too_old"
    assert [row["amount_minor"] for row in (await desk.ask("GET", "/leakage"))["items"]] == [500]
    await desk.ask("POST", f"/invoices/{june['id']}/credits", debit | {"lines": [{"line_no": 1, "amount_minor": -500}]}, status=201)


async def test_debit_notes_may_have_a_series_of_their_own(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path, debit_series="DEB")
    (june,) = await desk.shop.run("2026-06", "2026-07-01")
    numbers = []
    for amount in (-100, 100, -200, 200):
        body = {"lines": [{"line_no": 1, "amount_minor": amount}], "reason": "r"}
        made = await desk.ask("POST", f"/invoices/{june['id']}/credits", body, status=201)
        numbers.append((await desk.ask("POST", f"/credits/{made['id']}/approve", who=BOB))["number"])
    assert numbers == ["NOTE-2026-000001", "DEB-2026-000001", "NOTE-2026-000002", "DEB-2026-000002"]


async def test_a_simulated_run_writes_nothing_and_says_what_the_run_will(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    assert [row["period"] for row in (await desk.ask("GET", "/bill-runs/due"))["items"]][-1] == "2026-06"
    found = await desk.ask("POST", "/bill-runs/simulate", {"period": "2026-06"})
    assert (found["invoices"], found["gross_minor"]) == (1, {"EUR": 3_689})
    (june,) = await desk.shop.run("2026-06", "2026-07-02")
    assert june["number"] == "INV-2026-000001"
    assert found["documents"][0]["lines"] == june["lines"]
    await desk.ask("POST", "/bill-runs/simulate", {"period": "2026-06/2026-07"}, status=422)


async def test_a_dry_run_names_whom_a_new_version_would_bill_otherwise(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    await add_service(state, 2, await add_customer(state, 2), "large", {})
    text = 'summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n[[charges]]\nkind = "flat"\namount = "35"\n'
    asked = {"tariff": "t", "effective": "2026-07-01", "period": "2026-07", "text": text}
    found = await desk.ask("POST", "/catalogue/dry-run", asked)
    assert (found["changed"], found["customers"][0]["customer"], found["customers"][0]["change_minor"]) == (1, "K-1", 476)
    assert (found["before_minor"], found["after_minor"]) == ({"EUR": 3_689 + 7_378}, {"EUR": 4_165 + 7_378})
    unchanged = await desk.ask("POST", "/catalogue/dry-run", asked | {"effective": "2026-08-01"})
    assert unchanged["changed"] == 0
    await desk.ask("POST", "/catalogue/dry-run", asked | {"text": "nothing"}, status=409)


async def test_a_run_above_the_limit_waits_for_a_second_person(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path, freeze_minor=3_000)
    for _ in range(2):
        waiting = await desk.ask("POST", "/bill-runs", {"month": "2026-06"}, status=201)
        assert (waiting["waiting"], waiting["made"]) == (True, 0)
    await desk.ask("POST", "/bill-runs/approve", {"period": "2026-06"}, status=403)
    await desk.ask("POST", "/bill-runs/approve", {"period": "2026-05"}, status=404)
    await desk.ask("POST", "/bill-runs/approve", {"period": "2026-06"}, who=BOB, status=204)
    made = await desk.ask("POST", "/bill-runs", {"month": "2026-06"}, status=201)
    assert (made["waiting"], made["made"]) == (False, 1)


async def test_a_version_is_used_once_two_people_published_its_very_bytes(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path, publish=True)
    assert "is in force" in (await desk.ask("POST", "/bill-runs/simulate", {"period": "2026-06"}))["exceptions"][0]["reason"]
    version = {"tariff": "t", "effective": "2026-01-01"}
    await desk.ask("POST", "/catalogue/publications/approve", version, who=BOB, status=409)
    await desk.ask("POST", "/catalogue/publications", version, status=201)
    await desk.ask("POST", "/catalogue/publications/approve", version, status=403)
    desk.shop.flat("t", "99")
    await desk.ask("POST", "/catalogue/publications/approve", version, who=BOB, status=409)  # not the bytes that were proposed
    desk.shop.flat("t", "31")
    await desk.ask("POST", "/catalogue/publications/approve", version, who=BOB)
    assert (await desk.ask("POST", "/bill-runs/simulate", {"period": "2026-06"}))["gross_minor"] == {"EUR": 3_689}


BY_DESTINATION = """[[charges]]
kind = "per_event"
meter = "{meter}"
unit_size = 1
zones = [{{ name = "video", prefixes = ["1"], price = "0" }}, {{ name = "rest", prefixes = [""], price = "1" }}]
"""


async def test_lint_finds_what_no_run_could_use_and_what_people_should_see(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    shop, head = desk.shop, 'summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n'
    shop.taxes("DE", "net_neutrality = true\n" + GERMANY)
    files = {
        "tiers": head
        + '[[charges]]\nkind = "volume"\ntiers = [{ up_to_gb = "9", price = "1" }, { up_to_gb = "5", price = "1" }, { price = "1" }]',
        "gap": head.replace("half_up", "half_up") + 'until = 2026-01-31\n[[charges]]\nkind = "flat"\namount = "1"\n',
        "none": 'summary = "s"\nrounding = "half_up"\n[[charges]]\nkind = "flat"\namount = "1"\n',
        "apps": head + BY_DESTINATION.format(meter="flow_octets"),
        "calls": head + BY_DESTINATION.format(meter="seconds"),
        "resold": head + "retail = false\n" + BY_DESTINATION.format(meter="flow_octets"),
    }
    for name, text in files.items():
        (tmp_path / "tariffs" / name).mkdir()
        (tmp_path / "tariffs" / name / "2026-01-01.toml").write_text(text)
    (tmp_path / "tariffs" / "gap" / "2026-03-01.toml").write_text(head + '[[charges]]\nkind = "flat"\namount = "1"\n')
    await add_service(state, 2, await add_customer(state, 2, currency="JPY"), "t", {})
    await add_service(state, 3, "customer-2", "gone", {})
    found = (await desk.ask("GET", "/catalogue/lint"))["items"]
    rules = {(row["severity"], row["rule"], row["tariff"]) for row in found if row["rule"] != "no_examples"}
    assert rules == {
        ("error", "unsound", "tiers"),
        ("error", "unsound", "gap"),
        ("error", "unsound", "none"),
        ("warning", "net_neutrality", "apps"),
        ("warning", "currency", "t"),
        ("error", "unknown_tariff", "gone"),
    }
    says = {row["tariff"]: row["says"] for row in found if row["rule"] == "unsound"}
    assert "tiers overlap" in says["tiers"] and "no version is in force from 2026-02-01" in says["gap"] and "currency" in says["none"]


async def test_who_may_not_bill_may_none_of_it(state: State, tmp_path: Path) -> None:
    desk = await desk_of(state, tmp_path)
    viewer = replace(ANN, role=Role.VIEWER)
    for path in ("/bill-runs/due", "/exchange-rates", "/disputes", "/catalogue/lint", "/leakage"):
        await desk.ask("GET", path, who=viewer, status=403)
    assert BssSettings().publish is False
