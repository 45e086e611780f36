"""What a formula would have been over history, before it is saved."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from perf.kpi_api import router
from station.web import iso
from tests.perf.conftest import HOUR, Small
from tests.perf.test_threshold_preview import ask_as_station
from tests.perf.test_top_lists import stored

pytestmark = pytest.mark.slow


async def asked(small: Small, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    app = FastAPI()
    app.include_router(router(small.pipeline.names, small.store))
    return await ask_as_station(app, method, path, body)


async def test_a_formula_is_tried_on_history(small: Small, now_ns: int) -> None:
    await stored(small, now_ns)
    span = {"start": iso(now_ns), "end": iso(now_ns + 2 * HOUR)}
    found = (await asked(small, "POST", "/api/v1/kpis/preview", {"formula": "8 * in_octets", **span})).json()
    assert (found["rows"], found["known"], found["p100"]) == (48, 48, 8 * 33)
    nothing = (await asked(small, "POST", "/api/v1/kpis/preview", {"formula": "in_octets / (in_octets - out_octets)", **span})).json()
    assert (nothing["says"], nothing["p50"]) == ("would have had a value in 0 of 48 five minutes", None)


@pytest.mark.parametrize("formula", ["in_octets +", "__import__('os')", "temperature / 2", "1 + 1"])
async def test_what_is_no_formula_is_refused_with_the_reason(small: Small, now_ns: int, formula: str) -> None:
    body = {"formula": formula, "start": iso(now_ns), "end": iso(now_ns + HOUR)}
    answer = await asked(small, "POST", "/api/v1/kpis/preview", body)
    assert answer.status_code == 422 and answer.json()["title"] == "Not a formula"


async def test_every_kpi_is_listed_with_what_it_is_made_of(small: Small) -> None:
    listed = {item["metric"]: item["names"] for item in (await asked(small, "GET", "/api/v1/kpis")).json()["items"]}
    assert listed["interface.in_error_ratio"] == ["in_errors", "in_packets"] and listed["icmp.delivery"] == ["loss"]
