"""Latency, jitter, loss and throughput as promises; time that people agree not to count; and the reports."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import openpyxl
import pypdf
import pytest
from pydantic import ValidationError

from perf.sla.api import router
from perf.sla.objectives import SLOT_NS, credit_of, kept, of_ports, slots_within
from perf.sla.report import PAGES_MAX, ReportError, pdf, workbook
from perf.sla.terms import Objective, Sla, Slas
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, PORT, add_customer, add_service, network, port_id
from tests.perf import test_sla_levels
from tests.perf.test_sla_levels import JULY, JUNE, VIEWER, Probed, hours, levels, told

SLOTS = 30 * 288
NAN = float("nan")
LATENCY = Objective(sli="latency", at_most=Decimal(20), share=Decimal(99), credit=Decimal(5))
LOSS = Objective(sli="loss", at_most=Decimal("0.1"), over="mean", credit=Decimal(7))
RATE = Objective(sli="throughput", at_least=Decimal(100), share=Decimal(100), credit=Decimal(3))
FINE = Sla(summary="s", availability="99", credits=[{"below": "99", "percent": "10"}], objectives=[LATENCY, LOSS, RATE])
SECOND = replace(CLERK, user="second")


def f64(*values: float) -> npt.NDArray[np.float64]:
    return np.array(values)


def all_of(count: int) -> npt.NDArray[np.bool_]:
    return np.ones(count, np.bool_)


@pytest.mark.parametrize(("unknown", "value", "met"), [("excluded", "66.6667", False), ("up", "75.0000", True), ("down", "50.0000", False)])
def test_a_slot_that_nobody_measured_is_what_the_promise_says(unknown: Any, value: str, met: bool) -> None:
    found = kept(replace_share(LATENCY, 75), f64(5, 20, 21, NAN), all_of(4), unknown)
    assert (str(found.value), found.met, found.counted, found.known, found.good) == (value, met, 4, 3, 2)


def replace_share(objective: Objective, share: int) -> Objective:
    return objective.model_copy(update={"share": Decimal(share)})


def test_a_month_s_mean_and_percentile_are_of_what_is_known() -> None:
    values = np.r_[np.arange(1.0, 101.0), NAN]
    mean = kept(LATENCY.model_copy(update={"over": "mean"}), values, all_of(101), "down")
    high = kept(LATENCY.model_copy(update={"over": "p95", "at_most": Decimal(95)}), values, all_of(101), "down")
    assert (mean.value, mean.met, high.value, high.met) == (Decimal("50.500"), False, Decimal("95.000"), True)


def test_nothing_known_is_neither_kept_nor_missed() -> None:
    for objective in (LATENCY, LOSS, RATE):
        assert kept(objective, f64(NAN, NAN), all_of(2), "excluded").met is None
        assert kept(objective, f64(1, 1), np.zeros(2, np.bool_), "excluded").value is None


def test_a_service_is_as_good_as_the_ports_it_needs() -> None:
    ports = [f64(5, 30, NAN), f64(40, 10, 12)]
    assert of_ports(LATENCY, ports, 1).tolist() == [5, 10, 12]
    assert of_ports(LATENCY, ports, "all").tolist()[:2] == [40, 30]
    assert np.isnan(of_ports(LATENCY, ports, "all")[2])
    assert of_ports(RATE, [f64(50, np.inf), f64(150, 80)], 1).tolist() == [150, np.inf]
    assert of_ports(RATE, [f64(50, np.inf), f64(150, 80)], "all").tolist() == [50, 80]


def test_only_slots_that_lie_wholly_within_count() -> None:
    spans = [(JUNE - SLOT_NS, JUNE + SLOT_NS), (JUNE + 3 * SLOT_NS - 1, JUNE + 5 * SLOT_NS - 1)]
    assert slots_within(spans, JUNE, 6).tolist() == [True, False, False, True, False, False]
    assert slots_within([], JUNE, 2).tolist() == [False, False]


@pytest.mark.parametrize(("together", "cap", "due"), [("largest", 100, 10), ("sum", 100, 15), ("sum", 12, 12)])
def test_credits_together_are_the_largest_or_their_sum_up_to_a_cap(together: Any, cap: int, due: int) -> None:
    sla = FINE.model_copy(update={"together": together, "credit_cap": Decimal(cap)})
    missed = kept(LATENCY, f64(90), all_of(1), "up")
    assert credit_of(sla, Decimal(10), [missed]) == due


@pytest.mark.parametrize(
    "wrong",
    [
        {"sli": "latency", "at_least": "5"},
        {"sli": "throughput", "at_most": "5"},
        {"sli": "loss"},
        {"sli": "throughput", "at_least": "5", "over": "mean"},
        {"sli": "latency", "at_most": "-1"},
    ],
)
def test_an_objective_without_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Objective.model_validate(wrong)


@pytest.fixture
async def sold(any_state: State, monkeypatch: pytest.MonkeyPatch) -> State:
    """Service 1 over ports 1 and 2 needs one of them and is `fine`."""
    monkeypatch.setattr(test_sla_levels, "SLAS", Slas({"fine": FINE}))
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1), "volume", {1: (0, 0), 2: (0, 0)}, sla="fine")
    return any_state


def june(value: float, *other: tuple[int, int, float]) -> npt.NDArray[np.float64]:
    """June's slots of one value, but those [from, to) that have another."""
    slots = np.full(SLOTS, value)
    for low, high, odd in other:
        slots[low:high] = odd
    return slots


