"""The alarm health report: the rows of EEMUA 191 and ISA-18.2 over a history made for them."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fault.health import Entry, Report, Source, flooded, occurrences, report, slots
from fault.health_api import as_csv, router
from fault.service import FaultService
from station.clock import NS_PER_S, VirtualClock
from station.scope import Role, Scope
from tests.fault.network import T0, at, down, event, service_on, store_at, up
from tests.fault.test_fault_api import signed_in

MIN = 60 * NS_PER_S


def entry(key: str, what: str, at_s: float, occurrence: int = 1, severity: str = "major") -> Entry:
    return Entry(key, occurrence, what, int(at_s * NS_PER_S), severity)


def measure(found: Report, name: str) -> float:
    return next(m.value for m in found.measures if m.name == name)


def test_a_flood_begins_at_ten_and_ends_below_five() -> None:
    assert flooded([9, 10, 6, 5, 4, 9]) == 3
    assert flooded([19, 20, 10, 9], operators=2) == 2


def test_each_ten_minutes_counts_what_began_in_it() -> None:
    assert slots([0, 599 * NS_PER_S, 600 * NS_PER_S, 1_800 * NS_PER_S], 0, 30 * MIN) == [2, 1, 0]


def test_an_occurrence_has_its_acknowledgement_and_its_clear() -> None:
    told = [entry("a", "raised", 0), entry("a", "acknowledged", 5), entry("a", "acknowledged", 7), entry("a", "cleared", 9)]
    again = [entry("a", "reopened", 20, 2), entry("b", "cleared", 3)]
    assert [(it.raised_ns, it.acked_ns, it.cleared_ns) for it in occurrences([*told, *again])] == [
        (0, 5 * NS_PER_S, 9 * NS_PER_S),
        (20 * NS_PER_S, 0, 0),
    ]


def test_the_rows_are_those_of_the_standards() -> None:
    entries = [entry("a", "raised", 0), entry("a", "acknowledged", 60), entry("a", "cleared", 600)]
    entries += [part for n in range(9) for part in (entry("b", "raised", 10 + n, n, "minor"), entry("b", "cleared", 10.5 + n, n, "minor"))]
    entries += [entry("b", "chattering", 12, 3)]
    sources = {"a": Source("r1 link", "link", "acme", "Hamburg"), "b": Source("r2 fan", "environment", "", "Berlin")}
    found = report(entries, sources, [0], {"c": -2 * 86_400 * NS_PER_S}, (0, 60 * MIN))
    names = ("alarms_per_10_min", "alarms_flood_share", "root_causes_per_10_min", "share_minor", "top_10_share", "fleeting", "stale")
    assert [measure(found, name) for name in names] == [1.667, 0.1667, 0.167, 0.9, 1.0, 9, 1]
    assert (found.top[0], found.chattering, found.stale) == (("r2 fan", 9), ("r2 fan",), ("c",))
    link = next(t for t in found.times if (t.group, t.name) == ("class", "link"))
    assert (link.raised, link.to_acknowledge_s, link.to_clear_s) == (1, 60.0, 600.0)
    assert {(t.group, t.name) for t in found.times} >= {("vendor", "unknown"), ("vendor", "acme"), ("site", "Berlin")}


def test_nothing_that_happened_is_a_report_too() -> None:
    found = report([], {}, [], {}, (0, 60 * MIN))
    assert measure(found, "alarms_per_10_min") == 0
    assert found.times == ()


def test_a_name_from_a_device_starts_no_formula_in_a_spreadsheet() -> None:
    sources = {"a": Source("=cmd()", "link", "@x", "+s")}
    text = as_csv(report([entry("a", "raised", 1)], sources, [], {}, (0, MIN)), (T0, T0 + MIN))
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert {"'=cmd()", "'@x", "'+s"} <= set(cells)
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FaultService]:
    state = await store_at(tmp_path)
    yield await service_on(state, VirtualClock(at(0)))
    await state.close()


async def test_the_report_is_read_from_what_happened(service: FaultService) -> None:
    await service.handle([down("if-r1-1", 1), event("if-r2-1", "critical", 2)])
    await service.handle([up("if-r1-1", 20)])
    service.clock.advance(60 * NS_PER_S)  # type: ignore[attr-defined]
    async with signed_in(service, Scope(1, Role.VIEWER, "vi"), router(service)) as http:
        found = (await http.get("/api/v1/alarm-health")).json()
        table = await http.get("/api/v1/alarm-health.csv")
        wrong = await http.get("/api/v1/alarm-health", params={"from": "2020-01-01T00:00:00Z"})
    values = {m["name"]: m["value"] for m in found["measures"]}
    assert (values["fleeting"], values["share_critical"], found["whole"]) == (1, 0.5, True)
    assert sum(found["per_10_min"]) == 2
    assert (table.status_code, wrong.status_code) == (200, 422)
    assert table.headers["content-type"].startswith("text/csv")


async def test_a_caller_limited_to_a_region_reads_of_that_region(service: FaultService) -> None:
    await service.handle([down("if-r1-1", 1), down("if-r2-1", 2)])
    service.clock.advance(60 * NS_PER_S)  # type: ignore[attr-defined]
    async with signed_in(service, Scope(1, Role.VIEWER, "vi", regions=("north",)), router(service)) as http:
        found = (await http.get("/api/v1/alarm-health")).json()
    assert [it["name"].split()[0] for it in found["top"]] == ["r1"]
