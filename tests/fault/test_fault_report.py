"""How soon faults are taken and mended, how often they come again, and what customers lost."""

import io
from collections.abc import Mapping
from pathlib import Path

from pypdf import PdfReader
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.notify.plans import plan_of
from fault.report_mail import MonthlyReport, before
from fault.reports import Entry, Hurt, customer_minutes, episodes, figures, repeats
from fault.reports_api import month_span, router
from fault.settings import FaultSettings
from station.clock import NS_PER_S, VirtualClock
from station.scope import STATION, Role, Scope
from station.web import iso
from tests.billing_bridge.calling import client
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, QUICK, notifier_on, running, until_quiet
from tests.fault.test_notify_mail import Inbox, serving

MINUTE = 60 * NS_PER_S


def entries(*rows: tuple[str, int, int, str]) -> list[Entry]:
    return [Entry(alarm, occurrence, seconds * NS_PER_S, what, {"site": "s"}) for alarm, occurrence, seconds, what in rows]


def test_times_are_means_over_what_was_taken_and_mended() -> None:
    found = episodes(
        entries(
            ("a", 1, 0, "raised"), ("a", 1, 10, "acknowledged"), ("a", 1, 100, "cleared"), ("a", 2, 500, "raised"), ("b", 1, 900, "raised")
        )
    )
    assert figures(found, (0, 1000 * NS_PER_S)) == {
        "faults": 3,
        "acknowledged": 1,
        "cleared": 1,
        "mtta_s": 10.0,
        "mttr_s": 100.0,
        "mttr_median_s": 100.0,
        "mtbf_s": round((2000 - 100 - 500 - 100) / 3, 1),
    }
    assert figures([], (0, 1))["mtbf_s"] is None


def test_an_end_without_its_beginning_in_the_span_is_no_fault_of_it() -> None:
    assert episodes(entries(("a", 1, 5, "cleared"))) == []


def test_what_comes_three_times_is_a_repeat() -> None:
    found = episodes(entries(*[("a", n, n, "raised") for n in (1, 2, 3)], ("b", 1, 4, "raised")))
    assert [(row["alarm_id"], row["faults"]) for row in repeats(found)] == [("a", 3)]


def test_a_customers_minute_is_lost_once_and_only_within_the_span() -> None:
    x, y = ("x", "Xerxes"), ("y", "Ypsilon")
    hurts = [Hurt(-5 * MINUTE, 10 * MINUTE, [x]), Hurt(5 * MINUTE, 15 * MINUTE, [x, y]), Hurt(55 * MINUTE, 0, [y])]
    assert [(row["customer"], row["minutes"]) for row in customer_minutes(hurts, (0, 60 * MINUTE))] == [("Xerxes", 15), ("Ypsilon", 15)]


async def no_teams(_conn: AsyncConnection) -> Mapping[str, str]:
    return {}


async def test_the_report_is_of_the_stations_own_history(tmp_path: Path) -> None:
    state = await store_at(tmp_path)
    service = await service_on(state, VirtualClock(at(7200)))
    for change in (down("if-r3-9", 0), up("if-r3-9", 600)):
        await service.handle([change])
    async with client(Scope(STATION.tenant, Role.VIEWER, "v"), router(service, no_teams)) as http:
        said = (await http.get("/api/v1/fault-report", params={"from": iso(at(-60)) or "", "to": iso(at(7000)) or ""})).json()
        wrong = await http.get("/api/v1/fault-report", params={"from": iso(at(10)) or "", "to": iso(at(0)) or ""})
    assert (said["all"]["faults"], said["all"]["mttr_s"], said["whole"]) == (1, 600.0, True)
    assert (said["by_site"][0]["site"], said["by_alarm_type"][0]["alarm_type"]) == ("Berlin", "communications.link_down")
    assert said["customer_minutes_lost"] == 10.0 and said["customers"] == [{"customer_id": "c1", "customer": "Acme", "minutes": 10.0}]
    assert wrong.status_code == 422
    await state.close()


async def test_a_month_is_a_pdf_with_the_figures_of_each_team(tmp_path: Path) -> None:
    state = await store_at(tmp_path)
    clock = VirtualClock(at(0))  # 2023-11-14 22:13:20
    notifier = notifier_on(state, clock=clock)
    await notifier.plans.put(ENGINEER, plan_of({"teams": {"Nachtdienst": ["anna"], "alle": ["anna", "otto"]}}))
    service = await service_on(state, clock)
    await service.handle([down("if-r3-9", 0, text="#panic(<b>)"), down("if-r1-2", 0)])
    await service.change([next(iter(service.book.alarms))], lambda book, alarm, now_ns: [book.acknowledge(alarm, "anna", now_ns, "")])
    clock.advance(at(7000) - at(0))
    await service.handle([up("if-r3-9", 600)])
    async with client(Scope(STATION.tenant, Role.VIEWER, "v"), router(service, notifier.plans.teams, simulated=True)) as http:
        said = (await http.get("/api/v1/fault-report")).json()
        pages = await http.get("/api/v1/fault-report.pdf", params={"month": "2023-11"})
        empty = await http.get("/api/v1/fault-report.pdf", params={"month": "2023-10"})
        future, wrong = [await http.get("/api/v1/fault-report.pdf", params={"month": month}) for month in ("2023-12", "2023-13")]
    assert {row["team"]: (row["faults"], row["acknowledged"]) for row in said["by_team"]} == {
        "Nachtdienst": (1, 1),
        "nobody took it": (1, 0),
    }
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pages.content)).pages)
    for word in ("November 2023", "Nachtdienst", "Berlin", "communications.link_down", "Acme", "Simulated network"):
        assert word in text, word
    assert (empty.status_code, future.status_code, wrong.status_code) == (200, 422, 422)
    await state.close()


async def test_the_month_goes_out_by_mail_once_whatever_is_started_again(tmp_path: Path) -> None:
    state, inbox, clock = await store_at(tmp_path), Inbox(), VirtualClock(at(0))
    settings = FaultSettings(lone_after_s=0, announce_after_s=0, monthly_report="bosses")
    async with serving(inbox, tmp_path) as smtp:
        notifier = notifier_on(state, QUICK.model_copy(update={"smtp": smtp}))
        service = await service_on(state, clock, settings=settings)
        await service.handle([down("if-r3-9", 0), up("if-r3-9", 600)])
        clock.advance(20 * 86_400 * NS_PER_S)
        async with running(notifier):
            assert not await MonthlyReport(service, notifier).look()  # there is no such webhook yet
            await notifier.add_webhook(ENGINEER, "bosses", "mailto:boss@example.org", "email", filter="severity:critical")
            sent = [await MonthlyReport(service, notifier).look() for _ in range(2)]
            await until_quiet(state)
    (mail,) = inbox.mails
    (page,) = mail.iter_attachments()
    assert sent == [True, False]
    assert (mail["To"], mail["Subject"], page.get_filename()) == ("boss@example.org", "Faults 2023-11", "faults-2023-11.pdf")
    assert page.get_payload(decode=True)[:5] == b"%PDF-"  # type: ignore[index]
    assert "1 faults in 2023-11" in str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]
    await state.close()


def test_the_month_before_is_found_over_new_year() -> None:
    assert before(1_767_225_600 * NS_PER_S) == "2025-12"  # 2026-01-01 00:00 UTC
    assert month_span("2025-12")[1] == 1_767_225_600 * NS_PER_S