async def test_slow_slots_count_while_the_service_is_up_and_not_while_it_is_down(sold: State) -> None:
    await told(sold, 1, port_id(1), "communications.link_down", (0, 5))
    await told(sold, 2, port_id(2), "communications.link_down", (0, 5))
    slow = Probed({("latency", PORT[1]): june(5, (0, 60, 90), (100, 200, 90)), ("latency", PORT[2]): june(8, (0, 60, 90), (100, 160, 90))})
    (one,) = await levels(sold, probed=slow).of_month(VIEWER, "2026-06")
    latency, loss, rate = one.objectives
    assert (latency.counted, latency.good, str(latency.value), latency.met) == (SLOTS - 60, SLOTS - 120, "99.3007", True)
    assert (loss.met, rate.met, one.met, one.credit_percent) == (None, None, True, Decimal(0))


async def test_a_missed_objective_breaks_the_level_and_earns_its_credit_when_the_month_is_over(sold: State) -> None:
    lossy = Probed({("loss", PORT[1]): june(0, (0, 288, 30)), ("throughput", PORT[1]): june(np.inf, (5, 6, 80))})
    (one,) = await levels(sold, probed=lossy).of_month(VIEWER, "2026-06")
    assert [(kept_.of.sli, None if kept_.value is None else str(kept_.value), kept_.met) for kept_ in one.objectives] == [
        ("latency", None, None),
        ("loss", "1.000", False),
        ("throughput", "99.9884", False),
    ]
    assert (one.met, one.result.met, one.credit_percent) == (False, True, Decimal(7))
    (now,) = await levels(sold, now_ns=JUNE + 100 * SLOT_NS, probed=lossy).of_month(VIEWER, "2026-06")
    assert (now.objectives[1].counted, now.met, now.credit_percent) == (100, False, Decimal(0))


async def ask(state: State, method: str, path: str, scope: Scope = CLERK, **more: Any) -> Any:
    async with client(scope, router(levels(state), state, VirtualClock(JULY))) as http:
        return await http.request(method, f"/api/v1/slas{path}", **more)


STORM = {
    "cause": "force_majeure",
    "reason": "flood of the river, declared by the authorities",
    "target_kind": "site",
    "target_id": "site-1",
    "start": "2026-06-01T10:00:00Z",
    "end": "2026-06-01T20:00:00Z",
}


