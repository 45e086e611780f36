"""Heat maps: the same question for each part of a span, by interface, by what it belongs to, and of readings that are no rates."""

from dataclasses import replace

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from inventory.topology import Topology
from perf.grouping import groups
from perf.heat_api import router
from perf.query import GridQuery, QueryError
from perf.visible import within
from station.catalogue import code_of
from station.scope import Role, Scope
from station.web import iso
from tests.perf.conftest import HOUR, METERED, PLAIN, SENSOR, Small, topology
from tests.perf.test_threshold_preview import ask_as_station
from tests.perf.test_top_lists import stored


def test_interfaces_belong_to_services_and_devices_have_tags() -> None:
    keys = (METERED, PLAIN)
    picture: Topology = topology()
    assert groups(picture, "service", keys) == ((METERED,), (1,), [("v1", "Internet Hamburg")])
    assert groups(picture, "vendor", keys) == (keys, (1, 1), [("Acme", "Acme")])
    assert groups(picture, "model", keys)[2] == [("unknown", "unknown")]


@pytest.mark.slow
async def test_cells_are_parts_of_the_span_and_gaps_stay_gaps(small: Small, now_ns: int) -> None:
    await stored(small, now_ns)
    asked = GridQuery("interface.in_octets", "mean", now_ns, now_ns + 3 * HOUR, 5, cells=3)
    grid = await small.store.grid(asked)
    assert grid.entity.tolist() == [PLAIN, METERED]
    np.testing.assert_allclose(grid.value, [[15.5, 27.5, np.nan], [5.5, 17.5, np.nan]])
    together = await small.store.grid(
        GridQuery("interface.in_octets", "max", now_ns, now_ns + 2 * HOUR, 5, (METERED, PLAIN), (1, 1), cells=2)
    )
    assert together.value.tolist() == [[32.0, 56.0]]
    with pytest.raises(QueryError, match="states"):
        await small.store.grid(GridQuery("interface.oper_status", "mean", now_ns, now_ns + HOUR))


def test_a_device_is_seen_by_its_region_and_not_by_a_customer_of_one_of_its_ports() -> None:
    picture: Topology = topology()
    device = METERED >> 16 << 16
    site = picture.sites[picture.devices[METERED >> 16].site_id]
    nobody = Scope(1, Role.VIEWER, user="x")
    assert device in (within(picture, nobody, site.region) or ())
    owner = picture.services["v1"].customer_id
    assert within(picture, replace(nobody, customers=(owner,)), "") == (METERED,)


async def asked(small: Small, path: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(router(small.pipeline.names, small.store))
    return await ask_as_station(app, "GET", path)


@pytest.mark.slow
async def test_readings_and_groups_over_http(small: Small, now_ns: int) -> None:
    await stored(small, now_ns)
    await small.client.command(
        "INSERT INTO sample_5m (series, time, count, min, mean, max, version) "
        "SELECT {s:UInt64}, toDateTime({t:Int64}, 'UTC'), 5, 20, 21, 22, 1",
        {"s": SENSOR << 8 | code_of("sensor.temperature"), "t": now_ns // 10**9},
    )
    span = f"from={iso(now_ns)}&to={iso(now_ns + 2 * HOUR)}&cells=2"
    warm = (await asked(small, f"/api/v1/heatmap?metric=sensor.temperature&stat=max&{span}")).json()
    assert [(row["name"], row["values"]) for row in warm["items"]] == [("ber-core-1 inlet", [22.0, None])]
    by_site = (await asked(small, f"/api/v1/heatmap?metric=interface.in_octets&by=site&{span}")).json()
    assert [(row["name"], row["values"]) for row in by_site["items"]] == [("Hamburg-01", [21.0, 45.0])]
    assert (by_site["unit"], len(by_site["time"])) == ("octets/s", 2)
    wrong = await asked(small, f"/api/v1/heatmap?metric=nothing&{span}")
    assert wrong.status_code == 422
