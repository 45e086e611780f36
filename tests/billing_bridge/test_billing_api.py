"""Usage over HTTP: who sees what, pages, and files that prove themselves."""

import csv
import hashlib
import io
import json
from dataclasses import replace
from typing import Any

import pyarrow.parquet as parquet
import pytest

from billing_bridge.api import router
from billing_bridge.export import COLUMNS, Format, export
from billing_bridge.meter import Meter
from billing_bridge.portions import Place, Span
from billing_bridge.sessions import SessionReport, take
from billing_bridge.settings import BillingSettings
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, at, network, polled

pytestmark = pytest.mark.slow  # each makes a store and a month on both engines

JUNE = at("2026-06-01")
NOW = JUNE + 4 * DAY_NS
VIEWER = replace(CLERK, role=Role.VIEWER)
SPAN = {"from": "2026-06-01T00:00:00Z", "to": "2026-06-04T00:00:00Z"}


@pytest.fixture
async def metered(any_state: State) -> State:
    """Three days: port 1 belongs to customer 1, then from noon of day 2 to customer 2; port 2 has a service without tariff."""
    await network(any_state)
    noon = JUNE + DAY_NS * 3 // 2
    await add_service(any_state, 1, await add_customer(any_state, 1), "volume", {1: (0, noon)})
    await add_service(any_state, 2, await add_customer(any_state, 2), "volume", {1: (noon, 0)})
    await add_service(any_state, 3, "customer-1", "", {2: (0, 0)})
    source = ArraySource({PORT[n]: polled(JUNE, JUNE + 3 * DAY_NS, lambda _: (8, 4)) for n in (1, 2)})
    await Meter(any_state, CLERK, source, BillingSettings()).run_once(NOW - DAY_NS // 2)
    return any_state


async def get(state: State, scope: Scope | None, path: str, **query: Any) -> Any:
    async with client(scope, router(state, VirtualClock(NOW))) as http:
        return await http.get(f"/api/v1/usage{path}", params=query)


async def test_pages_by_cursor_give_every_row_once_and_then_end(metered: State) -> None:
    whole = (await get(metered, VIEWER, "")).json()
    assert whole["total"] == len(whole["items"]) == 8 and whole["next"] is None
    seen, cursor = [], ""
    while True:
        page = (await get(metered, VIEWER, "", limit=3, cursor=cursor, **SPAN)).json()
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == whole["items"]
    assert [(await get(metered, VIEWER, path, cursor="x~y")).status_code for path in ("", "/suspense")] == [422, 422]


@pytest.mark.parametrize("limit", [0, 1001, "many"])
async def test_a_limit_has_a_limit(limit: object, metered: State) -> None:
    assert (await get(metered, VIEWER, "", limit=limit)).status_code == 422


async def test_a_customer_sees_its_own_part_of_a_port_that_changed_hands(metered: State) -> None:
    mine = (await get(metered, replace(VIEWER, customers=("customer-2",)), "")).json()
    assert {row["customer_id"] for row in mine["items"]} == {"customer-2"} and mine["total"] == 4
    # half a day and a day, both directions, of both meters
    assert sum(row["quantity"] for row in mine["items"]) == 2 * (432 * 300 * 12 * 125_000)
    counts = (await get(metered, replace(VIEWER, customers=("customer-2",)), "/pipeline")).json()["counts"]
    assert (counts["guided"], counts["recycled"]) == (4, 0)


async def test_sessions_are_held_against_the_ports_they_ran_over(metered: State) -> None:
    await add_service(metered, 4, "customer-1", "volume", {})
    mbit = 432 * 300 * 125_000  # octets of one Mbit/s over the day and a half that each customer had the port
    sessions = [("S-1", 8 * mbit, 4 * mbit), ("S-2", 7 * mbit, 4 * mbit), ("S-4", 5, 5), ("S-9", 5, 5)]
    reports = [SessionReport("bras", name, name, JUNE + DAY_NS, into, out) for name, into, out in sessions]
    await take(metered, CLERK, reports, BillingSettings(), NOW)
    said = (await get(metered, CLERK, "/reconciliation", **SPAN)).json()
    assert [(row["number"], row["interface_octets"], row["session_octets"], row["verdict"]) for row in said["items"]] == [
        ("S-1", 12 * mbit, 12 * mbit, "agree"),
        ("S-2", 12 * mbit, 11 * mbit, "differ"),
        ("S-4", None, 10, "no_interface"),
    ]
    assert said["items"][1]["difference_ppm"] == 1_000_000 // 12
    loose = (await get(metered, CLERK, "/reconciliation", tolerance_ppm=100_000, **SPAN)).json()
    assert loose["verdicts"] == {"agree": 2, "no_interface": 1}
    assert (await get(metered, VIEWER, "/reconciliation")).status_code == 403


async def test_a_region_sees_its_own_ports_only(metered: State) -> None:
    totals = [(await get(metered, replace(VIEWER, regions=(region,)), "")).json()["total"] for region in ("north", "south")]
    assert totals == [8, 0]


@pytest.mark.parametrize(
    ("since", "until", "n"), [("9999-01-01", "9999-12-31", 0), ("0001-01-01", "9999-12-31", 0), ("0001-01-01", "2026-06-05", 8)]
)
async def test_a_span_of_any_years_is_answered(since: str, until: str, n: int, metered: State) -> None:
    answer = await get(metered, VIEWER, "", **{"from": since, "to": until})
    assert (answer.status_code, answer.json()["total"]) == (200, n)


async def test_nothing_was_known_in_the_year_one(metered: State) -> None:
    assert (await get(metered, VIEWER, "", known="0001-01-01T00:00:00Z")).json()["total"] == 0


async def test_suspense_tells_reason_and_age(metered: State) -> None:
    page = (await get(metered, VIEWER, "/suspense", limit=1)).json()
    assert page["total"] == 6 and page["next"]
    assert (page["items"][0]["reason"], page["items"][0]["age_s"], page["items"][0]["state"]) == ("no_tariff", 43_200, "recycled")


async def test_nobody_is_asked_to_sign_in_and_a_viewer_exports_nothing(metered: State) -> None:
    assert (await get(metered, None, "")).status_code == 401
    for path in ("/export", "/export/manifest"):
        refused = await get(metered, VIEWER, path)
        assert (refused.status_code, refused.json()["needs"]) == (403, "billing")
    assert (await get(metered, CLERK, "/export", format="xlsx")).status_code == 422
    assert (await get(metered, CLERK, "/export", **{"from": "yesterday"})).status_code == 422


@pytest.mark.parametrize("form", list(Format))
async def test_a_file_is_what_its_manifest_says(form: Format, metered: State) -> None:
    async with client(CLERK, router(metered, VirtualClock(NOW))) as http:
        file = await http.get("/api/v1/usage/export", params={"format": form.value, **SPAN})
        about = (await http.get(file.headers["link"].partition(">")[0].removeprefix("<"))).json()
    assert hashlib.sha256(file.content).hexdigest() == about["sha256"] and len(file.content) == about["bytes"]
    assert about["file"] in file.headers["content-disposition"]
    rows = read(form, file.content)
    assert len(rows) == about["count"] == 14
    sums: dict[str, int] = {}
    for meter, octets in rows:
        sums[meter] = sums.get(meter, 0) + octets
    assert sums == {meter: of["in_octets"] for meter, of in about["sums"].items()}
    assert about["states"] == {"guided": 8, "recycled": 6}


def read(form: Format, body: bytes) -> list[tuple[str, int]]:
    """(meter, octets in) of each row, by a reader that knows only the format."""
    if form == Format.CSV:
        return [(row["meter"], int(row["in_octets"])) for row in csv.DictReader(io.StringIO(body.decode()))]
    if form == Format.JSONL:
        return [(row["meter"], row["in_octets"]) for row in map(json.loads, body.splitlines())]
    if form == Format.PARQUET:
        return list(zip(*parquet.read_table(io.BytesIO(body)).select(["meter", "in_octets"]).to_pydict().values(), strict=True))
    values = [(usage["usageType"], {item["name"]: item["value"] for item in usage["usageCharacteristic"]}) for usage in json.loads(body)]
    return [(meter, value["inOctets"]) for meter, value in values]


# TMF635 v4.0.0: the properties of Usage, and the members that its parts must have.
USAGE = {
    "id", "href", "description", "usageDate", "usageType", "ratedProductUsage", "relatedParty", "status", "usageCharacteristic",
    "usageSpecification", "@baseType", "@schemaLocation", "@type",
}  # fmt: skip
STATUS = {"received", "rejected", "recycled", "guided", "rated", "rerated", "billed"}


async def test_a_usage_has_the_shape_of_tmf635(metered: State) -> None:
    found = (await get(metered, CLERK, "/export", format="tmf635", **SPAN)).json()
    assert len({usage["id"] for usage in found}) == len(found)
    for usage in found:
        assert set(usage) <= USAGE and usage["status"] in STATUS and usage["usageSpecification"]["id"] == usage["usageType"]
        assert all({"name", "value"} <= set(item) for item in usage["usageCharacteristic"])
        assert all({"id", "@referredType"} <= set(party) for party in usage.get("relatedParty", []))


@pytest.mark.parametrize("name", ["=cmd|'/C calc'!A1", "+1", "-1", "@SUM(A1)", " =1"])
async def test_no_cell_of_a_file_can_act_in_a_spreadsheet(name: str) -> None:
    row = dict.fromkeys(COLUMNS, "") | {"resource": name, "meter": "volume", "in_octets": 5, "out_octets": 7}
    read_back = list(csv.DictReader(io.StringIO(export([row], Format.CSV, Span(0, JUNE, known_ns=JUNE)).body.decode())))
    assert (read_back[0]["resource"], read_back[0]["in_octets"]) == (f"'{name}", "5")


async def test_what_became_known_later_is_not_in_a_file_known_earlier(metered: State) -> None:
    before = await get(metered, CLERK, "/export", known="2026-06-04T00:00:00Z", **SPAN)
    after = await get(metered, CLERK, "/export", **SPAN)
    assert (len(before.text.splitlines()), len(after.text.splitlines())) == (1, 15)


def test_an_empty_file_is_a_file() -> None:
    span = Span(0, JUNE, known_ns=JUNE)
    assert [export([], form, span).manifest["count"] for form in Format] == [0] * len(Format)
    assert json.loads(export([], Format.TMF635, span).body) == []


@pytest.mark.parametrize("text", ["", "1", "1~a~b", "a~b~c~1", "1~a~b~c~1"])
def test_a_text_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Place.parse(text)