async def test_force_majeure_does_not_count_once_a_second_person_agreed(sold: State) -> None:
    for number in (1, 2):
        await told(sold, number, port_id(number), "communications.link_down", (10, 30))
    target = {"target_kind": "customer", "target_id": "customer-1"}
    made = (await ask(sold, "POST", "/exclusions", json=STORM | target)).json()
    assert made["state"] == "open"
    (before,) = await levels(sold).of_month(VIEWER, "2026-06")
    assert before.result.outages == hours((10, 30))
    own = await ask(sold, "POST", f"/exclusions/{made['id']}/decision", json={"approve": True})
    assert (own.status_code, own.json()["detail"]) == (409, "Nobody approves their own proposal: a second person decides.")
    agreed = await ask(sold, "POST", f"/exclusions/{made['id']}/decision", SECOND, json={"approve": True})
    assert (agreed.json()["state"], agreed.json()["decided_by"]) == ("approved", "second")
    (after,) = await levels(sold).of_month(VIEWER, "2026-06")
    assert (after.result.outages, after.excluded) == (hours((20, 30)), hours((10, 20)))
    assert [row["id"] for row in (await ask(sold, "GET", "/exclusions", params={"end": "2026-07-01T00:00:00Z"})).json()["items"]] == [
        made["id"]
    ]
    assert (await ask(sold, "POST", f"/exclusions/{made['id']}/decision", SECOND, json={"approve": False})).status_code == 409
    assert (await ask(sold, "POST", "/exclusions/none/decision", SECOND, json={"approve": True})).status_code == 404


async def test_an_exclusion_without_sense_or_from_someone_who_sees_a_part_is_refused(sold: State) -> None:
    backwards = STORM | {"start": STORM["end"], "end": STORM["start"]}
    assert (await ask(sold, "POST", "/exclusions", json=backwards)).status_code == 422
    assert (await ask(sold, "POST", "/exclusions", json=STORM | {"cause": "bad luck"})).status_code == 422
    part = Scope(CLERK.tenant, Role.ADMIN, "p", customers=("customer-1",))
    assert (await ask(sold, "POST", "/exclusions", part, json=STORM)).status_code == 403
    assert (await ask(sold, "GET", "/exclusions", part)).status_code == 403


async def test_the_month_comes_as_a_workbook_and_as_pages(sold: State) -> None:
    await told(sold, 1, port_id(1), "communications.link_down", (10, 30))
    await told(sold, 2, port_id(2), "communications.link_down", (10, 30))
    book = openpyxl.load_workbook(io.BytesIO((await ask(sold, "GET", "", params={"month": "2026-06", "format": "xlsx"})).content))
    assert book.sheetnames == ["Services", "Objectives", "Time"]
    assert [cell.value for cell in book["Services"][2]][:7] == ["S-1", "Internet 1", "Customer 1", "fine", 99, 97.2222, False]
    assert [cell.value for cell in book["Objectives"][2]][3:5] == ["latency", "Latency at most 20 ms in 99 % of the time"]
    assert [cell.value for cell in book["Time"][2]][3:] == ["outage", "2026-06-01T10:00:00.000Z", "2026-06-02T06:00:00.000Z", 72000]
    made = await ask(sold, "GET", "", params={"month": "2026-06", "format": "pdf"})
    text = pypdf.PdfReader(io.BytesIO(made.content)).pages[0].extract_text()
    assert made.headers["content-type"] == "application/pdf"
    for word in ("June 2026", "S-1", "97.2222 %", "20 h 00 min", "missed", "2026-06-01 10:00"):
        assert word in text


async def test_a_text_from_outside_is_never_a_formula_nor_markup(sold: State) -> None:
    (one,) = await levels(sold).of_month(VIEWER, "2026-06")
    odd = replace(one, of=replace(one.of, name="=1+1", customer="#pagebreak() *x*"))
    sheet = openpyxl.load_workbook(io.BytesIO(workbook("2026-06", [odd])))["Services"]
    assert (sheet["B2"].value, sheet["B2"].data_type, sheet["C2"].value) == ("=1+1", "s", "#pagebreak() *x*")
    pages = pypdf.PdfReader(io.BytesIO(pdf("2026-06", [odd], datetime(2026, 7, 1, tzinfo=UTC)))).pages
    assert len(pages) == 1
    assert "#pagebreak() *x*" in pages[0].extract_text().replace("\n", " ")


async def test_too_many_services_for_pages_are_refused_in_words(sold: State) -> None:
    (one,) = await levels(sold).of_month(VIEWER, "2026-06")
    with pytest.raises(ReportError, match="take the workbook"):
        pdf("2026-06", [one] * (PAGES_MAX + 1), datetime(2026, 7, 1, tzinfo=UTC))
